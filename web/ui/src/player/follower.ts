// SPDX-License-Identifier: Apache-2.0
/** One track on the page: its element, what feeds it, and how it keeps to the master clock. */

import { Feed } from "./feed.ts";
import { follow, learnLead, SeekBudget } from "./follow.ts";
import { loadByHttp, type Load } from "./load.ts";
import { absence, coverage, shownGaps, type Absence, type Gap, type Playback, type Span, type Track } from "./playback.ts";

/** While nothing plays, an element that is off by more is set exactly. */
const STILL_MS = 30;
/** Before the start this much must be there, or the start would soon be a stop. */
const HEADSTART_MS = 500;
/** Near enough to begin: the rest is caught up while playing. */
const NEAR_MS = 60;
/** Expected length of a first seek. */
const LEAD_MS = 60;
/** How long a first start takes: a sound card first fills its buffer. */
const START_MS = { audio: 120, video: 20 } as const;
const MAX_START_MS = 500;

export class Follower {
  readonly track: Track;
  readonly element: HTMLMediaElement;
  readonly #feed: Feed;
  readonly #spans: Span[];
  readonly #gaps: readonly Gap[];
  readonly #budget = new SeekBudget();
  #lead_ms = LEAD_MS;
  #start_ms: number;
  #held_ms = 0;
  #starting: ReturnType<typeof setTimeout> | undefined;
  #sought = false;
  #refused: ((error: unknown) => void) | null;

  constructor(playback: Playback, track: Track, refused: (error: unknown) => void, load: Load = loadByHttp) {
    this.track = track;
    this.#spans = coverage(track);
    this.#gaps = shownGaps(playback.gaps, track.track_id);
    this.#refused = refused;
    this.#start_ms = START_MS[track.kind];
    this.element = document.createElement(track.kind);
    this.element.preload = "auto";
    if (this.element instanceof HTMLVideoElement) {
      // Sound has elements of its own.
      this.element.muted = true;
      this.element.playsInline = true;
      this.element.disablePictureInPicture = true;
    }
    this.#feed = new Feed(track, playback.duration_ms, this.element, load);
  }

  get spans(): readonly Span[] {
    return this.#spans;
  }

  get trouble(): boolean {
    return this.#feed.trouble;
  }

  /** Element's place on the session clock. */
  get position_ms(): number {
    return this.element.currentTime * 1000;
  }

