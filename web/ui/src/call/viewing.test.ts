// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { RequestFault } from "./protocol.ts";
import { viewOf, ViewSender, type Shown, type ViewData } from "./viewing.ts";

class Clock {
  time = 0;
  private timers: { at: number; work: () => void }[] = [];
  now = () => this.time;
  after = (delay_ms: number, work: () => void) => {
    const timer = { at: this.time + delay_ms, work };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  };
  pass(ms: number): void {
    this.time += ms;
    const due = this.timers.filter((timer) => timer.at <= this.time);
    this.timers = this.timers.filter((timer) => timer.at > this.time);
    for (const timer of due) timer.work();
  }
}

const shown = (width: number, consumer_id = "c1"): Shown => ({ consumer_id, width, height: 180, role: "tile" });
const view = (width: number): ViewData => viewOf([shown(width)], 1, "normal", null, false);
const sender = (answer: () => Promise<unknown> = () => Promise.resolve()) => {
  const clock = new Clock();
  const asked: ViewData[] = [];
  const made = new ViewSender((data) => {
    asked.push(data);
    return answer();
  }, clock);
  return { clock, asked, made };
};

test("sizes are device pixels in whole steps", () => {
  assert.deepEqual(viewOf([shown(320)], 1.5, "normal", 800, false), {
    tiles: [{ consumer_id: "c1", width: 480, height: 272, role: "tile" }],
    mode: "normal",
    cap_kbps: 800,
  });
  assert.equal(viewOf([shown(320.2)], 1, "normal", null, false).tiles[0]?.width, 336);
  assert.equal(viewOf([shown(0)], 1, "normal", null, false).tiles[0]?.width, 16);
  assert.equal(viewOf([shown(1e6)], 1, "normal", null, false).tiles[0]?.width, 8192);
});

test("a page that nobody looks at shows nothing", () => {
  assert.deepEqual(viewOf([shown(320)], 1, "low", null, true), { tiles: [], mode: "low", cap_kbps: null });
});

test("the same tiles in another order are no news", () => {
  const { asked, made } = sender();
  made.show(viewOf([shown(320, "a"), shown(320, "b")], 1, "normal", null, false));
  made.show(viewOf([shown(320, "b"), shown(320, "a")], 1, "normal", null, false));
  assert.equal(asked.length, 1);
});

test("a change is told at once, later ones at most four times a second, the last one always", () => {
  const { clock, asked, made } = sender();
  for (let n = 0; n < 100; n++) {
    made.show(view(16 * (n + 1)));
    clock.pass(10);
  }
  clock.pass(1_000);
  assert.ok(asked.length >= 4 && asked.length <= 5, String(asked.length));
  assert.deepEqual(asked[0], view(16));
  assert.deepEqual(asked.at(-1), view(1600));
});

test("what went back to what the server knows is not told", () => {
  const { clock, asked, made } = sender();
  made.show(view(320));
  made.show(view(640));
  made.show(view(320));
  clock.pass(1_000);
  assert.equal(asked.length, 1);
});

test("a new place is told again, without a change", () => {
  const { clock, asked, made } = sender();
  made.show(view(320));
  clock.pass(1_000);
  made.again();
  assert.equal(asked.length, 2);
});

test("a server that does not know the request is not asked again", async () => {
  const { clock, asked, made } = sender(() => Promise.reject(new RequestFault("unknown_type")));
  made.show(view(320));
  await Promise.resolve();
  await Promise.resolve();
  clock.pass(1_000);
  made.show(view(640));
  made.again();
  assert.equal(asked.length, 1);
});

test("a lost socket does not silence it", async () => {
  const { clock, asked, made } = sender(() => Promise.reject(new RequestFault("lost")));
  made.show(view(320));
  await Promise.resolve();
  await Promise.resolve();
  clock.pass(1_000);
  made.again();
  assert.equal(asked.length, 2);
});

test("nothing is sent after the end", () => {
  const { clock, asked, made } = sender();
  made.show(view(320));
  made.show(view(640));
  made.close();
  clock.pass(1_000);
  assert.equal(asked.length, 1);
});
