// SPDX-License-Identifier: Apache-2.0
// Who is speaking, calmly: a cough does not take the stage, and nobody loses it within two seconds.

export interface SpeakerState {
  /** Who has the stage. */
  id: string | null;
  since_ms: number;
  /** Who is louder at the moment, and since when. */
  candidate: string | null;
  candidate_ms: number;
}

/** Linear audio level (RFC 6464 as the browser gives it) above which somebody speaks: about -40 dB. */
const SPEAKS = 0.01;
const NEEDED_MS = 600;
const KEEPS_MS = 2_000;

/** The state after levels by peer id were read at `now_ms`; the same object when nothing changed. */
export function nextSpeaker(state: SpeakerState, levels: ReadonlyMap<string, number>, now_ms: number): SpeakerState {
  let loudest: string | null = null;
  let level = SPEAKS;
  for (const [id, found] of levels) {
    // Whoever has the stage keeps it against one who is only a little louder.
    const weighed = id === state.id ? found * 1.5 : found;
    if (weighed > level) {
      loudest = id;
      level = weighed;
    }
  }
  if (loudest === null || loudest === state.id) {
    return state.candidate === null ? state : { ...state, candidate: null };
  }
  if (state.candidate !== loudest) return { ...state, candidate: loudest, candidate_ms: now_ms };
  const waited = now_ms - state.candidate_ms >= NEEDED_MS;
  const free = state.id === null || now_ms - state.since_ms >= KEEPS_MS;
  if (!waited || !free) return state;
  return { id: loudest, since_ms: now_ms, candidate: null, candidate_ms: 0 };
}
