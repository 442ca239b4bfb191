// SPDX-License-Identifier: Apache-2.0
// How each received picture and sound does, from the browser's statistics (W3C webrtc-stats), and in plain words.

import type { LayersNote } from "./protocol.ts";
import { number, type Entry, type Grade } from "./quality.ts";

/** One stream as counted at one moment. */
export interface StreamReading {
  at_ms: number;
  kind: "audio" | "video";
  bytes: number;
  received: number;
  lost: number;
  frozen_s: number;
  freezes: number;
  /** Audio: samples that had to be made up (silence not counted), and all. */
  concealed: number;
  samples: number;
  width: number | null;
  height: number | null;
  fps: number | null;
  /** Decoded so far. */
  frames: number;
}

/** What a person may want to know of a stream. Loss and freezes are those of the last ten seconds. */
export interface StreamQuality {
  kind: "audio" | "video";
  /** Share of packets that did not come by themselves, 0 to 1; null before there were any. */
  lost: number | null;
  kbps: number;
  width: number | null;
  height: number | null;
  fps: number | null;
  frozen_s: number;
  freezes: number;
  concealed: number;
}

const WINDOW_MS = 10_000;

/** Streams by the id of their track. */
export function readStreams(received: Iterable<Entry>, at_ms: number): Map<string, StreamReading> {
  const found = new Map<string, StreamReading>();
  for (const entry of received) {
    const track = entry["trackIdentifier"];
    const kind = entry["kind"];
    if (entry.type !== "inbound-rtp" || typeof track !== "string" || (kind !== "audio" && kind !== "video")) continue;
    const count = (name: string) => number(entry[name]) ?? 0;
    found.set(track, {
      at_ms,
      kind,
      bytes: count("bytesReceived"),
      received: count("packetsReceived"),
      lost: Math.max(0, count("packetsLost")),
      frozen_s: count("totalFreezesDuration"),
      freezes: count("freezeCount"),
      concealed: Math.max(0, count("concealedSamples") - count("silentConcealedSamples")),
      samples: count("totalSamplesReceived"),
      width: number(entry["frameWidth"]),
      height: number(entry["frameHeight"]),
      fps: number(entry["framesPerSecond"]),
      frames: count("framesDecoded"),
    });
  }
  return found;
}

/** Readings of the last ten seconds of every stream. */
export class StreamHistory {
  private readonly readings = new Map<string, StreamReading[]>();
  private resting = new Set<string>();

  /**
   * Take one more reading; what each stream is like now, by the id of its track.
   *
   * `resting` are those of which nothing is to come now (switched off, not on this page). Their pause would be counted
   * as one long freeze when they go on, so their counting begins anew with the reading after.
   */
  add(now: Map<string, StreamReading>, resting: ReadonlySet<string> = new Set()): Map<string, StreamQuality> {
    for (const track of [...this.readings.keys()]) if (!now.has(track)) this.readings.delete(track);
    const found = new Map<string, StreamQuality>();
    for (const [track, reading] of now) {
      const anew = resting.has(track) || this.resting.has(track);
      const kept = anew ? [] : (this.readings.get(track) ?? []).filter((old) => old.at_ms >= reading.at_ms - WINDOW_MS);
      kept.push(reading);
      this.readings.set(track, kept);
      found.set(track, compareStream(kept));
    }
    this.resting = new Set(resting);
    return found;
  }
}

function compareStream(readings: readonly StreamReading[]): StreamQuality {
  const now = readings.at(-1) as StreamReading;
  const first = readings[0] as StreamReading;
  const before = readings.at(-2);
  const since = (name: "received" | "lost" | "freezes" | "frozen_s" | "concealed" | "samples") =>
    Math.max(0, now[name] - first[name]);
  const seconds = before === undefined ? 0 : (now.at_ms - before.at_ms) / 1000;
  const came = since("received");
  const lost = since("lost");
  const samples = since("samples");
  return {
    kind: now.kind,
    lost: came + lost > 0 ? lost / (came + lost) : null,
    kbps: before === undefined || seconds <= 0 ? 0 : Math.max(0, Math.round(((now.bytes - before.bytes) * 8) / 1000 / seconds)),
    width: now.width,
    height: now.height,
    fps: now.fps,
    frozen_s: since("frozen_s") + still_s(readings),
    freezes: since("freezes"),
    concealed: samples > 0 ? since("concealed") / samples : 0,
  };
}

/** For how long no picture has come: the browser counts a freeze only once it is over. */
function still_s(readings: readonly StreamReading[]): number {
  const now = readings.at(-1) as StreamReading;
  if (now.kind === "audio") return 0;
  const first = readings.find((old) => old.frames === now.frames) as StreamReading;
  return (now.at_ms - first.at_ms) / 1000;
}

/** Everything that decides about one tile's badge. */
export interface TileLink {
  picture: StreamQuality | null;
  sound: StreamQuality | null;
  rtt_ms: number | null;
  /** A shared screen: it may well stand still. */
  screen: boolean;
  /** What the server forwards of the picture, and why no more; null before it said anything. */
  layers: LayersNote | null;
}

const FAIR = { lost: 0.02, rtt_ms: 250, frozen_s: 0.3, concealed: 0.02 };
const POOR = { lost: 0.08, rtt_ms: 600, frozen_s: 2, concealed: 0.08 };

/** What is the matter, the gravest first. Each has its sentence (`tile-badge-why-…`). */
export type Trouble = "stalled" | "frozen" | "words" | "bandwidth" | "lost" | "slow";

/** Bars of the badge and the reasons for fewer than all. */
export function judge(link: TileLink): { grade: Grade; troubles: Trouble[] } {
  const { picture, sound, rtt_ms, layers } = link;
  if (picture === null && sound === null) return { grade: "unknown", troubles: [] };
  const lost = Math.max(picture?.lost ?? 0, sound?.lost ?? 0);
  const past = (bounds: typeof FAIR): Trouble[] => {
    const found: Trouble[] = [];
    if (!link.screen && (picture?.frozen_s ?? 0) > bounds.frozen_s) found.push("frozen");
    if ((sound?.concealed ?? 0) > bounds.concealed) found.push("words");
    if (lost > bounds.lost) found.push("lost");
    if ((rtt_ms ?? 0) > bounds.rtt_ms) found.push("slow");
    return found;
  };
  const reduced = layers?.reason === "bandwidth";
  const grave: Trouble[] = [
    ...(layers?.reason === "stalled" ? (["stalled"] as const) : []),
    ...(reduced && layers.spatial === null ? (["bandwidth"] as const) : []),
    ...past(POOR),
  ];
  if (grave.length > 0) return { grade: "poor", troubles: grave };
  const light: Trouble[] = [...(reduced ? (["bandwidth"] as const) : []), ...past(FAIR)];
  if (light.length > 0) return { grade: "fair", troubles: light };
  const known = (picture?.lost ?? sound?.lost ?? null) !== null;
  return { grade: known ? "good" : "unknown", troubles: [] };
}

/** What the shown streams tell of the link as a whole: the worst sound, and how much of the pictures stood still. */
export function linkOf(streams: Iterable<StreamQuality>): { frozen: number; concealed: number } {
  let frozen = 0;
  let pictures = 0;
  let concealed = 0;
  for (const stream of streams) {
    if (stream.kind === "audio") concealed = Math.max(concealed, stream.concealed);
    else {
      pictures++;
      frozen += Math.min(1, (stream.frozen_s * 1000) / WINDOW_MS);
    }
  }
  return { frozen: pictures === 0 ? 0 : frozen / pictures, concealed };
}
