// SPDX-License-Identifier: Apache-2.0
/**
 * Turns recorded clusters into clusters that a browser plays without losing anything. The media stay byte for byte;
 * only the wrapping changes, for two reasons (Media Source Extensions, coded frame processing, as Chromium does it):
 *
 * - A picture that comes later than twice the length of the one before counts as a break, after which every picture up
 *   to the next key frame is thrown away. In a recording the next key frame may be a minute off. So each picture gets
 *   its true length in writing, up to the next one.
 * - Sound is counted in samples from the last seek. A packet that never came makes all later sound early, unnoticed. So
 *   short holes are filled with empty packets, which the decoder conceals; long ones stay and are sought across.
 */

import { emptyOpus, opusDurationMs } from "./opus.ts";
import { readFrames, writeClusters, type Frame, type TimedFrame } from "./webm.ts";

/** A longer hole in a sound track is left open. Senders that keep silent (DTX) speak every 400 ms. */
export const FILL_MS = 1_000;

/** Length of the last picture of an epoch, after which nothing says how long it was shown. */
const LAST_PICTURE_MS = 100;

/** What came out of one step. */
export interface Remuxed {
  bytes: Uint8Array<ArrayBuffer>;
  frames: number;
  /** Times (as in the file) of the key frames within. */
  keyframes_ms: number[];
  /** End of the last frame within, as in the file; null when nothing came out. */
  end_ms: number | null;
}

/** Rewraps one epoch of one track, called with its clusters in order. */
export class Remuxer {
  readonly #kind: "audio" | "video";
  #held: Frame | null = null;
  /** Up to where the sound that was given out lasts, counted in packets. */
  #counted_ms: number | null = null;

  constructor(kind: "audio" | "video") {
    this.#kind = kind;
  }

  /** Takes the next clusters. The last picture is held back until the one after it is known. */
  push(bytes: Uint8Array): Remuxed {
    const frames = readFrames(bytes);
    return this.#kind === "audio" ? this.#sound(frames) : this.#pictures(frames, false);
  }

  /** The epoch ends: what was held back. */
  end(): Remuxed {
    return this.#kind === "audio" ? packed([]) : this.#pictures([], true);
  }

  #pictures(frames: readonly Frame[], last: boolean): Remuxed {
    const out: TimedFrame[] = [];
    for (const frame of frames) {
      const held = this.#held;
      this.#held = frame;
      if (held) out.push({ ...held, duration_ms: Math.max(1, frame.time_ms - held.time_ms) });
    }
    if (last && this.#held) {
      out.push({ ...this.#held, duration_ms: LAST_PICTURE_MS });
      this.#held = null;
    }
    return packed(out);
  }

  #sound(frames: readonly Frame[]): Remuxed {
    const out: TimedFrame[] = [];
    for (const frame of frames) {
      const length_ms = opusDurationMs(frame.data);
      if (length_ms <= 0) continue;
      const hole_ms = this.#counted_ms === null ? 0 : frame.time_ms - this.#counted_ms;
      if (this.#counted_ms === null || Math.abs(hole_ms) > FILL_MS) {
        this.#counted_ms = frame.time_ms;
      } else {
        const empty = emptyOpus(frame.data);
        const empty_ms = opusDurationMs(empty);
        for (let n = Math.round(hole_ms / empty_ms); n > 0; n--) {
          out.push({ ...frame, time_ms: this.#counted_ms, keyframe: true, data: empty });
          this.#counted_ms += empty_ms;
        }
      }
      out.push({ ...frame, keyframe: true });
      this.#counted_ms += length_ms;
    }
    return packed(out, this.#counted_ms);
  }
}

function packed(frames: readonly TimedFrame[], end_ms?: number | null): Remuxed {
  const last = frames.at(-1);
  return {
    bytes: writeClusters(frames),
    frames: frames.length,
    keyframes_ms: frames.filter((frame) => frame.keyframe).map((frame) => frame.time_ms),
    end_ms: last ? (end_ms ?? last.time_ms + (last.duration_ms ?? 0)) : null,
  };
}
