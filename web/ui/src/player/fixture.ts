// SPDX-License-Identifier: Apache-2.0
/** Made-up tracks for the tests of the player: segments of ten seconds in parts of one, a hundred bytes each. */

import type { Epoch, Part, Segment, Track } from "./playback.ts";

const HEADER_BYTES = 50;
const PART_BYTES = 100;

/** Which seconds of the session hold a key frame. */
export type Keyframes = (second: number) => boolean;

export function epoch(number: number, from_s: number, to_s: number, keyframe: Keyframes = () => true): Epoch {
  const segments: Segment[] = [];
  for (let start = from_s; start < to_s; start += 10) {
    const end = Math.min(start + 10, to_s);
    const parts: Part[] = [];
    for (let second = start; second < end; second++) {
      const offset = HEADER_BYTES + parts.length * PART_BYTES;
      parts.push({ offset, bytes: PART_BYTES, start_ms: second * 1000, keyframe: keyframe(second) });
    }
    segments.push({
      n: segments.length,
      start_ms: start * 1000,
      end_ms: end * 1000,
      bytes: HEADER_BYTES + parts.length * PART_BYTES,
      header_bytes: HEADER_BYTES,
      url: `/${number}/${segments.length}`,
      parts,
    });
  }
  const times = { start_ms: from_s * 1000, end_ms: to_s * 1000 };
  const clock = { timestamp_offset_ms: 0, rate_ppm: 0, origin_ms: 0 };
  return { epoch: number, codec: "vp8", mime: "video/webm", ...clock, ...times, segments };
}

export function track(kind: "audio" | "video", epochs: Epoch[]): Track {
  const source = kind === "audio" ? "mic" : "cam";
  return { track_id: `p1-${source}`, peer_id: "p1", source, kind, epochs };
}
