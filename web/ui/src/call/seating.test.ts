// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { onStage, pageOf, seat, type Seating, type Wish } from "./seating.ts";

const NAMES = Array.from({ length: 23 }, (_, n) => `p${n}`);
const wish = (part: Partial<Wish> = {}): Wish => ({
  present: NAMES,
  stage: null,
  speaker: null,
  places: 7,
  heard: new Map(),
  ...part,
});
const moved = (before: Seating, after: Seating) => after.filter((key, at) => before[at] !== key);

test("everybody sits in the order of coming, and an unchanged room is the same object", () => {
  const first = seat([], wish());
  assert.deepEqual(first, NAMES);
  assert.equal(seat(first, wish()), first);
});

test("a speaker on the first page changes places with the one on the stage", () => {
  const first = seat([], wish({ stage: "p0" }));
  const next = seat(first, wish({ stage: "p5" }));
  assert.equal(next[0], "p5");
  assert.equal(next[5], "p0");
  assert.equal(moved(first, next).length, 2);
});

test("a speaker from a later page comes to the front, and three tiles move", () => {
  const heard = new Map([...NAMES.slice(0, 8).map((name, n) => [name, 100 + n] as const), ["p3", 5] as const]);
  const first = seat([], wish({ stage: "p0" }));
  const next = seat(first, wish({ stage: "p20", heard }));
  assert.equal(next[0], "p20");
  assert.equal(next[3], "p0", "the one before stays in sight, where the longest silent one was");
  assert.equal(next[20], "p3");
  assert.equal(moved(first, next).length, 3);
});

test("the last place of the first page is on the first page", () => {
  const first = seat([], wish({ stage: "p0" }));
  assert.equal(moved(first, seat(first, wish({ stage: "p7" }))).length, 2);
  assert.equal(moved(first, seat(first, wish({ stage: "p8" }))).length, 3);
});

test("beside a pinned picture a speaker from a later page comes to the first page too", () => {
  const first = seat([], wish({ stage: "p0" }));
  const next = seat(first, wish({ stage: "p0", speaker: "p20", heard: new Map([["p7", 1]]) }));
  assert.equal(next[0], "p0");
  assert.equal(next[6], "p20");
  assert.equal(next[20], "p6");
  assert.equal(seat(next, wish({ stage: "p0", speaker: "p7" })), next);
});

test("without a stage only a speaker from a later page moves", () => {
  const first = seat([], wish());
  assert.equal(seat(first, wish({ speaker: "p6" })), first);
  const next = seat(first, wish({ speaker: "p7", heard: new Map([["p6", 1]]) }));
  assert.deepEqual(moved(first, next), ["p7", "p5"]);
});

test("when one leaves, one takes the place", () => {
  const first = seat([], wish());
  const next = seat(first, wish({ present: NAMES.filter((name) => name !== "p4") }));
  assert.equal(next[4], "p22");
  assert.equal(next.length, 22);
  assert.deepEqual(moved(first, next), ["p22"]);
});

test("many leave at once, and nobody is lost or doubled", () => {
  const stay = ["p1", "p8", "p22"];
  assert.deepEqual([...seat(NAMES, wish({ present: stay }))].sort(), [...stay].sort());
  assert.deepEqual(seat(NAMES, wish({ present: [] })), []);
});

test("a random room keeps everybody, the stage in front, and few move", () => {
  let seed = 1;
  const random = (below: number) => (seed = (seed * 48271) % 2147483647) % below;
  let present = NAMES.slice(0, 3);
  let order: Seating = [];
  for (let step = 0; step < 3_000; step++) {
    const act = random(3);
    if (act === 0 && present.length < 23) present = [...present, NAMES.find((name) => !present.includes(name)) as string];
    const leaves = random(present.length);
    if (act === 1 && present.length > 1) present = present.filter((_, at) => at !== leaves);
    const stage = present[random(present.length)] as string;
    const next = seat(order, wish({ present, stage }));
    assert.deepEqual([...next].sort(), [...present].sort());
    assert.equal(next[0], stage);
    const stayed = next.filter((key) => order.includes(key));
    assert.ok(moved(order, next).filter((key) => stayed.includes(key)).length <= 5);
    order = next;
  }
});

test("24 people are three or four pages of at most nine", () => {
  const order = seat([], wish({ stage: "p0" }));
  const all = [0, 1, 2, 3].map((page) => pageOf(order, "p0", 7, page));
  assert.equal(all[0]?.pages, 4);
  assert.deepEqual(all.flatMap((page) => page.small), NAMES.slice(1));
  assert.equal(pageOf(order, null, 8, 0).pages, 3);
});

test("a page that is gone shows the last one, none below the first", () => {
  assert.equal(pageOf(["a", "b"], null, 8, 3).page, 0);
  assert.equal(pageOf(NAMES, null, 8, 9).page, 2);
  assert.equal(pageOf(NAMES, null, 8, -1).page, 0);
  assert.deepEqual(pageOf([], null, 8, 0), { page: 0, pages: 1, small: [] });
});

test("exactly full pages make no empty one", () => {
  assert.equal(pageOf(NAMES.slice(0, 8), null, 8, 0).pages, 1);
  assert.equal(pageOf(NAMES.slice(0, 9), null, 8, 0).pages, 2);
  assert.equal(pageOf(NAMES.slice(0, 9), "p0", 8, 0).pages, 1);
});

test("the stage is the pinned one's, then a shared screen's, the speaker's, and else stays", () => {
  const room = { spotlight: null, screens: [], before: ["b", "a"], present: ["a", "b", "c"] };
  assert.equal(onStage({ ...room, pinned: "c", speaker: "a", screens: ["s"] }), "c");
  assert.equal(onStage({ ...room, pinned: "gone", speaker: "a", screens: ["s"] }), "s");
  assert.equal(onStage({ ...room, pinned: null, spotlight: "b", speaker: "a", screens: ["s"] }), "b");
  assert.equal(onStage({ ...room, pinned: "c", spotlight: "b", speaker: "a" }), "c");
  assert.equal(onStage({ ...room, pinned: null, spotlight: "gone", speaker: "a" }), "a");
  assert.equal(onStage({ ...room, pinned: null, speaker: "a" }), "a");
  assert.equal(onStage({ ...room, pinned: null, speaker: "gone" }), "b");
  assert.equal(onStage({ ...room, pinned: null, speaker: null, before: [] }), "a");
  assert.equal(onStage({ ...room, pinned: null, speaker: null, before: [], present: [] }), null);
});
