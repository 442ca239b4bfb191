// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { CLIPPED_SHARE, FULL_SCALE, GAP_MS, isBlack, Lasting, RULES, SILENT_PEAK, soundTrouble } from "./judging.ts";

/** A picture of 100 points of this grey, the first `bright` of them of another one. */
function picture(grey: number, bright = 0, brightGrey = 255): Uint8ClampedArray {
  const pixels = new Uint8ClampedArray(400);
  for (let point = 0; point < 100; point++) pixels.fill(point < bright ? brightGrey : grey, point * 4, point * 4 + 4);
  return pixels;
}

test("black is dark as a whole, but for a lamp", () => {
  for (const [pixels, black] of [
    [picture(0), true],
    [picture(12), true],
    [picture(13), false],
    [picture(0, 2), true],
    [picture(0, 3), false],
    [picture(8, 10, 32), true],
    [picture(8, 10, 34), false],
    [picture(255), false],
    [new Uint8ClampedArray(0), false],
  ] as const)
    assert.equal(isBlack(pixels), black, String(pixels.slice(0, 16)));
});

test("colours count as the eye sees them", () => {
  const pixels = new Uint8ClampedArray(400);
  for (let point = 0; point < 100; point++) pixels[point * 4 + 2] = 150; // blue: 0.07 of white
  assert.equal(isBlack(pixels), true);
  for (let point = 0; point < 100; point++) pixels[point * 4 + 1] = 30;
  assert.equal(isBlack(pixels), false);
});

/** A thousand samples: `count` at `size`, the others at `rest`. */
const sound = (size: number, count: number, rest = 0): Float32Array => {
  const samples = new Float32Array(1000).fill(rest);
  samples.fill(-size, 0, count);
  return samples;
};

test("silent is below any live microphone, clipping is at full scale", () => {
  for (const [samples, trouble] of [
    [sound(0, 0), "silent"],
    [sound(SILENT_PEAK, 1000), "silent"],
    [sound(SILENT_PEAK * 2, 1), null],
    [sound(0.5, 500), null],
    [sound(1, 1000 * CLIPPED_SHARE), null],
    [sound(1, 1000 * CLIPPED_SHARE + 1), "clipping"],
    [sound(FULL_SCALE - 0.01, 1000), null],
  ] as const)
    assert.equal(soundTrouble(samples), trouble);
});

/** Look four times a second; the time of the first look with `on`, or null. */
function run(state: Lasting, bad: (at_ms: number) => boolean, from_ms: number, to_ms: number): number | null {
  let first: number | null = null;
  for (let at = from_ms; at <= to_ms; at += 250) if (state.look(bad(at), at)) first ??= at;
  return first;
}

test("black begins after its time without a break, and ends after its time", () => {
  const state = new Lasting(RULES.black);
  assert.equal(run(state, () => true, 0, 10_000), RULES.black.window_ms);
  run(state, () => false, 10_250, 10_750);
  assert.equal(state.on, true);
  run(state, () => false, 11_000, 11_000);
  assert.equal(state.on, false);
  assert.equal(run(state, (at) => at !== 13_000, 11_250, 15_750), null, "one bright picture begins it anew");
  assert.equal(run(state, () => true, 16_000, 20_000), 16_250);
});

test("speech that clips in every third look is told, a single shout is not", () => {
  assert.equal(run(new Lasting(RULES.clipping), (at) => at % 750 === 0, 0, 20_000), RULES.clipping.window_ms);
  assert.equal(run(new Lasting(RULES.clipping), (at) => at >= 4_000 && at < 5_000, 0, 20_000), null);
});

test("every alarm is on within five seconds", () => {
  for (const rule of Object.values(RULES)) assert.ok(rule.window_ms + 250 + 500 < 5_000);
});

test("a browser that slept, and another device, begin anew", () => {
  const state = new Lasting(RULES.silent);
  run(state, () => true, 0, 3_250);
  const woke_ms = 3_250 + GAP_MS + 250;
  assert.equal(run(state, () => true, woke_ms, 20_000), woke_ms + RULES.silent.window_ms);
  state.reset();
  assert.equal(state.on, false);
  assert.equal(state.look(true, 20_250), false);
});
