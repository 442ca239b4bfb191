// SPDX-License-Identifier: Apache-2.0
// What this page shows, told to the server, so that it sends each picture as large as it is wanted and no more.

import { RequestFault } from "./protocol.ts";
import type { Mode, ViewTile } from "./protocol.ts";

/** The request `view`: complete each time. Video that is not in `tiles` is not shown. */
export interface ViewData {
  tiles: readonly ViewTile[];
  mode: Mode;
  cap_kbps: number | null;
}

/** A picture on the page: its place in CSS pixels and what it is there. */
export interface Shown {
  consumer_id: string;
  width: number;
  height: number;
  role: ViewTile["role"];
}

/** Sizes are told in steps, so that a window that is being pulled larger is not a new wish at every pixel. */
const STEP_PIXELS = 16;
const MOST_PIXELS = 8192;
const GAP_MS = 250;

/** The request for the pictures that are on the page now. `hidden`: nobody looks at the page. */
export function viewOf(shown: readonly Shown[], ratio: number, mode: Mode, cap_kbps: number | null, hidden: boolean): ViewData {
  const pixels = (css: number) => Math.min(MOST_PIXELS, Math.max(1, Math.ceil((css * ratio) / STEP_PIXELS)) * STEP_PIXELS);
  const tiles = hidden
    ? []
    : shown.map(({ consumer_id, width, height, role }) => ({ consumer_id, width: pixels(width), height: pixels(height), role }));
  return { tiles: [...tiles].sort((a, b) => (a.consumer_id < b.consumer_id ? -1 : 1)), mode, cap_kbps };
}

/** Time, so that tests need not wait. */
export interface ViewClock {
  now(): number;
  after(delay_ms: number, work: () => void): () => void;
}

/** Sends the newest view: at once after a pause, and at most four times a second. */
export class ViewSender {
  private readonly ask: (data: ViewData) => Promise<unknown>;
  private readonly clock: ViewClock;
  private wanted: ViewData | null = null;
  private sent: string | null = null;
  private sentAt = -Infinity;
  private cancel: (() => void) | null = null;
  private refused = false;

  constructor(ask: (data: ViewData) => Promise<unknown>, clock: ViewClock = browserClock) {
    this.ask = ask;
    this.clock = clock;
  }

  /** The page shows this from now on. */
  show(view: ViewData): void {
    this.wanted = view;
    this.plan();
  }

  /** The server may not know it any more: a new place, or the old one after a break. */
  again(): void {
    this.sent = null;
    this.plan();
  }

  close(): void {
    this.cancel?.();
    this.cancel = null;
    this.wanted = null;
  }

  private plan(): void {
    if (this.cancel !== null || this.wanted === null || this.refused || JSON.stringify(this.wanted) === this.sent) return;
    const wait = this.sentAt + GAP_MS - this.clock.now();
    if (wait <= 0) this.send();
    else
      this.cancel = this.clock.after(wait, () => {
        this.cancel = null;
        this.send();
      });
  }

  private send(): void {
    const view = this.wanted;
    if (view === null || JSON.stringify(view) === this.sent) return;
    this.sent = JSON.stringify(view);
    this.sentAt = this.clock.now();
    this.ask(view).catch((error: unknown) => {
      // A server of before: it sends everything in any case. What was lost with the socket is sent after the next join.
      if (error instanceof RequestFault && error.code === "unknown_type") this.refused = true;
    });
  }
}

const browserClock: ViewClock = {
  now: () => performance.now(),
  after: (delay_ms, work) => {
    const timer = setTimeout(work, delay_ms);
    return () => clearTimeout(timer);
  },
};
