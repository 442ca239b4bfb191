// SPDX-License-Identifier: Apache-2.0
// What counts as black, silent and clipping in this page's own picture and sound, and for how long. Pure.
// The server has the same figures for what has no page (mediaserver/sfu/troubles.py).

export type SourceTrouble = "black" | "silent" | "clipping";

/** A picture is black when its mean and nearly all of it are at most so bright, of 255. */
export const BLACK_MEAN = 12;
export const BLACK_BRIGHTEST = 32;
/** One part in fifty may be brighter: the lamp of a covered camera. */
export const BRIGHTER_SHARE = 0.02;
/** Sound is silent when no sample is above this part of full scale (-84 dB): quieter than any live microphone. */
export const SILENT_PEAK = 1 / 16384;
/** A sample at full scale. */
export const FULL_SCALE = 0.985;
/** Sound clips when more of its samples than this lie at full scale. */
export const CLIPPED_SHARE = 0.005;

export interface Rule {
  /** The last looks that count. */
  window_ms: number;
  /** So many of them must be bad for the trouble to begin. */
  share: number;
  /** So long all must be good for it to end. */
  clear_ms: number;
}

/** All within five seconds, with what the way to the pages takes. Speech clips in its loud syllables only. */
export const RULES: Readonly<Record<SourceTrouble, Rule>> = {
  black: { window_ms: 3_000, share: 1, clear_ms: 1_000 },
  silent: { window_ms: 3_500, share: 1, clear_ms: 500 },
  clipping: { window_ms: 4_000, share: 0.3, clear_ms: 5_000 },
};

/** Looks further apart than this (a browser that slept) are no row any more. */
export const GAP_MS = 2_000;

/** Is this RGBA picture black? */
export function isBlack(pixels: ArrayLike<number>): boolean {
  const count = Math.floor(pixels.length / 4);
  if (count === 0) return false;
  let sum = 0;
  let brighter = 0;
  for (let at = 0; at < count * 4; at += 4) {
    const luma = 0.2126 * (pixels[at] ?? 0) + 0.7152 * (pixels[at + 1] ?? 0) + 0.0722 * (pixels[at + 2] ?? 0);
    sum += luma;
    if (luma > BLACK_BRIGHTEST) brighter++;
  }
  return sum / count <= BLACK_MEAN && brighter <= count * BRIGHTER_SHARE;
}

/** What is wrong with these samples (-1 to 1). */
export function soundTrouble(samples: ArrayLike<number>): "silent" | "clipping" | null {
  let peak = 0;
  let clipped = 0;
  for (let at = 0; at < samples.length; at++) {
    const size = Math.abs(samples[at] ?? 0);
    if (size > peak) peak = size;
    if (size >= FULL_SCALE) clipped++;
  }
  if (peak <= SILENT_PEAK) return "silent";
  return clipped > samples.length * CLIPPED_SHARE ? "clipping" : null;
}

/** One kind of trouble over time: begins and ends by its rule, so that an alarm does not flicker. */
export class Lasting {
  on = false;
  private readonly rule: Rule;
  private looks: { at_ms: number; bad: boolean }[] = [];
  private since_ms = 0;
  private bad_ms = 0;

  constructor(rule: Rule) {
    this.rule = rule;
  }

  look(bad: boolean, at_ms: number): boolean {
    const last = this.looks.at(-1);
    if (last === undefined || at_ms - last.at_ms > GAP_MS) {
      this.looks = [];
      this.since_ms = this.bad_ms = at_ms;
    }
    if (bad) this.bad_ms = at_ms;
    this.looks.push({ at_ms, bad });
    this.looks = this.looks.filter((look) => at_ms - look.at_ms <= this.rule.window_ms);
    if (this.on) this.on = at_ms - this.bad_ms < this.rule.clear_ms;
    else if (at_ms - this.since_ms >= this.rule.window_ms)
      this.on = this.looks.filter((look) => look.bad).length >= this.looks.length * this.rule.share;
    return this.on;
  }

  /** Another device, or switched off: nothing of before counts. */
  reset(): void {
    this.looks = [];
    this.on = false;
  }
}
