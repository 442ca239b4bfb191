// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { type Choice, faultOf, loadChoice, micConstraints, screenConstraints } from "./devices.ts";
import { loudness } from "./level.ts";
import { compare, grade, read } from "./quality.ts";

test("grades at their edges", () => {
  assert.equal(grade(0.02, 250), "good");
  assert.equal(grade(0.021, 250), "fair");
  assert.equal(grade(0.02, 251), "fair");
  assert.equal(grade(0.08, 600), "fair");
  assert.equal(grade(0.081, 0), "poor");
  assert.equal(grade(0, 601), "poor");
});

test("figures are what changed between two readings", () => {
  const sent = (bytes: number) => [
    { type: "outbound-rtp", kind: "video", bytesSent: bytes, framesPerSecond: 24, frameWidth: 640, frameHeight: 360, qualityLimitationReason: "none" },
    { type: "remote-inbound-rtp", fractionLost: 0.01 },
    { type: "candidate-pair", nominated: true, currentRoundTripTime: 0.04 },
  ];
  const received = (packets: number, lost: number) => [
    { type: "inbound-rtp", bytesReceived: packets * 100, packetsReceived: packets, packetsLost: lost },
  ];
  const first = read(sent(1_000), received(100, 0), 0);
  assert.equal(compare(null, first).grade, "unknown");
  const second = read(sent(251_000), received(190, 10), 2_000);
  const quality = compare(first, second);
  assert.deepEqual(
    { kbps_up: quality.kbps_up, rtt: quality.rtt_ms, lost: quality.lost_down, grade: quality.grade, fps: quality.fps_up },
    { kbps_up: 1_000, rtt: 40, lost: 0.1, grade: "poor", fps: 24 },
  );
});

test("of several layers the largest that runs is told, in whatever order they come", () => {
  const layer = (height: number, fps: number, active = true) => ({
    type: "outbound-rtp", kind: "video", bytesSent: 1, frameHeight: height, frameWidth: (height * 16) / 9, framesPerSecond: fps, active,
  });
  const found = read([layer(360, 25), layer(180, 24), layer(720, 0)], [], 0);
  assert.deepEqual([found.height_up, found.width_up, found.fps_up, found.layers], [360, 640, 25, { on: 2, all: 3 }]);
  assert.deepEqual(read([layer(720, 25, false), layer(180, 25)], [], 0).height_up, 180);
});

test("a new set of transports begins to count from nothing without negative figures", () => {
  const before = read([{ type: "outbound-rtp", kind: "audio", bytesSent: 5_000 }], [], 0);
  const after = read([{ type: "outbound-rtp", kind: "audio", bytesSent: 10 }], [], 1_000);
  assert.equal(compare(before, after).kbps_up, 0);
});

test("loudness runs from silence to full scale over 60 dB", () => {
  assert.equal(loudness(0), 0);
  assert.equal(loudness(0.0009), 0);
  assert.equal(loudness(1), 1);
  assert.ok(Math.abs(loudness(0.0316) - 0.5) < 0.01);
});

test("each failure of getUserMedia has its meaning", () => {
  const of = (name: string) => faultOf(Object.assign(new Error("x"), { name })).fault;
  assert.equal(of("NotAllowedError"), "refused");
  assert.equal(of("NotFoundError"), "none");
  assert.equal(of("NotReadableError"), "busy");
  assert.equal(of("OverconstrainedError"), "unsuited");
  assert.equal(of("TypeError"), "unknown");
});

test("a kept choice is read back, rubbish is not", () => {
  const kept = (text: string | null) => loadChoice({ getItem: () => text });
  assert.equal(kept(null).original, false);
  assert.equal(kept('{"original":true,"mic":"m1"}').original, true);
  assert.equal(kept('{"original":"yes","mic":5}').original, false);
  assert.equal(kept("{").mic, "");
  const chosen = { codec: "h264", screen: "motion", pictures: "low", cap_kbps: 500 };
  const of = ({ codec, screen, pictures, cap_kbps }: Choice) => ({ codec, screen, pictures, cap_kbps });
  assert.deepEqual(of(kept(JSON.stringify(chosen))), chosen);
  const rubbish = { codec: "vp9", screen: 1, pictures: "audio", cap_kbps: 501 };
  assert.deepEqual(of(kept(JSON.stringify(rubbish))), { codec: "auto", screen: "detail", pictures: "auto", cap_kbps: 0 });
  assert.equal(micConstraints({ ...kept(null), original: true }).echoCancellation, false);
  assert.equal(micConstraints(kept(null)).autoGainControl, true);
});

test("a screen with text may be slow, one with a film may not", () => {
  assert.deepEqual(screenConstraints("detail").frameRate, { ideal: 10, max: 15 });
  assert.deepEqual(screenConstraints("motion").frameRate, { ideal: 25, max: 30 });
});
