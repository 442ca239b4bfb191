// SPDX-License-Identifier: Apache-2.0
/** Plays a recording: many tracks, one clock. The page draws what the signals say. */

import { signal } from "@preact/signals";
import { MasterClock } from "./clock.ts";
import { loudness, type Voice } from "./follow.ts";
import { Follower } from "./follower.ts";
import { loadByHttp, type Load } from "./load.ts";
import { nobody, type Absence, type Playback } from "./playback.ts";

export const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 2] as const;

const TICK_MS = 100;
/** While everybody waits for a start, nobody should wait for a tick. */
const WAITING_TICK_MS = 25;
/** A track that keeps all others waiting for longer is left behind; it joins again when it has its media. */
const PATIENCE_MS = 6_000;
/** So long after a start it is looked at where everybody really is, and at the latest after the second. */
const SETTLED_MS = 350;
const SETTLED_AT_LAST_MS = 1_500;
/** An element that has moved by this much has begun. */
const BEGUN_MS = 60;

export type PlayerState = "paused" | "waiting" | "playing" | "ended";

/** What a track shows now. */
export interface Shown {
  absence: Absence | null;
  loading: boolean;
  trouble: boolean;
}

export class Player {
  readonly playback: Playback;
  readonly followers: readonly Follower[];
  readonly state = signal<PlayerState>("paused");
  /** Session time, renewed ten times a second. */
  readonly time_ms = signal(0);
  readonly speed = signal(1);
  readonly voices = signal<ReadonlyMap<string, Voice>>(new Map());
  readonly shown = signal<ReadonlyMap<string, Shown>>(new Map());
  /** True when the browser wants a click before it lets sound be heard. */
  readonly refused = signal(false);

  readonly #clock = new MasterClock();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;
  readonly #late = new Set<Follower>();
  #wanted = false;
  #since_ms = 0;
  #started: { now_ms: number; positions: Map<Follower, number> } | null = null;

  constructor(playback: Playback, load: Load = loadByHttp) {
    this.playback = playback;
    const refused = (): void => {
      this.refused.value = true;
      this.pause();
    };
    this.followers = playback.tracks.map((track) => new Follower(playback, track, refused, load));
    const voices = playback.peers.map((peer) => [peer.peer_id, { volume: 1, muted: false, solo: false }] as const);
    this.voices.value = new Map(voices);
    this.#tick();
  }

  play(): void {
    const now_ms = performance.now();
    if (this.state.value === "ended") this.seek(0);
    this.refused.value = false;
    this.#wanted = true;
    this.#wait(now_ms);
    this.#tick();
  }

  pause(): void {
    this.#wanted = false;
    this.#clock.stop(performance.now());
    this.state.value = "paused";
    this.#tick();
  }

  toggle(): void {
    if (this.#wanted) this.pause();
    else this.play();
  }

  /** Jumps; goes on playing, or staying, as before. */
  seek(time_ms: number): void {
    const now_ms = performance.now();
    const within = Math.min(Math.max(0, time_ms), this.playback.duration_ms);
    this.#clock.stop(now_ms);
    this.#clock.set(within, now_ms);
    for (const follower of this.followers) follower.seek(within);
    if (this.#wanted) this.#wait(now_ms);
    else this.state.value = "paused";
    this.#tick();
  }

  /** Stops and goes by about one picture. */
  step(by_ms: number): void {
    if (this.#wanted) this.pause();
    this.seek(this.time_ms.peek() + by_ms);
  }

  setSpeed(speed: number): void {
    this.#clock.setSpeed(speed, performance.now());
    this.speed.value = speed;
  }

  setVoice(peer_id: string, change: Partial<Voice>): void {
    const voices = new Map(this.voices.value);
    const voice = voices.get(peer_id);
    if (voice) voices.set(peer_id, { ...voice, ...change });
    this.voices.value = voices;
    this.#applyVoices();
  }

  /** Where something plays next when nobody has anything at `time_ms`, else null. */
  nextSomething(time_ms: number): number | null {
    const all = this.followers.map((follower) => follower.spans);
    if (!nobody(all, time_ms)) return null;
    const starts = all.flat().map((span) => span.from_ms);
    const next = Math.min(...starts.filter((from_ms) => from_ms > time_ms));
    return Number.isFinite(next) ? next : null;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const follower of this.followers) follower.close();
  }

  #wait(now_ms: number): void {
    this.#clock.stop(now_ms);
    this.#started = null;
    this.#since_ms = now_ms;
    this.#late.clear();
    this.state.value = "waiting";
  }

  #tick(): void {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    this.#step(performance.now());
    const pause_ms = this.state.value === "waiting" ? WAITING_TICK_MS : TICK_MS;
    this.#timer = setTimeout(() => this.#tick(), pause_ms);
  }

