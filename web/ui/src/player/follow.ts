// SPDX-License-Identifier: Apache-2.0
/** How one element keeps to the master clock. PURE. */

/** Farther off than this, the element is sought; nearer, it catches up by a slightly other speed. */
export const SEEK_BEYOND_MS = 250;
/** Largest change of speed, as a share: the ear does not notice it. */
export const MAX_CORRECTION = 0.05;
/** Correction begins beyond the first and goes on down to the second, so that the speed is left alone most of the time. */
const BEGIN_MS = 18;
const ENOUGH_MS = 5;
/** In this time an error would be gone, within the largest correction. */
const SETTLE_MS = 1_000;
/** Speeds are set in steps of half a percent: each change makes the browser restart its stretching of the sound. */
const STEP = 0.005;

/** What is known of the element. */
export interface Following {
  element_ms: number;
  master_ms: number;
  /** Wanted speed of the whole, 0.5 to 2. */
  speed: number;
  /** The element's present playbackRate. */
  rate: number;
  /** Expected length of a seek. */
  lead_ms: number;
  may_seek: boolean;
}

/** What to do: seek, or play on at a rate. */
export type Step = { seek_ms: number } | { rate: number };

/** Next step of an element that plays and is not seeking. */
export function follow(state: Following): Step {
  const error_ms = state.element_ms - state.master_ms;
  const size_ms = Math.abs(error_ms);
  if (size_ms > SEEK_BEYOND_MS && state.may_seek) return { seek_ms: state.master_ms + state.lead_ms * state.speed };
  const correcting = Math.abs(state.rate - state.speed) > STEP / 2;
  if (size_ms < (correcting ? ENOUGH_MS : BEGIN_MS)) return { rate: state.speed };
  const share = Math.min(MAX_CORRECTION, size_ms / SETTLE_MS);
  const steps = Math.max(1, Math.round(share / STEP));
  return { rate: round(state.speed * (1 - Math.sign(error_ms) * steps * STEP)) };
}

function round(rate: number): number {
  return Math.round(rate * 10_000) / 10_000;
}

/** How long a seek takes, learned from where the element was found after the last one. */
export function learnLead(lead_ms: number, error_ms: number, speed: number): number {
  return Math.min(500, Math.max(0, lead_ms - (error_ms / speed) * 0.5));
}

/**
 * Whether an element may be sought again. An old PC that cannot decode fast enough would only be thrown back further,
 * so the pause between seeks doubles while they keep coming.
 */
export class SeekBudget {
  #pause_ms = 1_000;
  #last_ms = -Infinity;

  may(now_ms: number): boolean {
    return now_ms - this.#last_ms >= this.#pause_ms;
  }

  spend(now_ms: number): void {
    const again = now_ms - this.#last_ms < this.#pause_ms * 3;
    this.#pause_ms = again ? Math.min(16_000, this.#pause_ms * 2) : 1_000;
    this.#last_ms = now_ms;
  }
}

/** Loudness of each person: muted ones are silent, and while someone is alone all others are. */
export interface Voice {
  volume: number;
  muted: boolean;
  solo: boolean;
}

export function loudness(voices: ReadonlyMap<string, Voice>, peer_id: string): number {
  const voice = voices.get(peer_id);
  if (!voice || voice.muted) return 0;
  const alone = [...voices.values()].some((other) => other.solo);
  return alone && !voice.solo ? 0 : voice.volume;
}
