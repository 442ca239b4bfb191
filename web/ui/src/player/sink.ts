// SPDX-License-Identifier: Apache-2.0
/** The browser's end: one MediaSource with one SourceBuffer behind one media element. Steps are done one after another. */

import type { Span } from "./playback.ts";

/** The browser could not read or decode what it was given, or the sink was closed meanwhile. */
export class SinkFault extends Error {}

/** The browser's memory for this element is full. */
export class SinkFull extends Error {}

export class Sink {
  readonly #element: HTMLMediaElement;
  readonly #source = new MediaSource();
  readonly #address = URL.createObjectURL(this.#source);
  readonly #gone = new AbortController();
  #buffer: SourceBuffer | null = null;
  #mime = "";
  #broken = false;
  /** Which header the browser was given last; the caller's word. */
  header = "";

  constructor(element: HTMLMediaElement) {
    this.#element = element;
    element.src = this.#address;
    element.addEventListener("error", () => this.#gone.abort(), { signal: this.#gone.signal });
  }

  get closed(): boolean {
    return this.#gone.signal.aborted;
  }

  /** Ready for media of this type. Raises SinkFault for one that the browser cannot play. */
  async open(mime: string, duration_ms: number): Promise<void> {
    if (this.#buffer) {
      if (mime !== this.#mime) this.#buffer.changeType(mime);
    } else {
      if (this.#source.readyState !== "open") await this.#once(this.#source, "sourceopen");
      if (!MediaSource.isTypeSupported(mime)) throw new SinkFault(`the browser plays no ${mime}`);
      this.#source.duration = duration_ms / 1000;
      this.#buffer = this.#source.addSourceBuffer(mime);
      this.#buffer.mode = "segments";
      this.#buffer.addEventListener("error", () => (this.#broken = true));
    }
    this.#mime = mime;
  }

  /** Gives bytes to the browser; their time stamps lie `offset_ms` before the session clock. Raises SinkFault, SinkFull. */
  async append(bytes: Uint8Array<ArrayBuffer>, offset_ms: number): Promise<void> {
    const buffer = await this.#idle();
    const offset = offset_ms / 1000;
    try {
      if (Math.abs(buffer.timestampOffset - offset) > 1e-6) buffer.timestampOffset = offset;
      buffer.appendBuffer(bytes);
    } catch (error) {
      if (error instanceof DOMException && error.name === "QuotaExceededError") throw new SinkFull();
      throw new SinkFault(String(error));
    }
    await this.#idle();
    if (this.#broken) throw new SinkFault("the browser cannot read the recording");
  }

  /** Forgets everything, also what it was in the middle of reading. */
  async clear(): Promise<void> {
    if (!this.#buffer) return;
    if (this.#buffer.updating) this.#buffer.abort();
    const buffer = await this.#idle();
    buffer.abort();
    buffer.remove(0, Infinity);
    await this.#idle();
    this.header = "";
  }

  /** Forgets what lies before `time_ms`. */
  async drop(time_ms: number): Promise<void> {
    const buffer = await this.#idle();
    buffer.remove(0, time_ms / 1000);
    await this.#idle();
  }

  /** What is in memory, on the session clock. */
  spans(): Span[] {
    const ranges = this.#element.buffered;
    return Array.from({ length: ranges.length }, (_, n) => ({
      from_ms: ranges.start(n) * 1000,
      to_ms: ranges.end(n) * 1000,
    }));
  }

  close(): void {
    this.#gone.abort();
    URL.revokeObjectURL(this.#address);
    if (this.#element.src !== this.#address) return;
    this.#element.removeAttribute("src");
    this.#element.load();
  }

  async #idle(): Promise<SourceBuffer> {
    if (this.closed || !this.#buffer) throw new SinkFault("closed");
    if (this.#buffer.updating) await this.#once(this.#buffer, "updateend");
    if (this.closed) throw new SinkFault("closed");
    return this.#buffer;
  }

  #once(target: EventTarget, name: string): Promise<void> {
    const { signal } = this.#gone;
    return new Promise((resolve, reject) => {
      target.addEventListener(name, () => resolve(), { once: true, signal });
      signal.addEventListener("abort", () => reject(new SinkFault("closed")), { once: true });
    });
  }
}
