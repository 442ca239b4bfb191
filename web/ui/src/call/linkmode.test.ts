// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { declined, leaveAfter, nextMode, STEADY, wished, type LinkMode, type LinkSample, type ModeWish } from "./linkmode.ts";

const GOOD = { frozen: 0, concealed: 0, rtt_ms: 50, starved: false };
const BAD = { ...GOOD, frozen: 0.5 };
const SEVERE = { ...GOOD, concealed: 0.3 };

/** The state after `seconds` of one kind of link, measured every two seconds. */
function last(state: LinkMode, kind: Omit<LinkSample, "at_ms">, seconds: number, wish: ModeWish = "auto"): LinkMode {
  let after = state;
  const from = state.at_ms ?? 0;
  for (let at = 2; at <= seconds; at += 2) after = nextMode(after, wish, { ...kind, at_ms: from + at * 1000 });
  return after;
}
const START = nextMode(STEADY, "auto", { ...GOOD, at_ms: 0 });

test("a bad link for a quarter of a minute makes the pictures small, not sooner", () => {
  assert.equal(last(START, BAD, 14).mode, "normal");
  assert.equal(last(START, BAD, 16).mode, "low");
});

test("a hiccup does not, nor many of them with good times between", () => {
  let state = START;
  for (let n = 0; n < 20; n++) state = last(last(state, BAD, 6), GOOD, 6);
  assert.equal(state.mode, "normal");
});

test("loss that is repaired is no reason", () => {
  assert.equal(last(START, { ...GOOD, frozen: 0.1, concealed: 0.02, rtt_ms: 400 }, 600).mode, "normal");
});

test("each of the bounds at its edge", () => {
  for (const [name, edge, past] of [["frozen", 0.25, 0.26], ["concealed", 0.05, 0.06], ["rtt_ms", 1200, 1201]] as const) {
    assert.equal(last(START, { ...GOOD, [name]: edge }, 60).mode, "normal", name);
    assert.equal(last(START, { ...GOOD, [name]: past }, 60).mode, "low", name);
  }
  assert.equal(last(START, { ...GOOD, starved: true }, 60).mode, "low");
});

test("only lost words and standing small pictures lead on to sound only", () => {
  assert.equal(last(START, BAD, 300).mode, "low");
  assert.equal(last(START, SEVERE, 32).mode, "audio");
  assert.equal(last(START, { ...GOOD, starved: true }, 300).mode, "low");
});

test("a good link brings the pictures back step by step", () => {
  const audio = last(START, SEVERE, 40);
  assert.equal(audio.mode, "audio");
  assert.equal(last(audio, GOOD, 14).mode, "audio");
  assert.equal(last(audio, GOOD, 16).mode, "low");
  assert.equal(last(audio, GOOD, 34).mode, "normal");
});

test("one bad measurement starts the wait for better anew", () => {
  const low = last(START, BAD, 20);
  assert.equal(last(last(last(low, GOOD, 12), BAD, 2), GOOD, 12).mode, "low");
});

test("a link that becomes bad again soon has to be good for twice as long each time", () => {
  let state = START;
  const waits: number[] = [];
  for (let n = 0; n < 7; n++) {
    state = last(state, BAD, 20);
    assert.equal(state.mode, "low");
    const from = state.at_ms ?? 0;
    while (state.mode === "low") state = last(state, GOOD, 2);
    waits.push(Math.round(((state.at_ms ?? 0) - from) / 1000));
  }
  for (const [n, wait] of waits.entries()) assert.ok(Math.abs(wait - leaveAfter(n) / 1000) <= 2, waits.join());
  assert.equal(waits.at(-1), 240);
});

test("after five good minutes the past is forgotten", () => {
  let state = START;
  for (let n = 0; n < 3; n++) {
    state = last(state, BAD, 20);
    while (state.mode === "low") state = last(state, GOOD, 2);
  }
  assert.equal(state.relapses, 2);
  assert.equal(last(state, GOOD, 298).relapses, 2);
  assert.equal(last(state, GOOD, 302).relapses, 0);
});

test("the person's word is never overruled, only an offer is made", () => {
  const full = last(START, SEVERE, 120, "normal");
  assert.equal(full.mode, "normal");
  assert.equal(full.offer, "low");
  const low = last(START, SEVERE, 120, "low");
  assert.deepEqual([low.mode, low.offer], ["low", "audio"]);
  const audio = last(START, SEVERE, 120, "audio");
  assert.deepEqual([audio.mode, audio.offer], ["audio", null]);
  assert.equal(last(audio, GOOD, 600, "audio").mode, "audio");
});

test("an offer goes when the link is good again, and stays away for five minutes when declined", () => {
  const offered = last(START, BAD, 20, "normal");
  assert.equal(offered.offer, "low");
  assert.equal(last(offered, GOOD, 16, "normal").offer, null);
  const no = declined(offered, offered.at_ms ?? 0);
  assert.equal(last(no, BAD, 298, "normal").offer, null);
  assert.equal(last(no, BAD, 302, "normal").offer, "low");
});

test("a wish holds at once", () => {
  const low = last(START, BAD, 20);
  assert.equal(wished(low, "normal").mode, "normal");
  assert.equal(wished(low, "audio").mode, "audio");
  assert.equal(wished(wished(low, "audio"), "auto").mode, "normal");
});

test("a page that slept did not measure a bad link", () => {
  const slept = nextMode(START, "auto", { ...BAD, at_ms: 3_600_000 });
  assert.equal(slept.bad_ms, 5_000);
});
