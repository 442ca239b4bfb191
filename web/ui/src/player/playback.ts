// SPDX-License-Identifier: Apache-2.0
/** What the server says of one recording (`GET /api/sessions/{id}/playback`). Times `*_ms` lie on the session clock. */

export interface Part {
  offset: number;
  bytes: number;
  start_ms: number;
  keyframe: boolean;
}

export interface Segment {
  n: number;
  start_ms: number;
  end_ms: number;
  bytes: number;
  header_bytes: number;
  url: string;
  parts: Part[];
}

export interface Epoch {
  epoch: number;
  codec: string;
  mime: string;
  timestamp_offset_ms: number;
  /** Drift of the publisher's clock, and the time stamp at which it is nothing. */
  rate_ppm: number;
  origin_ms: number;
  start_ms: number;
  end_ms: number;
  segments: Segment[];
}

export interface Track {
  track_id: string;
  peer_id: string;
  source: "mic" | "cam" | "screen";
  kind: "audio" | "video";
  epochs: Epoch[];
}

export interface Peer {
  peer_id: string;
  name: string;
  place: string;
}

export type Cause =
  | "loss"
  | "recorder_down"
  | "mediaserver_down"
  | "feed_overflow"
  | "disk_full"
  | "paused"
  | "publisher_away"
  | "not_copied";

export interface Gap {
  track_id: string | null;
  from_ms: number;
  to_ms: number;
  cause: Cause;
  packets: number;
}

export interface RecordEvent {
  at_ms: number;
  type: string;
  data: Record<string, unknown>;
}

/** A moment that somebody marked; an empty label says only that. */
export interface MarkedMoment {
  id: string;
  label: string;
  at_ms: number;
}

/** A named stretch; the end is null where it went on to the end. */
export interface NamedSection {
  id: string;
  label: string;
  from_ms: number;
  to_ms: number | null;
}

export interface Playback {
  origin_utc_ms: number;
  duration_ms: number;
  complete: boolean;
  public_key: string;
  /** Stands for the sealed manifest on paper. */
  integrity_code: string;
  peers: Peer[];
  tracks: Track[];
  gaps: Gap[];
  events: RecordEvent[];
  markers: MarkedMoment[];
  sections: NamedSection[];
}

/** One line of the recording's table of contents. */
export interface ContentsEntry {
  kind: "section" | "marker";
  id: string;
  label: string;
  at_ms: number;
  /** Which marker, or which section, from one. */
  number: number;
}

/** Sections and markers in the order of time; a section comes before the markers of its first moment. */
export function contents(playback: Pick<Playback, "markers" | "sections">): ContentsEntry[] {
  const sections = playback.sections.map(
    ({ id, label, from_ms }, n): ContentsEntry => ({ kind: "section", id, label, at_ms: from_ms, number: n + 1 }),
  );
  const markers = playback.markers.map(
    ({ id, label, at_ms }, n): ContentsEntry => ({ kind: "marker", id, label, at_ms, number: n + 1 }),
  );
  return [...sections, ...markers].sort((a, b) => a.at_ms - b.at_ms);
}

/** Half-open stretch of session time. */
export interface Span {
  from_ms: number;
  to_ms: number;
}

/** Why a track has nothing at some time. */
export type Absence = Cause | "before" | "after" | "nothing";

/** Stretches that lie closer than this belong together: the times of neighbouring segments are rounded. */
const JOIN_MS = 120;

/** The last medium before a break lies no further from the order than this. */
const BREAK_WITHIN_MS = 2_000;

/** A shorter hole is a still moment, not an absence. */
export const SHOWN_GAP_MS = 1_000;

/** Where a track has media, from its segments, in order. */
export function coverage(track: Track): Span[] {
  const spans: Span[] = [];
  for (const epoch of track.epochs) {
    for (const segment of epoch.segments) {
      const last = spans.at(-1);
      if (last && segment.start_ms <= last.to_ms + JOIN_MS) last.to_ms = Math.max(last.to_ms, segment.end_ms);
      else spans.push({ from_ms: segment.start_ms, to_ms: segment.end_ms });
    }
  }
  return spans;
}

/** The span that holds `time_ms`, or the next one after it; undefined after the last. */
export function spanAtOrAfter(spans: readonly Span[], time_ms: number): Span | undefined {
  return spans.find((span) => time_ms < span.to_ms);
}

/** The gaps that one track shows as an absence: its own and everybody's, if long enough to be noticed. Own ones first. */
export function shownGaps(gaps: readonly Gap[], track_id: string): Gap[] {
  return gaps
    .filter((gap) => (gap.track_id ?? track_id) === track_id && gap.to_ms - gap.from_ms >= SHOWN_GAP_MS)
    .sort((a, b) => Number(a.track_id === null) - Number(b.track_id === null));
}

/** Why a track has nothing to show at `time_ms`, null when it has. `gaps` as `shownGaps` gives them. */
export function absence(gaps: readonly Gap[], spans: readonly Span[], time_ms: number): Absence | null {
  const stated = gaps.find((gap) => gap.from_ms <= time_ms && time_ms < gap.to_ms);
  if (stated) return stated.cause;
  if (spans.some((span) => span.from_ms <= time_ms && time_ms < span.to_ms)) return null;
  const first = spans[0];
  const last = spans.at(-1);
  if (!first || !last) return "nothing";
  if (time_ms < first.from_ms) return "before";
  return time_ms >= last.to_ms ? "after" : "nothing";
}

/** True when no track has anything at `time_ms`. */
export function nobody(all: readonly (readonly Span[])[], time_ms: number): boolean {
  return !all.some((spans) => spans.some((span) => span.from_ms <= time_ms && time_ms < span.to_ms));
}

/** Gaps that the certificate counts: pauses and absences are what happened, not what is missing. */
export function missing(gaps: readonly Gap[]): Gap[] {
  return gaps.filter((gap) => gap.cause !== "paused" && gap.cause !== "publisher_away");
}

/** What was given as the reason of a break: a word of the server's lists or somebody's own; empty where nothing was. */
export function pauseReason(events: readonly RecordEvent[], from_ms: number): string {
  const begun = events.find((event) => event.type === "recording_paused" && Math.abs(event.at_ms - from_ms) < BREAK_WITHIN_MS);
  const reason = begun?.data["reason"];
  return typeof reason === "string" ? reason : "";
}

/** Gaps of one cause that lie close together, as one entry for a reader: lost packets come in bursts. */
export function mergeGaps(gaps: readonly Gap[], within_ms = 2_000): Gap[] {
  const merged: Gap[] = [];
  for (const gap of [...gaps].sort((a, b) => a.from_ms - b.from_ms)) {
    const last = merged.findLast((other) => other.track_id === gap.track_id && other.cause === gap.cause);
    if (last && gap.from_ms <= last.to_ms + within_ms) {
      last.to_ms = Math.max(last.to_ms, gap.to_ms);
      last.packets += gap.packets;
    } else merged.push({ ...gap });
  }
  return merged;
}
