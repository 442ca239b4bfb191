// SPDX-License-Identifier: Apache-2.0
// How good the connection is, in four words, from two readings of the browser's statistics (W3C webrtc-stats).

export type Grade = "good" | "fair" | "poor" | "unknown";

export interface Quality {
  grade: Grade;
  rtt_ms: number | null;
  /** Share of packets lost since the last reading, 0 to 1. */
  lost_up: number | null;
  lost_down: number | null;
  kbps_up: number;
  kbps_down: number;
  fps_up: number | null;
  width_up: number | null;
  height_up: number | null;
  /** True when this computer, not the network, holds the picture back. */
  cpu_limited: boolean;
  /** Layers of the camera's picture that are being sent, and how many there are. */
  layers: { on: number; all: number };
  /** What the browser thinks the way up carries. */
  available_kbps: number | null;
}

interface Totals {
  at_ms: number;
  bytes_up: number;
  bytes_down: number;
  received: number;
  lost: number;
}

interface Reading extends Totals {
  rtt_s: number | null;
  lost_up: number | null;
  fps_up: number | null;
  width_up: number | null;
  height_up: number | null;
  cpu_limited: boolean;
  layers: { on: number; all: number };
  available_kbps: number | null;
}

/** Bounds of "good" and "fair" for loss and round trip. */
const GOOD = { lost: 0.02, rtt_ms: 250 };
const FAIR = { lost: 0.08, rtt_ms: 600 };

export function grade(lost: number, rtt_ms: number): Grade {
  if (lost <= GOOD.lost && rtt_ms <= GOOD.rtt_ms) return "good";
  return lost <= FAIR.lost && rtt_ms <= FAIR.rtt_ms ? "fair" : "poor";
}

export type Entry = Record<string, unknown> & { type: string };

export function read(sent: Iterable<Entry>, received: Iterable<Entry>, now_ms: number): Reading {
  const reading: Reading = {
    at_ms: now_ms,
    bytes_up: 0,
    bytes_down: 0,
    received: 0,
    lost: 0,
    rtt_s: null,
    lost_up: null,
    fps_up: null,
    width_up: null,
    height_up: null,
    cpu_limited: false,
    layers: { on: 0, all: 0 },
    available_kbps: null,
  };
  for (const entry of sent) readSent(entry, reading);
  for (const entry of received) {
    if (entry.type !== "inbound-rtp") continue;
    reading.bytes_down += number(entry["bytesReceived"]) ?? 0;
    reading.received += number(entry["packetsReceived"]) ?? 0;
    reading.lost += Math.max(0, number(entry["packetsLost"]) ?? 0);
  }
  return reading;
}

function readSent(entry: Entry, reading: Reading): void {
  if (entry.type === "outbound-rtp") {
    reading.bytes_up += number(entry["bytesSent"]) ?? 0;
    if (entry["kind"] === "video") readPicture(entry, reading);
  } else if (entry.type === "remote-inbound-rtp") {
    const lost = number(entry["fractionLost"]);
    if (lost !== null) reading.lost_up = Math.max(reading.lost_up ?? 0, lost);
  } else if (entry.type === "candidate-pair" && entry["nominated"] === true) {
    reading.rtt_s = number(entry["currentRoundTripTime"]) ?? reading.rtt_s;
    const bits = number(entry["availableOutgoingBitrate"]);
    if (bits !== null) reading.available_kbps = Math.round(bits / 1000);
  }
}

/** One layer of a picture that is sent; the largest one that runs gives the size. They come in no fixed order. */
function readPicture(entry: Entry, reading: Reading): void {
  const fps = number(entry["framesPerSecond"]) ?? 0;
  const height = number(entry["frameHeight"]);
  const running = entry["active"] !== false && fps > 0;
  reading.layers = { on: reading.layers.on + (running ? 1 : 0), all: reading.layers.all + 1 };
  if (entry["active"] === false) return;
  if (entry["qualityLimitationReason"] === "cpu") reading.cpu_limited = true;
  if (!running || height === null || height <= (reading.height_up ?? 0)) return;
  reading.fps_up = fps;
  reading.width_up = number(entry["frameWidth"]);
  reading.height_up = height;
}

/** What changed between two readings; `unknown` before there is anything to compare. */
export function compare(before: Reading | null, after: Reading): Quality {
  const seconds = before === null ? 0 : (after.at_ms - before.at_ms) / 1000;
  const rate = (from: number, to: number) => (seconds > 0 ? Math.max(0, Math.round(((to - from) * 8) / 1000 / seconds)) : 0);
  const came = before === null ? 0 : after.received - before.received;
  const missed = before === null ? 0 : Math.max(0, after.lost - before.lost);
  const lost_down = came + missed > 0 ? missed / (came + missed) : null;
  const rtt_ms = after.rtt_s === null ? null : Math.round(after.rtt_s * 1000);
  const known = before !== null && (rtt_ms !== null || lost_down !== null || after.lost_up !== null);
  return {
    grade: known ? grade(Math.max(lost_down ?? 0, after.lost_up ?? 0), rtt_ms ?? 0) : "unknown",
    rtt_ms,
    lost_up: after.lost_up,
    lost_down,
    kbps_up: before === null ? 0 : rate(before.bytes_up, after.bytes_up),
    kbps_down: before === null ? 0 : rate(before.bytes_down, after.bytes_down),
    fps_up: after.fps_up,
    width_up: after.width_up,
    height_up: after.height_up,
    cpu_limited: after.cpu_limited,
    layers: after.layers,
    available_kbps: after.available_kbps,
  };
}

export type { Reading };

export function number(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}