  #step(now_ms: number): void {
    const time_ms = Math.min(this.#clock.time(now_ms), this.playback.duration_ms);
    for (const follower of this.followers) follower.pump(time_ms);
    if (this.#wanted && time_ms >= this.playback.duration_ms) this.#end(now_ms);
    else if (this.#wanted && this.#clock.running) this.#watch(time_ms, now_ms);
    else if (this.#wanted) this.#begin(time_ms, now_ms);
    const running = this.#clock.running;
    if (running) this.#settle(now_ms);
    const at_ms = Math.min(this.#clock.time(now_ms), this.playback.duration_ms);
    for (const follower of this.followers) {
      if (running && this.#started) follower.go(at_ms, this.#clock.speed);
      else follower.tick(at_ms, now_ms, running, this.#clock.speed);
    }
    this.time_ms.value = at_ms;
    this.#show(at_ms);
  }

  /** Playing, until a track has run out of what should be there. */
  #watch(time_ms: number, now_ms: number): void {
    const dry = this.followers.filter((follower) => !follower.flows(time_ms));
    for (const follower of this.#late) if (!dry.includes(follower)) this.#late.delete(follower);
    if (dry.every((follower) => this.#late.has(follower))) return;
    this.#clock.stop(now_ms);
    this.#clock.set(time_ms, now_ms);
    this.#since_ms = now_ms;
    this.state.value = "waiting";
  }

  /** Waiting, until all tracks stand ready or patience is over. */
  #begin(time_ms: number, now_ms: number): void {
    const missing = this.followers.filter((follower) => !follower.stands(time_ms) && !this.#late.has(follower));
    if (missing.length > 0 && now_ms - this.#since_ms < PATIENCE_MS) return;
    for (const follower of missing) this.#late.add(follower);
    this.#clock.start(now_ms);
    this.#started = { now_ms, positions: new Map(this.followers.map((one) => [one, one.position_ms])) };
    const slowest_ms = Math.max(0, ...this.followers.map((follower) => follower.startLag(time_ms)));
    for (const follower of this.followers) follower.begin(time_ms, slowest_ms - follower.startLag(time_ms));
    this.state.value = "playing";
  }

  /**
   * Sound cards take their time to start, pictures do not. Soon after a start the clock is set, once, by a sound that
   * really plays, and each element learns how long it took, so that next time all begin together.
   */
  #settle(now_ms: number): void {
    const started = this.#started;
    const since_ms = started ? now_ms - started.now_ms : 0;
    if (!started || since_ms < SETTLED_MS) return;
    const moved_ms = (follower: Follower): number => follower.position_ms - (started.positions.get(follower) ?? 0);
    const begun = this.followers.filter((follower) => follower.playing && moved_ms(follower) >= BEGUN_MS);
    const leader = begun.find((follower) => follower.track.kind === "audio") ?? begun[0];
    if (!leader && since_ms < SETTLED_AT_LAST_MS) return;
    for (const follower of begun) follower.learnStart(since_ms - moved_ms(follower) / this.#clock.speed);
    if (leader) this.#clock.set(leader.position_ms, now_ms);
    this.#started = null;
  }

  #end(now_ms: number): void {
    this.#wanted = false;
    this.#clock.stop(now_ms);
    this.#clock.set(this.playback.duration_ms, now_ms);
    this.state.value = "ended";
  }

  #applyVoices(): void {
    for (const { track, element } of this.followers) {
      if (track.kind !== "audio") continue;
      const volume = loudness(this.voices.value, track.peer_id);
      element.muted = volume === 0;
      element.volume = volume;
    }
  }

  #show(time_ms: number): void {
    const shown = new Map<string, Shown>();
    for (const follower of this.followers) {
      const absence = follower.absence(time_ms);
      const loading = absence === null && !follower.flows(time_ms);
      shown.set(follower.track.track_id, { absence, loading, trouble: follower.trouble });
    }
    if (changed(this.shown.value, shown)) this.shown.value = shown;
  }
}

function changed(before: ReadonlyMap<string, Shown>, after: ReadonlyMap<string, Shown>): boolean {
  if (before.size !== after.size) return true;
  return [...after].some(([name, now]) => {
    const was = before.get(name);
    return was?.absence !== now.absence || was.loading !== now.loading || was.trouble !== now.trouble;
  });
}
