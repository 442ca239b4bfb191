// SPDX-License-Identifier: Apache-2.0
/** Times and sizes as the record page writes them. PURE. */

const pad = (n: number): string => String(n).padStart(2, "0");

/** Session time as 0:12:03. Always with hours, so that a column of times stays even. */
export function sessionTime(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  return `${Math.floor(seconds / 3600)}:${pad(Math.floor(seconds / 60) % 60)}:${pad(seconds % 60)}`;
}

/** 09:41:07 in this PC's zone. */
export function clockTime(utc_ms: number): string {
  const at = new Date(utc_ms);
  return `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;
}

/** 3.4 MB. */
export function size(bytes: number): string {
  if (bytes < 1_000_000) return `${Math.ceil(bytes / 1000)} kB`;
  return bytes < 1_000_000_000 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

/** First characters of a key in groups of four, for reading aloud. */
export function keyStart(hex: string): string {
  return (hex.slice(0, 16).match(/.{1,4}/g) ?? []).join(" ");
}