  /** Why nothing can be shown at `time_ms`, null when something can. */
  absence(time_ms: number): Absence | null {
    return absence(this.#gaps, this.#spans, time_ms);
  }

  /** Loads for `time_ms`. */
  pump(time_ms: number): void {
    this.#feed.pump(time_ms);
  }

  seek(time_ms: number): void {
    this.#feed.seek(time_ms);
  }

  /** True when the track does not hold up playing at `time_ms`: it has its media there, or has none to have. */
  flows(time_ms: number): boolean {
    return !this.#recorded(time_ms) || this.#feed.loaded(time_ms);
  }

  /** True when playing may begin: the element stands at `time_ms` with its picture or sound. */
  stands(time_ms: number): boolean {
    if (!this.#recorded(time_ms)) return true;
    if (!this.#feed.loaded(time_ms)) return false;
    const span = this.#feed.span(time_ms);
    if (!span) return true;
    const enough = span.to_ms - time_ms > HEADSTART_MS || this.#feed.loaded(span.to_ms + 1);
    const { element } = this;
    const there = Math.abs(this.position_ms - time_ms) <= NEAR_MS;
    return enough && there && !element.seeking && element.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA;
  }

  /** True while the element plays what it should. */
  get playing(): boolean {
    return !this.element.paused && !this.element.seeking && this.element.readyState >= HTMLMediaElement.HAVE_FUTURE_DATA;
  }

  /** How long this element takes from being told to play until it does; 0 where it has nothing to play. */
  startLag(time_ms: number): number {
    return this.#feed.span(time_ms) ? this.#start_ms : 0;
  }

  /** Plays after `delay_ms`, so that it begins together with slower ones. */
  begin(time_ms: number, delay_ms: number): void {
    clearTimeout(this.#starting);
    this.#starting = undefined;
    this.#held_ms = delay_ms;
    if (!this.#feed.span(time_ms)) return;
    if (delay_ms <= 0) this.#play();
    else
      this.#starting = setTimeout(() => {
        this.#starting = undefined;
        this.#play();
      }, delay_ms);
  }

  /** Just after a start: plays, at the plain speed, until it is known where everybody is. */
  go(time_ms: number, speed: number): void {
    if (this.element.readyState === HTMLMediaElement.HAVE_NOTHING) return;
    if (!this.#feed.span(time_ms)) this.#park(time_ms);
    else if (this.#starting === undefined) this.#play();
    if (this.element.playbackRate !== speed) this.element.playbackRate = speed;
  }

  /** How long the last start took, `begin`'s delay included. */
  learnStart(took_ms: number): void {
    const own_ms = Math.min(MAX_START_MS, Math.max(0, took_ms - this.#held_ms));
    this.#start_ms += (own_ms - this.#start_ms) / 2;
  }

  /** Brings the element to where the master clock is. */
  tick(time_ms: number, now_ms: number, running: boolean, speed: number): void {
    if (this.element.readyState === HTMLMediaElement.HAVE_NOTHING) return;
    const span = this.#feed.span(time_ms);
    if (!span) this.#park(time_ms);
    else if (running) this.#follow(time_ms, now_ms, speed);
    else this.#still(time_ms);
  }

  close(): void {
    this.#refused = null;
    this.#hold();
    this.#feed.close();
  }

  #recorded(time_ms: number): boolean {
    return this.#spans.some((span) => span.from_ms <= time_ms && time_ms < span.to_ms);
  }

  /** Nothing now: wait, ready, at the beginning of what comes. */
  #park(time_ms: number): void {
    this.#hold();
    const next = this.#feed.after(time_ms);
    if (next && !this.element.seeking && Math.abs(this.position_ms - next.from_ms) > STILL_MS) this.#set(next.from_ms);
  }

  #still(time_ms: number): void {
    this.#hold();
    if (!this.element.seeking && Math.abs(this.position_ms - time_ms) > STILL_MS) this.#set(time_ms);
  }

  #follow(time_ms: number, now_ms: number, speed: number): void {
    const { element } = this;
    this.#play();
    if (element.seeking || element.readyState < HTMLMediaElement.HAVE_FUTURE_DATA) return;
    if (this.#sought) {
      this.#sought = false;
      this.#lead_ms = learnLead(this.#lead_ms, this.position_ms - time_ms, speed);
    }
    const step = follow({
      element_ms: this.position_ms,
      master_ms: time_ms,
      speed,
      rate: element.playbackRate,
      lead_ms: this.#lead_ms,
      may_seek: this.#budget.may(now_ms),
    });
    if ("rate" in step) {
      if (element.playbackRate !== step.rate) element.playbackRate = step.rate;
      return;
    }
    this.#budget.spend(now_ms);
    this.#sought = true;
    element.playbackRate = speed;
    this.#set(this.#feed.span(step.seek_ms) ? step.seek_ms : time_ms);
  }

  #play(): void {
    if (this.element.paused) this.element.play().catch((error: unknown) => this.#onRefused(error));
  }

  #hold(): void {
    clearTimeout(this.#starting);
    this.#starting = undefined;
    this.element.pause();
  }

  #set(time_ms: number): void {
    // A time that a range of the browser's begins at may lie a rounding before it.
    this.element.currentTime = Math.max(0, time_ms + 1) / 1000;
  }

  #onRefused(error: unknown): void {
    // A pause that came before the start was done is no refusal.
    if (error instanceof DOMException && error.name === "AbortError") return;
    this.#refused?.(error);
  }
}
