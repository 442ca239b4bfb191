// SPDX-License-Identifier: Apache-2.0
// What this page looks at and how well it gets through: the measured link, the person's wish, and what the server is told.
import { batch, signal } from "@preact/signals";
import type { CallEngine } from "./engine.ts";
import { declined, nextMode, STEADY, wished, type LinkMode, type ModeWish } from "./linkmode.ts";
import type { LocalMedia } from "./local.ts";
import type { Measured } from "./meters.ts";
import type { Quality } from "./quality.ts";
import type { StreamQuality } from "./streams.ts";
import { viewOf, type Shown } from "./viewing.ts";

/** A page in the background this long shows nothing: a glance at another window is no reason to stop the pictures. */
const HIDDEN_AFTER_MS = 10_000;

export class Watching {
  readonly quality = signal<Quality | null>(null);
  /** By consumer. */
  readonly streams = signal<ReadonlyMap<string, StreamQuality>>(new Map());
  readonly link = signal<LinkMode>(STEADY);
  readonly wish = signal<ModeWish>("auto");
  private readonly local: LocalMedia;
  private engine: CallEngine | null = null;
  private measured: Measured | null = null;
  private shown: readonly Shown[] = [];
  private hidden = false;
  private timer = 0;
  private readonly turned = () => this.visibility();

  constructor(local: LocalMedia) {
    this.local = local;
    this.wish.value = local.choice.value.pictures;
    this.link.value = wished(STEADY, this.wish.value);
    local.onCamera = () => this.choose("auto");
  }

  attach(engine: CallEngine): void {
    this.engine = engine;
    this.local.save(this.wish.value === "low");
    document.addEventListener("visibilitychange", this.turned);
  }

  detach(): void {
    this.engine = null;
    clearTimeout(this.timer);
    document.removeEventListener("visibilitychange", this.turned);
    batch(() => {
      this.quality.value = null;
      this.streams.value = new Map();
    });
  }

  /** What was measured, once each time. */
  take(measured: Measured | null): void {
    if (measured === null || measured === this.measured) return;
    this.measured = measured;
    const { quality, streams, link } = measured;
    const before = this.link.value.mode;
    batch(() => {
      this.quality.value = quality;
      this.streams.value = streams;
      this.link.value = nextMode(this.link.value, this.wish.value, { ...link, at_ms: performance.now(), rtt_ms: quality.rtt_ms });
    });
    if (this.link.value.mode !== before) this.tell();
  }

  /** The person's word about the pictures; `auto` leaves it to the measured link. */
  choose(wish: ModeWish): void {
    if (wish !== "audio") this.local.setPictures({ pictures: wish });
    batch(() => {
      this.wish.value = wish;
      this.link.value = wished(this.link.value, wish);
    });
    // The measured link never takes away from what is sent, and so from the record: only the person does.
    this.local.save(wish === "low");
    void this.local.setVoiceOnly(wish === "audio");
    this.tell();
  }

  /** Not now. */
  decline(): void {
    this.link.value = declined(this.link.value, performance.now());
  }

  /** A bound for all pictures of the others together; 0 for none. */
  cap(kbps: number): void {
    this.local.setPictures({ cap_kbps: kbps });
    this.tell();
  }

  /** The pictures that are on the page now. */
  show(shown: readonly Shown[]): void {
    this.shown = shown;
    this.tell();
  }

  private tell(): void {
    const { cap_kbps } = this.local.choice.value;
    const view = viewOf(this.shown, devicePixelRatio, this.link.value.mode, cap_kbps || null, this.hidden);
    this.engine?.show(view);
  }

  private visibility(): void {
    clearTimeout(this.timer);
    if (document.visibilityState === "visible") this.turn(false);
    else this.timer = window.setTimeout(() => this.turn(true), HIDDEN_AFTER_MS);
  }

  private turn(hidden: boolean): void {
    if (hidden === this.hidden) return;
    this.hidden = hidden;
    this.tell();
  }
}
