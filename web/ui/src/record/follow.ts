// SPDX-License-Identifier: Apache-2.0
// Keeping a line in sight while the recording plays, unless the clerk has scrolled elsewhere.
import { type Signal, signal } from "@preact/signals";

/** Scrolling that we began ourselves has ended after this long at the latest. */
const OWN_SCROLL_MS = 900;

export class SightKeeper {
  /** False once the person has scrolled by hand. */
  readonly following: Signal<boolean> = signal(true);
  #own_until = 0;
  readonly #list: HTMLElement;
  readonly #stop = new AbortController();

  constructor(list: HTMLElement) {
    this.#list = list;
    const options = { passive: true, signal: this.#stop.signal, capture: true } as const;
    // A wheel or a finger is a person's for certain; a bare scroll event may be our own, or the scroll bar.
    list.addEventListener("wheel", this.#byHand, options);
    list.addEventListener("touchmove", this.#byHand, options);
    list.addEventListener("scroll", this.#scrolled, options);
    addEventListener("scroll", this.#scrolled, { passive: true, signal: this.#stop.signal });
  }

  /** Brings a line into the middle of what is seen. */
  show(line: HTMLElement, smooth = true): void {
    this.#own_until = performance.now() + OWN_SCROLL_MS;
    const calm = !smooth || matchMedia("(prefers-reduced-motion: reduce)").matches;
    const inside = this.#list.scrollHeight > this.#list.clientHeight + 1;
    if (!inside) {
      line.scrollIntoView({ block: "center", behavior: calm ? "instant" : "smooth" });
      return;
    }
    const from = line.getBoundingClientRect().top - this.#list.getBoundingClientRect().top;
    const by = from - (this.#list.clientHeight - line.offsetHeight) * 0.4;
    this.#list.scrollBy({ top: by, behavior: calm ? "instant" : "smooth" });
  }

  /** Shows the line unless it is in sight already, or the person reads elsewhere. */
  keep(line: HTMLElement): void {
    if (!this.following.peek()) return;
    const view = this.#list.scrollHeight > this.#list.clientHeight + 1 ? this.#list.getBoundingClientRect() : null;
    const top = view?.top ?? 0;
    const bottom = view?.bottom ?? innerHeight;
    const place = line.getBoundingClientRect();
    const margin = (bottom - top) * 0.15;
    if (place.top < top + margin || place.bottom > bottom - margin) this.show(line);
  }

  resume(): void {
    this.following.value = true;
  }

  close(): void {
    this.#stop.abort();
  }

  readonly #byHand = (): void => {
    this.following.value = false;
  };

  readonly #scrolled = (): void => {
    if (performance.now() > this.#own_until) this.following.value = false;
  };
}
