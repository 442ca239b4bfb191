// SPDX-License-Identifier: Apache-2.0
/** Lines of a transcript: which one is being spoken, which ones hold a word. PURE. */

export interface Line {
  n: number;
  turn: number;
  start_ms: number;
  end_ms: number;
  peer_id: string;
  speaker: string;
  text: string;
  flags: string[];
}

/** A line stays lit for this long after its last word. */
const AFTERGLOW_MS = 400;
/** How many lines may be spoken at once. */
const OVERLAP = 12;

/** Index of the last line that has begun at `time_ms`, -1 before the first. Lines are in order of their start. */
export function lastBegun(lines: readonly Line[], time_ms: number): number {
  let low = 0;
  let high = lines.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((lines[middle]?.start_ms ?? Infinity) <= time_ms) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Index of the line that is spoken at `time_ms`; of several the one that began last; -1 in silence. */
export function lineAt(lines: readonly Line[], time_ms: number): number {
  const last = lastBegun(lines, time_ms);
  for (let at = last; at >= 0 && at > last - OVERLAP; at--) {
    if (time_ms < (lines[at]?.end_ms ?? 0) + AFTERGLOW_MS) return at;
  }
  return -1;
}

/** How words are compared: full and half width, upper and lower case are the same. */
export function folded(text: string): string {
  return text.normalize("NFKC").toLowerCase();
}

/** Indexes of the lines in which `query` stands. */
export function find(lines: readonly Line[], query: string): number[] {
  const wanted = folded(query.trim());
  if (!wanted) return [];
  return lines.flatMap((line, at) => (folded(line.text).includes(wanted) ? [at] : []));
}

/** The text cut into pieces, every second of which is the query as it stands there. */
export function pieces(text: string, query: string): string[] {
  const wanted = folded(query.trim());
  // Folding may change lengths (full-width forms do not, ligatures do): then the line is marked without its words.
  const from = folded(text);
  if (!wanted || from.length !== text.length) return [text];
  const found: string[] = [];
  let done = 0;
  for (let at = from.indexOf(wanted); at >= 0; at = from.indexOf(wanted, done)) {
    found.push(text.slice(done, at), text.slice(at, at + wanted.length));
    done = at + wanted.length;
  }
  found.push(text.slice(done));
  return found;
}

/** The next match after (or before) the one at `at`, round the end. */
export function step(count: number, at: number, by: 1 | -1): number {
  return count === 0 ? -1 : (at + by + count) % count;
}
