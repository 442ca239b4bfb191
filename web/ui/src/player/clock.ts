// SPDX-License-Identifier: Apache-2.0
/** The one clock that all pictures and sounds of a recording follow. PURE: the time of day is passed in. */
export class MasterClock {
  #time_ms = 0;
  #since_ms: number | null = null;
  #speed = 1;

  /** Session time at `now_ms` (any clock that only goes forwards, such as performance.now). */
  time(now_ms: number): number {
    return this.#since_ms === null ? this.#time_ms : this.#time_ms + (now_ms - this.#since_ms) * this.#speed;
  }

  get running(): boolean {
    return this.#since_ms !== null;
  }

  get speed(): number {
    return this.#speed;
  }

  start(now_ms: number): void {
    this.#since_ms ??= now_ms;
  }

  stop(now_ms: number): void {
    this.#time_ms = this.time(now_ms);
    this.#since_ms = null;
  }

  set(time_ms: number, now_ms: number): void {
    this.#time_ms = time_ms;
    if (this.running) this.#since_ms = now_ms;
  }

  setSpeed(speed: number, now_ms: number): void {
    this.set(this.time(now_ms), now_ms);
    this.#speed = speed;
  }
}
