// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { activeLayers, bitrateFor, cameraEncodings, layersFor, pickCodec, screenEncodings, type CodecInfo } from "./publishing.ts";

test("layers at the edges of size, upright or lying", () => {
  const sizes: [number, number, number][] = [
    [1280, 720, 3], [960, 540, 3], [958, 540, 2], [960, 539, 2], [640, 480, 2], [480, 270, 2], [479, 270, 1], [320, 240, 1],
    [720, 1280, 3], [270, 480, 2],
  ];
  for (const [width, height, layers] of sizes) assert.equal(layersFor(width, height), layers, `${width}x${height}`);
});

test("720p goes out in 180, 360 and 720 lines", () => {
  const made = cameraEncodings({ width: 1280, height: 720 }, true, "vp8");
  assert.deepEqual(made.map((one) => [one.scaleResolutionDownBy, one.maxBitrate, one.scalabilityMode]), [
    [4, 150_000, "L1T3"],
    [2, 500_000, "L1T3"],
    [1, 1_500_000, "L1T3"],
  ]);
});

test("a small camera goes out in fewer layers, its full size always among them", () => {
  for (const [width, height] of [[640, 480], [320, 240], [160, 120], [1920, 1080], [720, 1280]] as const) {
    const made = cameraEncodings({ width, height }, true, "vp8");
    assert.equal(made.length, layersFor(width, height));
    assert.equal(made.at(-1)?.scaleResolutionDownBy ?? 1, 1);
    const bits = made.map((one) => one.maxBitrate ?? 0);
    assert.deepEqual(bits, [...bits].sort((a, b) => a - b));
  }
});

test("a server that cannot tell layers apart gets one", () => {
  assert.deepEqual(cameraEncodings({ width: 1280, height: 720 }, false, "vp8"), [{ maxBitrate: 1_500_000 }]);
});

test("a camera that does not tell its size is taken for 720p", () => {
  assert.equal(cameraEncodings({}, true, "vp8").length, 3);
});

test("H264 goes without temporal layers, which hardware may not know", () => {
  assert.deepEqual(cameraEncodings({}, true, "h264").map((one) => one.scalabilityMode), ["L1T1", "L1T1", "L1T1"]);
});

test("bits by height at the edges", () => {
  assert.deepEqual([200, 201, 280, 281, 400, 401, 560, 561].map(bitrateFor), [
    150_000, 250_000, 250_000, 500_000, 500_000, 900_000, 900_000, 1_500_000,
  ]);
});

test("a screen with text is slow and sharp, one with a film quick", () => {
  assert.deepEqual(screenEncodings("detail"), [{ maxBitrate: 2_500_000, maxFramerate: 10 }]);
  assert.deepEqual(screenEncodings("motion"), [{ maxBitrate: 2_500_000, maxFramerate: 25 }]);
});

const info = (powerEfficient: boolean, smooth = true): CodecInfo => ({ supported: true, smooth, powerEfficient });
const both = new Set(["vp8", "h264"] as const);

test("H264 where the hardware does it and does not do VP8", () => {
  assert.equal(pickCodec("auto", both, { vp8: info(false), h264: info(true) }, 8), "h264");
  assert.equal(pickCodec("auto", both, { vp8: info(true), h264: info(true) }, 8), "vp8");
  assert.equal(pickCodec("auto", both, { vp8: info(false), h264: info(false) }, 2), "vp8");
});

test("H264 on a weak computer that says it cannot keep up with VP8", () => {
  const infos = { vp8: info(false, false), h264: info(false) };
  assert.equal(pickCodec("auto", both, infos, 4), "h264");
  assert.equal(pickCodec("auto", both, infos, 5), "vp8");
});

test("the person's word counts, as far as the server takes it", () => {
  assert.equal(pickCodec("h264", both, { vp8: info(true), h264: info(false) }, 8), "h264");
  assert.equal(pickCodec("vp8", both, { vp8: info(false), h264: info(true) }, 8), "vp8");
  assert.equal(pickCodec("h264", new Set(["vp8"] as const), { vp8: null, h264: info(true) }, 8), "vp8");
  assert.equal(pickCodec("auto", both, { vp8: null, h264: null }, 8), "vp8");
});

test("layers above what is needed stop, -1 stops all", () => {
  assert.deepEqual(activeLayers(3, 1), [true, true, false]);
  assert.deepEqual(activeLayers(3, -1), [false, false, false]);
  assert.deepEqual(activeLayers(1, 2), [true]);
});
