// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { keyStart, sessionTime, size } from "./format.ts";
import { find, lastBegun, type Line, lineAt, pieces, step } from "./lines.ts";

const line = (n: number, start_ms: number, end_ms: number, text = ""): Line => ({
  n,
  turn: n,
  start_ms,
  end_ms,
  peer_id: "p",
  speaker: "甲",
  text,
  flags: [],
});
const lines = [line(0, 1_000, 2_000), line(1, 3_000, 9_000), line(2, 4_000, 5_000), line(3, 12_000, 13_000)];

test("the line being spoken; of two at once the one that began last; none in silence", () => {
  const at = [0, 999, 1_000, 2_399, 2_400, 3_500, 4_500, 6_000, 10_000, 12_500, 99_000].map((ms) => lineAt(lines, ms));
  assert.deepEqual(at, [-1, -1, 0, 0, -1, 1, 2, 1, -1, 3, -1]);
});

test("the last line that has begun", () => {
  assert.deepEqual([0, 1_000, 3_999, 99_000].map((ms) => lastBegun(lines, ms)), [-1, 0, 1, 3]);
  assert.equal(lastBegun([], 5), -1);
});

test("search finds full and half width, upper and lower case alike", () => {
  const texts = [line(0, 0, 1, "身份证号ＡＢ１２"), line(1, 0, 1, "没有"), line(2, 0, 1, "ab12 again")];
  assert.deepEqual(find(texts, " ab12 "), [0, 2]);
  assert.deepEqual(find(texts, "  "), []);
});

test("the words found are cut out as they stand there", () => {
  assert.deepEqual(pieces("土地证和土地", "土地"), ["", "土地", "证和", "土地", ""]);
  assert.deepEqual(pieces("号ＡＢ", "ab"), ["号", "ＡＢ", ""]);
  assert.deepEqual(pieces("好", ""), ["好"]);
  assert.equal(pieces("土地证和土地", "土地").join(""), "土地证和土地");
});

test("matches go round", () => {
  assert.deepEqual([step(3, 2, 1), step(3, 0, -1), step(0, 0, 1)], [0, 2, -1]);
});

test("times and sizes", () => {
  assert.deepEqual([0, 59_999, 3_723_000, -5].map(sessionTime), ["0:00:00", "0:00:59", "1:02:03", "0:00:00"]);
  assert.deepEqual([1, 999_999, 5_300_000, 2_000_000_000].map(size), ["1 kB", "1000 kB", "5.3 MB", "2.0 GB"]);
  assert.equal(keyStart("0123456789abcdef0123"), "0123 4567 89ab cdef");
});
