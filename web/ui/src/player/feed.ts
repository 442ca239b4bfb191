// SPDX-License-Identifier: Apache-2.0
/**
 * Feeds one media element from one track's sealed segments: loads ahead of the moment that plays, drops what lies
 * behind, starts anew after a seek elsewhere, and goes round what cannot be had or read.
 */

import { Gone, loadByHttp, type Load } from "./load.ts";
import {
  AHEAD_MS,
  BEHIND_MS,
  cursorFor,
  cursorTime,
  dropBefore,
  keyframeBefore,
  nextFetch,
  nextSegment,
  segmentAt,
  timestampOffsetMs,
  type Cursor,
  type Fetch,
} from "./plan.ts";
import type { Span, Track } from "./playback.ts";
import { Remuxer } from "./remux.ts";
import { Sink, SinkFault, SinkFull } from "./sink.ts";
import { WebmFault } from "./webm.ts";

/** Waits between tries of a file that would not come; the last one repeats. */
const RETRY_MS = [300, 1_000, 2_000, 5_000];
/** A browser that says its memory is full gets less ahead, down to this. */
const LEAST_AHEAD_MS = 4_000;
/** How far loading may fall behind before it gives up what lies between. */
const SLIP_MS = 15_000;
/** Rounding of segment and cluster times. */
const EDGE_MS = 60;
/** After so many faults in reading one segment the segment is left out. */
const MAX_FAULTS = 2;

/** Loading from one place on, until the next seek elsewhere. */
interface Run {
  target_ms: number;
  cursor: Cursor | null;
  from_ms: number;
  to_ms: number;
  remuxer: Remuxer | null;
  keyframes_ms: number[];
  fresh: boolean;
  abort: AbortController;
}

export class Feed {
  readonly element: HTMLMediaElement;
  readonly track: Track;
  readonly #load: Load;
  readonly #duration_ms: number;
  readonly #headers = new Map<number, Uint8Array>();
  readonly #faults = new Map<string, number>();
  #sink: Sink | null = null;
  #run: Run | null = null;
  #time_ms = 0;
  #ahead_ms = AHEAD_MS;
  #working = false;
  #closed = false;
  /** True while the server does not give what is asked; it is asked again all the time. */
  trouble = false;

  constructor(track: Track, duration_ms: number, element: HTMLMediaElement, load: Load = loadByHttp) {
    this.track = track;
    this.element = element;
    this.#load = load;
    this.#duration_ms = duration_ms;
  }

