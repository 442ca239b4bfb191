// SPDX-License-Identifier: Apache-2.0
/** Which bytes of a track come next. PURE. */

import type { Epoch, Part, Segment, Track } from "./playback.ts";

/** How much media is kept loaded before the moment that plays. */
export const AHEAD_MS = 30_000;
/** How much stays loaded behind it: enough to step back without loading. */
export const BEHIND_MS = 20_000;
/** A first, quick helping, so that a slow link need not carry a whole segment before the first picture. */
const STARVING_MS = 3_000;

/** Where loading goes on: the next part to fetch. Indexes count epochs, segments and parts from 0. */
export interface Cursor {
  epoch: number;
  segment: number;
  part: number;
}

/** One stretch of one file, `to` exclusive, that holds whole parts. */
export interface Fetch {
  url: string;
  from: number;
  to: number;
  /** The file's whole length: a fetch of everything needs no Range. */
  file_bytes: number;
  header_bytes: number;
  start_ms: number;
  end_ms: number;
  at: Cursor;
  after: Cursor;
}

/**
 * Where loading begins so that `time_ms` can be shown: the part that holds it, for a picture the nearest part before
 * it with a key frame in the same epoch. In a hole: what comes after. Null behind the last segment.
 */
export function cursorFor(track: Track, time_ms: number): Cursor | null {
  for (const [epoch, { segments }] of track.epochs.entries()) {
    for (const [segment, { end_ms, parts }] of segments.entries()) {
      if (time_ms >= end_ms) continue;
      const part = Math.max(0, parts.findLastIndex((candidate) => candidate.start_ms <= time_ms));
      const found = { epoch, segment, part };
      return track.kind === "video" ? (keyframeFrom(track, found) ?? { epoch, segment: 0, part: 0 }) : found;
    }
  }
  return null;
}

/** The segment that was recorded at `time_ms`, or null in a hole. */
export function segmentAt(track: Track, time_ms: number): Cursor | null {
  for (const [epoch, { segments }] of track.epochs.entries()) {
    const segment = segments.findIndex(({ start_ms, end_ms }) => start_ms <= time_ms && time_ms < end_ms);
    if (segment >= 0) return { epoch, segment, part: 0 };
  }
  return null;
}

/** The last part with a key frame before this one in its epoch, or null. */
export function keyframeBefore(track: Track, at: Cursor): Cursor | null {
  if (at.part > 0) return keyframeFrom(track, { ...at, part: at.part - 1 });
  if (at.segment === 0) return null;
  const parts = track.epochs[at.epoch]?.segments[at.segment - 1]?.parts.length ?? 0;
  return keyframeFrom(track, { ...at, segment: at.segment - 1, part: parts - 1 });
}

/** This part if it holds a key frame, else the last one before that does, in the same epoch. */
function keyframeFrom(track: Track, at: Cursor): Cursor | null {
  for (let segment = at.segment; segment >= 0; segment--) {
    const parts = track.epochs[at.epoch]?.segments[segment]?.parts ?? [];
    for (let part = segment === at.segment ? at.part : parts.length - 1; part >= 0; part--) {
      if (parts[part]?.keyframe) return { epoch: at.epoch, segment, part };
    }
  }
  return null;
}

/** Session time at which the cursor's next part begins; Infinity at the end. */
export function cursorTime(track: Track, cursor: Cursor | null): number {
  if (!cursor) return Infinity;
  const segment = track.epochs[cursor.epoch]?.segments[cursor.segment];
  return segment ? (segment.parts[cursor.part]?.start_ms ?? segment.start_ms) : Infinity;
}

/** What to fetch next while `time_ms` plays, or null while enough is loaded. */
export function nextFetch(track: Track, cursor: Cursor | null, time_ms: number, ahead_ms = AHEAD_MS): Fetch | null {
  if (!cursor) return null;
  const segment = track.epochs[cursor.epoch]?.segments[cursor.segment];
  const start_ms = cursorTime(track, cursor);
  if (!segment || start_ms > time_ms + ahead_ms) return null;
  const parts: Part[] = segment.parts;
  let end = parts.length;
  if (start_ms < time_ms + STARVING_MS) {
    const enough = parts.findIndex((part, at) => at > cursor.part && part.start_ms >= time_ms + STARVING_MS);
    if (enough >= 0) end = enough;
  }
  const whole = end === parts.length;
  return {
    url: segment.url,
    from: parts[cursor.part]?.offset ?? segment.header_bytes,
    to: whole ? segment.bytes : parts[end]!.offset,
    file_bytes: segment.bytes,
    header_bytes: segment.header_bytes,
    start_ms,
    end_ms: whole ? segment.end_ms : parts[end]!.start_ms,
    at: cursor,
    after: whole ? nextSegment(track, cursor) : { ...cursor, part: end },
  };
}

/** The first part of the segment after the cursor's; past the end it names a segment that is not there. */
export function nextSegment(track: Track, cursor: Cursor): Cursor {
  const more = cursor.segment + 1 < (track.epochs[cursor.epoch]?.segments.length ?? 0);
  return more
    ? { epoch: cursor.epoch, segment: cursor.segment + 1, part: 0 }
    : { epoch: cursor.epoch + 1, segment: 0, part: 0 };
}

/**
 * What has to be added to a segment's time stamps so that they lie on the session clock: offset + rate × (time stamp −
 * origin). The publisher's clock drifts; within ten seconds it moves less than a millisecond, within an hour a lot.
 */
export function timestampOffsetMs(epoch: Epoch, segment: Segment): number {
  const stamp_ms = segment.start_ms - epoch.timestamp_offset_ms;
  return epoch.timestamp_offset_ms + epoch.rate_ppm * 1e-6 * (stamp_ms - epoch.origin_ms);
}

/** Up to where loaded media may be dropped: pictures only up to a key frame, or the browser drops what plays. */
export function dropBefore(kind: Track["kind"], keyframes_ms: readonly number[], wanted_ms: number): number | null {
  if (wanted_ms <= 0) return null;
  if (kind === "audio") return wanted_ms;
  return keyframes_ms.findLast((time_ms) => time_ms <= wanted_ms) ?? null;
}
