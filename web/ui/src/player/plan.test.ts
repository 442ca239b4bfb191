// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { epoch, track } from "./fixture.ts";
import { cursorFor, cursorTime, dropBefore, keyframeBefore, nextFetch, segmentAt, timestampOffsetMs } from "./plan.ts";

const sound = track("audio", [epoch(1, 0, 40), epoch(2, 50, 65)]);
/** Key frames only at the start of each epoch and at 25 s. */
const picture = track("video", [
  epoch(1, 0, 40, (second) => second === 0 || second === 25),
  epoch(2, 50, 65, (second) => second === 50),
]);

test("sound begins at the part that holds the moment", () => {
  assert.deepEqual(cursorFor(sound, 13_400), { epoch: 0, segment: 1, part: 3 });
  assert.deepEqual(cursorFor(sound, 20_000), { epoch: 0, segment: 2, part: 0 });
});

test("a picture begins at the key frame before, in whichever segment it lies", () => {
  assert.deepEqual(cursorFor(picture, 24_999), { epoch: 0, segment: 0, part: 0 });
  assert.deepEqual(cursorFor(picture, 25_000), { epoch: 0, segment: 2, part: 5 });
  assert.deepEqual(cursorFor(picture, 39_999), { epoch: 0, segment: 2, part: 5 });
});

test("a picture never begins in another epoch", () => {
  assert.deepEqual(cursorFor(picture, 64_999), { epoch: 1, segment: 0, part: 0 });
});

test("without any key frame before, the epoch's beginning is taken", () => {
  const late = track("video", [epoch(1, 0, 20, (second) => second === 15)]);
  assert.deepEqual(cursorFor(late, 12_000), { epoch: 0, segment: 0, part: 0 });
});

test("in a hole and before everything, what comes next; behind the last segment, nothing", () => {
  assert.deepEqual(cursorFor(sound, 45_000), { epoch: 1, segment: 0, part: 0 });
  assert.deepEqual(cursorFor(track("audio", [epoch(1, 5, 9)]), 0), { epoch: 0, segment: 0, part: 0 });
  assert.equal(cursorFor(sound, 65_000), null);
});

test("the key frame before a part lies in the same or an earlier segment, or there is none", () => {
  assert.deepEqual(keyframeBefore(picture, { epoch: 0, segment: 2, part: 5 }), { epoch: 0, segment: 0, part: 0 });
  assert.equal(keyframeBefore(picture, { epoch: 0, segment: 0, part: 0 }), null);
  assert.equal(keyframeBefore(picture, { epoch: 1, segment: 0, part: 0 }), null);
});

test("the first helping is small, the next ones go to the segment's end", () => {
  const first = nextFetch(sound, cursorFor(sound, 12_000), 12_000);
  assert.deepEqual([first?.from, first?.to, first?.end_ms], [250, 550, 15_000]);
  const second = nextFetch(sound, first!.after, 12_000);
  assert.deepEqual([second?.from, second?.to, second?.end_ms], [550, 1050, 20_000]);
  assert.deepEqual(second?.after, { epoch: 0, segment: 2, part: 0 });
});

test("from a far key frame everything up to the moment and a little more is one fetch of a segment", () => {
  const first = nextFetch(picture, cursorFor(picture, 24_000), 24_000);
  assert.deepEqual([first?.from, first?.to, first?.file_bytes], [50, 1050, 1050]);
});

test("nothing is fetched beyond the window, and nothing behind the end", () => {
  const at = { epoch: 0, segment: 3, part: 0 };
  assert.equal(nextFetch(sound, at, 0, 29_999), null);
  assert.notEqual(nextFetch(sound, at, 0, 30_000), null);
  assert.equal(nextFetch(sound, { epoch: 2, segment: 0, part: 0 }, 64_000), null);
  assert.equal(nextFetch(sound, null, 64_000), null);
  assert.equal(cursorTime(sound, { epoch: 2, segment: 0, part: 0 }), Infinity);
});

test("after the last segment of an epoch comes the next epoch", () => {
  const last = nextFetch(sound, { epoch: 0, segment: 3, part: 0 }, 38_000);
  assert.deepEqual(last?.after, { epoch: 1, segment: 0, part: 0 });
});

test("the segment at a time, or none in a hole", () => {
  assert.deepEqual(segmentAt(sound, 39_999), { epoch: 0, segment: 3, part: 0 });
  assert.equal(segmentAt(sound, 40_000), null);
});

test("the offset of an epoch grows with the drift of its clock", () => {
  const one = { ...epoch(1, 0, 3_700), timestamp_offset_ms: -20, rate_ppm: 50, origin_ms: 20 };
  assert.equal(timestampOffsetMs(one, one.segments[0]!), -20);
  const hour = one.segments[360]!;
  assert.equal(hour.start_ms, 3_600_000);
  assert.ok(Math.abs(timestampOffsetMs(one, hour) - 160) < 1e-6);
});

test("pictures are dropped only up to a key frame, sound anywhere", () => {
  assert.equal(dropBefore("audio", [], 12_345), 12_345);
  assert.equal(dropBefore("video", [0, 25_000], 24_999), 0);
  assert.equal(dropBefore("video", [0, 25_000], 25_000), 25_000);
  assert.equal(dropBefore("video", [30_000], 25_000), null);
  assert.equal(dropBefore("audio", [], 0), null);
});