  /** Keeps what is needed at `time_ms` loaded; to be called often. */
  pump(time_ms: number): void {
    this.#time_ms = time_ms;
    const run = this.#run;
    if (this.#closed) return;
    const broken = this.#sink?.closed === true && run?.fresh === false;
    if (broken) this.#count(segmentAt(this.track, time_ms));
    // A run on its way from a distant key frame to its target is not late: begun anew it would never arrive.
    const reach_ms = run ? Math.max(this.#known(run), run.target_ms) : 0;
    if (!run || broken || time_ms < run.from_ms - EDGE_MS || time_ms > reach_ms + SLIP_MS) this.#restart(time_ms);
    if (!this.#working) void this.#work();
  }

  /** A jump to `time_ms`: what is not in memory is asked for at once. */
  seek(time_ms: number): void {
    const recorded = segmentAt(this.track, time_ms) !== null;
    // The browser may have dropped what was loaded.
    if (!this.loaded(time_ms) || (recorded && !this.span(time_ms))) this.#restart(time_ms);
    this.pump(time_ms);
  }

  /** True when everything at `time_ms` is loaded, be it media or a hole. */
  loaded(time_ms: number): boolean {
    const run = this.#run;
    return run !== null && !run.fresh && time_ms >= run.from_ms - EDGE_MS && time_ms < this.#known(run);
  }

  /** The stretch in the browser's memory that holds `time_ms`. */
  span(time_ms: number): Span | null {
    return this.#spans().find((span) => span.from_ms - EDGE_MS <= time_ms && time_ms < span.to_ms) ?? null;
  }

  /** The next stretch in memory that begins after `time_ms`. */
  after(time_ms: number): Span | null {
    return this.#spans().find((span) => span.from_ms > time_ms) ?? null;
  }

  close(): void {
    this.#closed = true;
    this.#run?.abort.abort();
    this.#sink?.close();
  }

  #spans(): Span[] {
    return this.#sink && !this.#run?.fresh ? this.#sink.spans() : [];
  }

  /** Up to where it is known what there is: the end of what is loaded, or the beginning of what comes next. */
  #known(run: Run): number {
    return Math.max(run.to_ms, cursorTime(this.track, run.cursor));
  }

  #restart(time_ms: number, cursor = cursorFor(this.track, time_ms)): void {
    this.#run?.abort.abort();
    const from_ms = Math.min(time_ms, cursorTime(this.track, cursor));
    this.#run = {
      target_ms: time_ms,
      cursor,
      from_ms,
      to_ms: from_ms,
      remuxer: null,
      keyframes_ms: [],
      fresh: true,
      abort: new AbortController(),
    };
  }

  async #work(): Promise<void> {
    this.#working = true;
    let tries = 0;
    while (!this.#closed && this.#run) {
      const run = this.#run;
      try {
        if (!(await this.#step(run))) break;
        tries = 0;
        this.trouble = false;
      } catch (error) {
        if (this.#closed) break;
        if (run !== this.#run) continue;
        if (this.#goRound(run, error)) continue;
        this.trouble = tries > 0;
        await wait(RETRY_MS[Math.min(tries++, RETRY_MS.length - 1)] ?? 0);
      }
    }
    this.#working = false;
  }

  /** One fetch and its append; false when nothing needs doing now. */
  async #step(run: Run): Promise<boolean> {
    const job = nextFetch(this.track, run.cursor, this.#time_ms, this.#ahead_ms);
    if (!job) {
      if (run.fresh) await this.#begin(run);
      return false;
    }
    if ((this.#faults.get(place(job.at)) ?? 0) > MAX_FAULTS) {
      run.remuxer = null;
      this.#advance(run, job, nextSegment(this.track, job.at));
    } else await this.#give(run, job, await this.#fetch(run, job));
    return true;
  }

  async #fetch(run: Run, job: Fetch): Promise<Uint8Array> {
    const { signal } = run.abort;
    const known = this.#headers.has(job.at.epoch);
    const whole = !known && job.from === job.header_bytes;
    if (!known && !whole)
      this.#headers.set(job.at.epoch, await this.#load(job.url, 0, job.header_bytes, job.file_bytes, signal));
    const bytes = await this.#load(job.url, whole ? 0 : job.from, job.to, job.file_bytes, signal);
    if (!whole) return bytes;
    this.#headers.set(job.at.epoch, bytes.slice(0, job.header_bytes));
    return bytes.subarray(job.header_bytes);
  }

  /** A new run begins with an empty memory: no picture then depends on what lay there before. */
  async #begin(run: Run): Promise<void> {
    if (this.#sink?.closed) {
      this.#sink.close();
      this.#sink = null;
    }
    await this.#sink?.clear();
    run.fresh = false;
  }

  async #give(run: Run, job: Fetch, clusters: Uint8Array): Promise<void> {
    if (run !== this.#run) return;
    if (run.fresh) await this.#begin(run);
    const epoch = this.track.epochs[job.at.epoch]!;
    const offset_ms = timestampOffsetMs(epoch, epoch.segments[job.at.segment]!);
    this.#sink ??= new Sink(this.element);
    await this.#sink.open(epoch.mime, this.#duration_ms + 5_000);
    const header = String(job.at.epoch);
    if (this.#sink.header !== header) {
      await this.#append(run, this.#headers.get(job.at.epoch)!.slice(), offset_ms);
      this.#sink.header = header;
    }
    const first = run.remuxer === null && run.keyframes_ms.length === 0;
    run.remuxer ??= new Remuxer(this.track.kind);
    const made = run.remuxer.push(clusters);
    if (first && this.#tooLate(run, job, made.keyframes_ms[0], offset_ms)) return;
    await this.#append(run, made.bytes, offset_ms);
    run.keyframes_ms.push(...made.keyframes_ms.map((time_ms) => time_ms + offset_ms));
    if (job.after.epoch !== job.at.epoch) await this.#append(run, run.remuxer.end().bytes, offset_ms);
    this.#advance(run, job, job.after);
    await this.#drop(run, this.#time_ms - BEHIND_MS);
  }

  /** The part was said to hold a key frame, but it came after the wanted picture: begin at the one before. */
  #tooLate(run: Run, job: Fetch, keyframe_ms: number | undefined, offset_ms: number): boolean {
    if (this.track.kind !== "video" || keyframe_ms === undefined) return false;
    const before = keyframeBefore(this.track, job.at);
    if (!before || keyframe_ms + offset_ms <= run.target_ms + EDGE_MS) return false;
    this.#restart(run.target_ms, before);
    return true;
  }

  #advance(run: Run, job: Fetch, to: Cursor): void {
    if (to.epoch !== job.at.epoch) run.remuxer = null;
    run.cursor = to;
    run.to_ms = Math.max(run.to_ms, job.end_ms);
  }

  /** Waits with the same bytes until the browser has room for them. */
  async #append(run: Run, bytes: Uint8Array<ArrayBuffer>, offset_ms: number): Promise<void> {
    while (bytes.length > 0 && run === this.#run && !this.#closed) {
      try {
        await this.#sink!.append(bytes, offset_ms);
        return;
      } catch (error) {
        if (!(error instanceof SinkFull)) throw error;
        if (await this.#drop(run, this.#time_ms - 1_000)) continue;
        this.#ahead_ms = Math.max(LEAST_AHEAD_MS, this.#ahead_ms / 2);
        await wait(500);
      }
    }
  }

  /** Gives memory back. True when there was something to give. */
  async #drop(run: Run, wanted_ms: number): Promise<boolean> {
    const limit_ms = dropBefore(this.track.kind, run.keyframes_ms, wanted_ms);
    const first = this.#spans()[0];
    // A little at a time would be much work for little room.
    if (limit_ms === null || !first || first.from_ms + 5_000 > limit_ms) return false;
    await this.#sink!.drop(limit_ms);
    run.from_ms = Math.max(run.from_ms, limit_ms);
    run.keyframes_ms = run.keyframes_ms.filter((time_ms) => time_ms >= limit_ms);
    return true;
  }

  /** True when the fault was dealt with and work can go on at once. */
  #goRound(run: Run, error: unknown): boolean {
    const job = nextFetch(this.track, run.cursor, this.#time_ms, this.#ahead_ms);
    if (!job) return false;
    const unreadable = error instanceof SinkFault || error instanceof WebmFault;
    if (!unreadable && !(error instanceof Gone)) return false;
    this.#count(job.at, unreadable ? 1 : MAX_FAULTS + 1);
    if (!unreadable) return true;
    this.#sink?.close();
    this.#sink = null;
    this.#restart(this.#time_ms);
    return true;
  }

  #count(at: Cursor | null, faults = 1): void {
    if (at) this.#faults.set(place(at), (this.#faults.get(place(at)) ?? 0) + faults);
  }
}

function place(at: Cursor): string {
  return `${at.epoch}/${at.segment}`;
}

function wait(time_ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, time_ms));
}
