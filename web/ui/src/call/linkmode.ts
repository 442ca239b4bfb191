// SPDX-License-Identifier: Apache-2.0
// Full pictures, small pictures or sound only: by the person's word, or by what the link was measured to carry.
//
// What counts is what people notice: pictures that stand still, words that are lost. Loss alone that is repaired in time
// is no reason to take the pictures away.

import type { Mode } from "./protocol.ts";

/** `auto`: the measured link decides. Anything else is the person's word and stays. */
export type ModeWish = "auto" | Mode;

/** What was measured since the last look. */
export interface LinkSample {
  at_ms: number;
  /** Share of the time in which the shown pictures stood still, 0 to 1. */
  frozen: number;
  /** Share of the speech that had to be made up because its packets were missing, 0 to 1. */
  concealed: number;
  rtt_ms: number | null;
  /** The server finds no room for some pictures that are wanted. */
  starved: boolean;
}

export interface LinkMode {
  mode: Mode;
  /** Offered to a person who chose otherwise: a mode that would go better. */
  offer: Mode | null;
  at_ms: number | null;
  /** How long the link has been bad, and very bad; a good time takes off twice as much. */
  bad_ms: number;
  severe_ms: number;
  good_ms: number;
  /** How often it became bad again soon after it had become good: each time the good time must be twice as long. */
  relapses: number;
  left_ms: number;
  /** An offer that was declined is not made again before this. */
  quiet_until_ms: number;
}

export const ENTER_AFTER_MS = 15_000;
export const LEAVE_AFTER_MS = 15_000;
export const LEAVE_AT_MOST_MS = 240_000;
const RELAPSE_WITHIN_MS = 120_000;
const FORGET_AFTER_MS = 300_000;
const QUIET_MS = 300_000;
const BAD = { frozen: 0.25, concealed: 0.05, rtt_ms: 1_200 };
const SEVERE = { frozen: 0.8, concealed: 0.15, rtt_ms: 3_000 };
/** A page that was asleep did not measure. */
const LONGEST_STEP_MS = 5_000;

export const STEADY: LinkMode = {
  mode: "normal",
  offer: null,
  at_ms: null,
  bad_ms: 0,
  severe_ms: 0,
  good_ms: 0,
  relapses: 0,
  left_ms: -Infinity,
  quiet_until_ms: -Infinity,
};

const LOWER: Record<Mode, Mode> = { normal: "low", low: "audio", audio: "audio" };
const HIGHER: Record<Mode, Mode> = { normal: "normal", low: "normal", audio: "low" };

/** How long a link must have been good before the pictures come back. */
export function leaveAfter(relapses: number): number {
  return Math.min(LEAVE_AT_MOST_MS, LEAVE_AFTER_MS * 2 ** relapses);
}

/** The state after one measurement. */
export function nextMode(before: LinkMode, wish: ModeWish, sample: LinkSample): LinkMode {
  const step_ms = before.at_ms === null ? 0 : Math.min(LONGEST_STEP_MS, Math.max(0, sample.at_ms - before.at_ms));
  const severe = over(sample, SEVERE);
  const bad = severe || sample.starved || over(sample, BAD);
  const measured: LinkMode = {
    ...before,
    at_ms: sample.at_ms,
    bad_ms: tally(before.bad_ms, bad, step_ms),
    severe_ms: tally(before.severe_ms, severe, step_ms),
    good_ms: bad ? 0 : before.good_ms + step_ms,
  };
  return wish === "auto" ? decide(measured) : offer(measured, wish);
}

function over(sample: LinkSample, bounds: typeof BAD): boolean {
  return sample.frozen > bounds.frozen || sample.concealed > bounds.concealed || (sample.rtt_ms ?? 0) > bounds.rtt_ms;
}

function tally(before_ms: number, bad: boolean, step_ms: number): number {
  return bad ? Math.min(ENTER_AFTER_MS, before_ms + step_ms) : Math.max(0, before_ms - 2 * step_ms);
}

/** From small pictures to none only where even these stand still or the words are lost. */
function tooMuch(state: LinkMode): boolean {
  return (state.mode === "normal" ? state.bad_ms : state.severe_ms) >= ENTER_AFTER_MS && state.mode !== "audio";
}

function decide(state: LinkMode): LinkMode {
  const now = state.at_ms ?? 0;
  if (tooMuch(state)) {
    const soon = now - state.left_ms < RELAPSE_WITHIN_MS;
    return { ...anew(state, LOWER[state.mode]), relapses: soon ? state.relapses + 1 : state.relapses };
  }
  if (state.mode !== "normal" && state.good_ms >= leaveAfter(state.relapses))
    return { ...anew(state, HIGHER[state.mode]), left_ms: now };
  if (state.mode === "normal" && state.relapses > 0 && state.good_ms >= FORGET_AFTER_MS) return { ...state, relapses: 0 };
  return state.offer === null ? state : { ...state, offer: null };
}

function offer(measured: LinkMode, wish: Mode): LinkMode {
  const state = measured.mode === wish ? measured : { ...anew(measured, wish), relapses: 0 };
  const now = state.at_ms ?? 0;
  if (state.offer !== null) return state.good_ms >= LEAVE_AFTER_MS ? { ...state, offer: null } : state;
  return tooMuch(state) && now >= state.quiet_until_ms ? { ...state, offer: LOWER[state.mode] } : state;
}

function anew(state: LinkMode, mode: Mode): LinkMode {
  return { ...state, mode, offer: null, bad_ms: 0, severe_ms: 0, good_ms: 0 };
}

/** The person does not want what was offered: silence for a while. */
export function declined(state: LinkMode, now_ms: number): LinkMode {
  return { ...state, offer: null, quiet_until_ms: now_ms + QUIET_MS };
}

/** The person changed the wish: it holds at once, without waiting for the next measurement. */
export function wished(state: LinkMode, wish: ModeWish): LinkMode {
  if (wish === "auto") return { ...STEADY, at_ms: state.at_ms };
  return { ...anew(state, wish), relapses: 0, quiet_until_ms: -Infinity };
}
