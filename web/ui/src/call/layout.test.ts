// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { arrange, capacity, fitted, type Box, type Rect } from "./layout.ts";

const STATION: Box = { width: 1334, height: 610 };
const PANEL: Box = { width: 950, height: 610 };
const PHONE: Box = { width: 374, height: 600 };
const TV: Box = { width: 1888, height: 900 };
const LYING_PHONE: Box = { width: 812, height: 230 };

const inside = (box: Box, rect: Rect) =>
  rect.left >= -0.01 && rect.top >= -0.01 && rect.left + rect.width <= box.width + 0.01 && rect.top + rect.height <= box.height + 0.01;
const apart = (a: Rect, b: Rect) =>
  a.left + a.width <= b.left + 0.01 || b.left + b.width <= a.left + 0.01 || a.top + a.height <= b.top + 0.01 || b.top + b.height <= a.top + 0.01;

test("on every screen, with every number of people, no tile leaves the stage or covers another", () => {
  for (const box of [STATION, PANEL, PHONE, TV, LYING_PHONE]) {
    for (const large of [true, false]) {
      for (let count = large ? 0 : 1; count <= 8 + (large ? 0 : 1); count++) {
        const placed = arrange(box, count, large);
        const all = [...placed.small, ...(placed.large ? [placed.large] : [])];
        const name = `${box.width}x${box.height} large=${large} small=${count}`;
        assert.equal(all.length, count + (large ? 1 : 0), name);
        for (const [n, rect] of all.entries()) {
          assert.ok(rect.width > 60 && rect.height > 30, `${name}: ${JSON.stringify(rect)}`);
          assert.ok(inside(box, rect), `${name}: ${JSON.stringify(rect)}`);
          for (const other of all.slice(n + 1)) assert.ok(apart(rect, other), `${name}: ${JSON.stringify([rect, other])}`);
        }
      }
    }
  }
});

test("on a station's screen eight small tiles show faces beside a stage that has most of the room", () => {
  const { large, small } = arrange(STATION, 8, true);
  assert.ok(large !== null && large.width > 0.6 * STATION.width, JSON.stringify(large));
  assert.ok((small[0]?.width ?? 0) >= 180);
});

test("with a panel open eight small tiles still show faces", () => {
  assert.ok((arrange(PANEL, 8, true).small[0]?.width ?? 0) >= 180);
});

test("a telephone held upright has the small ones below, two beside each other", () => {
  const { large, small } = arrange(PHONE, 6, true);
  assert.equal(large?.width, PHONE.width);
  assert.equal(new Set(small.map((one) => one.left)).size, 2);
  assert.ok((small[0]?.top ?? 0) > (large?.height ?? Infinity));
});

test("nine of one size are three by three", () => {
  const { small } = arrange(STATION, 9, false);
  assert.equal(new Set(small.map((one) => one.top)).size, 3);
});

test("a last row that is not full stands in the middle", () => {
  const { small } = arrange(STATION, 7, false);
  const last = small.at(-1) as Rect;
  assert.ok(Math.abs(last.left + last.width / 2 - STATION.width / 2) < 0.01);
});

test("two people of one size stand side by side on a wide screen and one above the other on a tall one", () => {
  assert.equal(new Set(arrange(STATION, 2, false).small.map((one) => one.top)).size, 1);
  assert.equal(new Set(arrange(PHONE, 2, false).small.map((one) => one.left)).size, 1);
});

test("alone on the stage one has all of it", () => {
  assert.deepEqual(arrange(STATION, 0, true).large, { left: 0, top: 0, ...STATION });
});

test("a picture fits into its place whatever the shape", () => {
  assert.deepEqual(fitted({ width: 320, height: 400 }), { width: 320, height: 180 });
  assert.deepEqual(fitted({ width: 640, height: 180 }), { width: 320, height: 180 });
  assert.deepEqual(fitted({ width: -5, height: 180 }), { width: 0, height: 0 });
});

test("nine tiles, fewer on a telephone", () => {
  assert.equal(capacity(STATION, true), 9);
  assert.equal(capacity({ width: 600, height: 320 }, true), 9);
  assert.equal(capacity({ width: 599, height: 800 }, true), 7);
  assert.equal(capacity({ width: 800, height: 319 }, false), 8);
});
