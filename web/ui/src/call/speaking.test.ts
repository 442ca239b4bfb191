// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { nextSpeaker, type SpeakerState } from "./speaking.ts";

const NOBODY: SpeakerState = { id: null, since_ms: 0, candidate: null, candidate_ms: 0 };
const run = (steps: [number, Record<string, number>][], from = NOBODY) =>
  steps.reduce((state, [at, levels]) => nextSpeaker(state, new Map(Object.entries(levels)), at), from);

test("a voice takes the stage after 0.6 s", () => {
  assert.equal(run([[0, { a: 0.1 }], [599, { a: 0.1 }]]).id, null);
  assert.equal(run([[0, { a: 0.1 }], [600, { a: 0.1 }]]).id, "a");
});

test("a cough does not", () => {
  assert.equal(run([[0, { a: 0.5 }], [200, { a: 0 }], [700, { a: 0.5 }]]).id, null);
});

test("silence leaves the stage as it is", () => {
  const state = run([[0, { a: 0.1 }], [600, { a: 0.1 }], [60_000, { a: 0 }]]);
  assert.equal(state.id, "a");
});

test("the next one waits until the first had two seconds", () => {
  const first = run([[0, { a: 0.1 }], [600, { a: 0.1 }]]);
  assert.equal(run([[700, { b: 0.1 }], [2_599, { b: 0.1 }]], first).id, "a");
  assert.equal(run([[700, { b: 0.1 }], [2_600, { b: 0.1 }]], first).id, "b");
});

test("a little louder is not enough", () => {
  const first = run([[0, { a: 0.1 }], [600, { a: 0.1 }]]);
  assert.equal(run([[5_000, { a: 0.1, b: 0.14 }], [9_000, { a: 0.1, b: 0.14 }]], first).id, "a");
  assert.equal(run([[5_000, { a: 0.1, b: 0.16 }], [9_000, { a: 0.1, b: 0.16 }]], first).id, "b");
});

test("nothing new is the same object", () => {
  assert.equal(nextSpeaker(NOBODY, new Map(), 5), NOBODY);
});
