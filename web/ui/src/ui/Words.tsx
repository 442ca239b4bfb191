// SPDX-License-Identifier: Apache-2.0
// State in words; colour only repeats it.
import type { ComponentChildren } from "preact";
import { dateTime, relative, serverNow, timeOfDay } from "../time";
import type { Tone } from "./Notice";

/** A state: a mark and the word. `live` lets the mark breathe (recording, waiting). */
export function StateWord(props: { tone: Tone | "record"; children: ComponentChildren; live?: boolean; test?: string }) {
  return (
    <span class={`state tone-${props.tone}${props.live ? " state-live" : ""}`} data-test={props.test}>
      <span class="state-dot" aria-hidden="true" />
      <span>{props.children}</span>
    </span>
  );
}

/** How far something long has come. `value` 0 to 1. */
export function Progress(props: { value: number; label: string; test?: string }) {
  const percent = Math.round(Math.min(1, Math.max(0, props.value)) * 100);
  return (
    <span class="progress" data-test={props.test} data-value={percent}>
      <progress max={100} value={percent} aria-label={props.label} />
      <span class="progress-label">
        {props.label} <span class="figures">{percent}%</span>
      </span>
    </span>
  );
}

/** What to say when there is nothing yet: two lines that teach, and the first action. */
export function Empty(props: { title: string; children?: ComponentChildren; action?: ComponentChildren; test?: string }) {
  return (
    <div class="empty" data-test={props.test ?? "empty"}>
      <p class="empty-title">{props.title}</p>
      {props.children && <p>{props.children}</p>}
      {props.action}
    </div>
  );
}

const DAY_MS = 86_400_000;
/** Beyond this "13 days ago" says less than the date alone. */
const RELATIVE_MS = 7 * DAY_MS;

/** "2 小时前 · 09:41": both, because one is quick and the other is exact. */
export function When({ utc_ms }: { utc_ms: number | null }) {
  if (utc_ms === null) return <span class="secondary">—</span>;
  const age_ms = Math.abs(serverNow() - utc_ms);
  const exact = age_ms < DAY_MS ? timeOfDay(utc_ms) : dateTime(utc_ms);
  return (
    <time dateTime={new Date(utc_ms).toISOString()} title={dateTime(utc_ms)} class="figures">
      {age_ms < RELATIVE_MS ? `${relative(utc_ms)} · ${exact}` : exact}
    </time>
  );
}

/** Waiting for the first answer of the server. */
export function Loading({ label }: { label: string }) {
  return (
    <div class="loading" role="status">
      <span class="spinner" />
      <span>{label}</span>
    </div>
  );
}
