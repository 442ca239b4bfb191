// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { MasterClock } from "./clock.ts";
import { follow, type Following, learnLead, loudness, SeekBudget } from "./follow.ts";

const still: Following = { element_ms: 10_000, master_ms: 10_000, speed: 1, rate: 1, lead_ms: 60, may_seek: true };
const off = (error_ms: number, changes: Partial<Following> = {}): ReturnType<typeof follow> =>
  follow({ ...still, element_ms: 10_000 + error_ms, ...changes });

test("an element in step is left alone", () => {
  assert.deepEqual(off(0), { rate: 1 });
  assert.deepEqual(off(17), { rate: 1 });
  assert.deepEqual(off(-17), { rate: 1 });
});

test("one that runs ahead is slowed, one behind hurried, never by more than five percent", () => {
  assert.deepEqual(off(20), { rate: 0.98 });
  assert.deepEqual(off(-20), { rate: 1.02 });
  assert.deepEqual(off(250), { rate: 0.95 });
  assert.deepEqual(off(-250), { rate: 1.05 });
});

test("a correction goes on until the element is nearly in step", () => {
  assert.deepEqual(off(10, { rate: 0.98 }), { rate: 0.99 });
  assert.deepEqual(off(4, { rate: 0.98 }), { rate: 1 });
});

test("beyond 250 ms the element is sought, ahead by the time that a seek takes", () => {
  assert.deepEqual(off(251), { seek_ms: 10_060 });
  assert.deepEqual(off(-5_000), { seek_ms: 10_060 });
  assert.deepEqual(off(-5_000, { speed: 2, rate: 2 }), { seek_ms: 10_120 });
});

test("one that may not be sought yet hurries as well as it can", () => {
  assert.deepEqual(off(-5_000, { may_seek: false }), { rate: 1.05 });
});

test("at another speed the corrections are shares of it", () => {
  assert.deepEqual(off(100, { speed: 2, rate: 2 }), { rate: 1.9 });
  assert.deepEqual(off(0, { speed: 0.5, rate: 1 }), { rate: 0.5 });
});

test("followed for two seconds, an element that is 200 ms late is within 40 ms after four", () => {
  let element_ms = -200;
  let rate = 1;
  for (let master_ms = 0; master_ms < 4_500; master_ms += 100) {
    const step = follow({ ...still, element_ms, master_ms, rate });
    assert.ok("rate" in step);
    rate = step.rate;
    element_ms += 100 * rate;
  }
  assert.ok(Math.abs(element_ms - 4_500) < 40, `${element_ms}`);
});

test("the length of a seek is learned, within bounds", () => {
  assert.equal(learnLead(60, -100, 1), 110);
  assert.equal(learnLead(60, 200, 1), 0);
  assert.equal(learnLead(490, -400, 1), 500);
  assert.equal(learnLead(60, -100, 2), 85);
});

test("seeks that keep coming are spaced out, and forgiven after a calm while", () => {
  const budget = new SeekBudget();
  assert.ok(budget.may(0));
  budget.spend(0);
  assert.ok(!budget.may(999));
  assert.ok(budget.may(1_000));
  budget.spend(1_000);
  assert.ok(!budget.may(2_999));
  assert.ok(budget.may(3_000));
  budget.spend(20_000);
  assert.ok(budget.may(21_000));
});

test("muted is silent, and somebody alone silences the others", () => {
  const voice = { volume: 0.8, muted: false, solo: false };
  const voices = new Map([
    ["a", voice],
    ["b", { ...voice, muted: true }],
  ]);
  assert.deepEqual(["a", "b", "?"].map((peer) => loudness(voices, peer)), [0.8, 0, 0]);
  voices.set("c", { ...voice, solo: true });
  assert.deepEqual(["a", "b", "c"].map((peer) => loudness(voices, peer)), [0, 0, 0.8]);
});

test("the clock stands, runs, changes speed and place", () => {
  const clock = new MasterClock();
  clock.set(5_000, 100);
  assert.equal(clock.time(900), 5_000);
  clock.start(1_000);
  assert.equal(clock.time(1_500), 5_500);
  clock.setSpeed(2, 2_000);
  assert.equal(clock.time(2_500), 7_000);
  clock.set(1_000, 3_000);
  assert.equal(clock.time(3_100), 1_200);
  clock.start(3_100);
  clock.stop(3_200);
  assert.equal(clock.time(9_000), 1_400);
  assert.equal(clock.running, false);
});
