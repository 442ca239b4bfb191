// SPDX-License-Identifier: Apache-2.0
import { useEffect, useRef } from "preact/hooks";
import { LevelMeter } from "./level.ts";

const EVERY_MS = 60;

/** The microphone's level as a bar, drawn beside the component tree: no redraw of the page for each reading. */
export function Meter({ track, label, test }: { track: MediaStreamTrack | null; label: string; test?: string }) {
  const element = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const bar = element.current;
    if (!bar || track === null) return;
    const meter = new LevelMeter(track);
    let shown = 0;
    const timer = setInterval(() => {
      shown = Math.max(meter.read(), shown * 0.85);
      bar.style.setProperty("--level", shown.toFixed(3));
      const percent = String(Math.round(shown * 100));
      if (bar.getAttribute("aria-valuenow") !== percent) bar.setAttribute("aria-valuenow", percent);
    }, EVERY_MS);
    return () => {
      clearInterval(timer);
      meter.close();
      bar.style.setProperty("--level", "0");
      bar.setAttribute("aria-valuenow", "0");
    };
  }, [track]);
  return (
    <div
      ref={element}
      class="meter"
      role="meter"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={0}
      data-test={test}
    />
  );
}
