// SPDX-License-Identifier: Apache-2.0
// Times for people. The server's clock counts: station PCs are often minutes off.
import { signal } from "@preact/signals";
import { language, t } from "./i18n";

let ahead_ms = 0;
const TICK_MS = 10_000;

/** Note how far this PC's clock is from the server's. */
export function setServerClock(server_utc_ms: number): void {
  ahead_ms = server_utc_ms - Date.now();
  now.value = serverNow();
}

/** The server's time, ms since 1970 UTC. */
export function serverNow(): number {
  return Date.now() + ahead_ms;
}

/** Server time, renewed every 10 s: enough for "2 minutes ago". */
export const now = signal(Date.now());
setInterval(() => {
  now.value = serverNow();
}, TICK_MS);

const pad = (n: number): string => String(n).padStart(2, "0");

/** 09:41 in this PC's zone. */
export function timeOfDay(utc_ms: number): string {
  const at = new Date(utc_ms);
  return `${pad(at.getHours())}:${pad(at.getMinutes())}`;
}

/** 2026-11-24, for filters and file names. */
export function isoDay(utc_ms: number): string {
  const at = new Date(utc_ms);
  return `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
}

/** First moment of a day written as 2026-11-24, in this PC's zone; null when it is no day. */
export function dayStart(day: string): number | null {
  const at = new Date(`${day}T00:00:00`);
  return Number.isNaN(at.getTime()) ? null : at.getTime();
}

/** 11月24日 09:41, with the year when it is another one. */
export function dateTime(utc_ms: number): string {
  const at = new Date(utc_ms);
  const options: Intl.DateTimeFormatOptions = { month: "short", day: "numeric" };
  if (at.getFullYear() !== new Date(serverNow()).getFullYear()) options.year = "numeric";
  return `${at.toLocaleDateString(language.value, options)} ${timeOfDay(utc_ms)}`;
}

/** "2 小时前" and so on. Draws itself again as time goes when read inside a component. */
export function relative(utc_ms: number): string {
  const seconds = (utc_ms - now.value) / 1000;
  if (Math.abs(seconds) < 45) return t("time-just-now");
  const format = new Intl.RelativeTimeFormat(language.value, { numeric: "auto" });
  const minutes = seconds / 60;
  if (Math.abs(minutes) < 60) return format.format(Math.round(minutes), "minute");
  const hours = minutes / 60;
  if (Math.abs(hours) < 24) return format.format(Math.round(hours), "hour");
  return format.format(Math.round(hours / 24), "day");
}

/** 1:02:03 or 2:03, for lengths. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const h = Math.floor(seconds / 3600);
  const m = Math.floor((seconds % 3600) / 60);
  return h ? `${h}:${pad(m)}:${pad(seconds % 60)}` : `${m}:${pad(seconds % 60)}`;
}
