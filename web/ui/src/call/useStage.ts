// SPDX-License-Identifier: Apache-2.0
// What the stage watches: its own size, pictures that stand still, fingers and keys that turn the pages.
import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Box } from "./layout.ts";
import { FROZEN_AFTER_S, SELF, type TileFacts } from "./tiles.ts";

/** The size of an element, new whenever it changes. */
export function useBox(): [RefObject<HTMLDivElement | null>, Box] {
  const element = useRef<HTMLDivElement>(null);
  const [box, setBox] = useState<Box>({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const found = element.current;
    if (!found) return;
    const read = () => {
      const { clientWidth: width, clientHeight: height } = found;
      setBox((old) => (old.width === width && old.height === height ? old : { width, height }));
    };
    read();
    const observer = new ResizeObserver(read);
    observer.observe(found);
    return () => observer.disconnect();
  }, []);
  return [element, box];
}

/** For how many seconds each picture has stood still, looked at once a second. */
export function useFrozen(tiles: readonly TileFacts[]): ReadonlyMap<string, number> {
  const [frozen, setFrozen] = useState<ReadonlyMap<string, number>>(new Map());
  const wanted = tiles.filter((tile) => tile.peer !== SELF && tile.track !== null && !tile.off);
  const tests = wanted.map((tile) => `${tile.key}|${tile.test}`).join(" ");
  useEffect(() => {
    const seen = new Map<string, { frames: number; at_ms: number }>();
    const timer = setInterval(() => {
      const at_ms = performance.now();
      const found = new Map<string, number>();
      for (const entry of tests.split(" ").filter(Boolean)) {
        const [key = "", test = ""] = entry.split("|");
        const video = document.querySelector<HTMLVideoElement>(`video[data-test="${CSS.escape(test)}"]`);
        const frames = video?.getVideoPlaybackQuality().totalVideoFrames ?? 0;
        const before = seen.get(key);
        if (before === undefined || before.frames !== frames) seen.set(key, { frames, at_ms });
        else found.set(key, Math.round((at_ms - before.at_ms) / 1000));
      }
      setFrozen((old) => (same(old, found) ? old : found));
    }, 1000);
    return () => clearInterval(timer);
  }, [tests]);
  return frozen;
}

function same(a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): boolean {
  // A shared screen may well stand still; below the limit nothing is shown, so nothing is drawn anew.
  const shown = (map: ReadonlyMap<string, number>) =>
    [...map].filter(([key, value]) => value >= FROZEN_AFTER_S && !key.endsWith("-screen")).join();
  return shown(a) === shown(b);
}

const SWIPE_PX = 48;

/** Where a finger's way leads: one page on (1), back (-1), or nowhere. */
export function swipe(dx: number, dy: number): -1 | 0 | 1 {
  if (Math.abs(dx) < SWIPE_PX || Math.abs(dx) < 1.5 * Math.abs(dy)) return 0;
  return dx < 0 ? 1 : -1;
}

/** Calls `turn` with the pages to go for a swipe over the element. */
export function useSwipe(element: RefObject<HTMLElement | null>, turn: (by: number) => void): void {
  const latest = useRef(turn);
  latest.current = turn;
  useEffect(() => {
    const found = element.current;
    if (!found) return;
    let from: Touch | null = null;
    const begin = (event: TouchEvent) => (from = event.touches.length === 1 ? (event.touches[0] ?? null) : null);
    const end = (event: TouchEvent) => {
      const to = event.changedTouches[0];
      if (from === null || to === undefined) return;
      const by = swipe(to.clientX - from.clientX, to.clientY - from.clientY);
      from = null;
      if (by !== 0) latest.current(by);
    };
    found.addEventListener("touchstart", begin, { passive: true });
    found.addEventListener("touchend", end, { passive: true });
    return () => {
      found.removeEventListener("touchstart", begin);
      found.removeEventListener("touchend", end);
    };
  }, [element]);
}

/** Page up and page down turn the pages, G changes between a stage and tiles of one size: not while somebody is writing. */
export function useStageKeys(turn: (by: number) => void, change: () => void): void {
  const latest = useRef({ turn, change });
  latest.current = { turn, change };
  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      const at = event.target as Element | null;
      if (event.ctrlKey || event.metaKey || event.altKey || at?.closest("input, select, textarea, [contenteditable]")) return;
      if (event.key === "PageDown") latest.current.turn(1);
      else if (event.key === "PageUp") latest.current.turn(-1);
      else if (event.key.toLowerCase() === "g" && !event.repeat) latest.current.change();
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}
