// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { cutAt, loudnessOver, readOverview, wavePath } from "./overview.ts";

const answer = {
  duration_ms: 2_000,
  peaks_per_second: 20,
  voices: [
    { track_id: "a-mic", peer_id: "a", peaks: btoa(String.fromCharCode(...Array.from({ length: 40 }, (_, n) => (n < 20 ? 51 : 0)))) },
    { track_id: "b-mic", peer_id: "b", peaks: btoa(String.fromCharCode(...Array.from({ length: 40 }, (_, n) => (n >= 30 ? 255 : 0)))) },
  ],
  pictures: { every_ms: 10_000, count: 65, width: 160, height: 90, columns: 10, rows: 6, sheets: 2 },
};

test("the loudest of those who are heard", () => {
  const overview = readOverview(answer);
  assert.deepEqual(loudnessOver(overview, 2_000, 4, () => true), [0.2, 0.2, 0, 1]);
  assert.deepEqual(loudnessOver(overview, 2_000, 4, (peer) => peer === "a"), [0.2, 0.2, 0, 0]);
  assert.deepEqual(loudnessOver(overview, 2_000, 2, () => false), [0, 0]);
});

test("a bar with more columns than peaks leaves none empty", () => {
  assert.ok(loudnessOver(readOverview(answer), 2_000, 100, (peer) => peer === "a").slice(0, 49).every((one) => one === 0.2));
});

test("a path that goes up and comes back", () => {
  assert.equal(wavePath([0, 1]), "M0 1L0 1.00L1 0.00L1 2.00L0 1.00Z");
});

test("which picture of which sheet", () => {
  assert.deepEqual(cutAt(answer.pictures, 0), { sheet: 0, x: 0, y: 0 });
  assert.deepEqual(cutAt(answer.pictures, 119_999), { sheet: 0, x: 160, y: 90 });
  assert.deepEqual(cutAt(answer.pictures, 610_000), { sheet: 1, x: 160, y: 0 });
  assert.equal(cutAt(answer.pictures, 650_000), null);
  assert.equal(cutAt(answer.pictures, -1), null);
});
