// SPDX-License-Identifier: Apache-2.0
/** Waveform and small pictures of a recording (`GET /api/sessions/{id}/overview`). Pure. */

export interface OverviewAnswer {
  duration_ms: number;
  peaks_per_second: number;
  voices: { track_id: string; peer_id: string; peaks: string }[];
  pictures: {
    every_ms: number;
    count: number;
    width: number;
    height: number;
    columns: number;
    rows: number;
    sheets: number;
  };
}

export interface OverviewVoice {
  peer_id: string;
  peaks: Uint8Array;
}

export interface Overview {
  peaks_per_second: number;
  voices: OverviewVoice[];
  pictures: OverviewAnswer["pictures"];
}

/** A small picture: which sheet, and where its upper left corner lies in it. */
export interface Cut {
  sheet: number;
  x: number;
  y: number;
}

export function readOverview(answer: OverviewAnswer): Overview {
  const voices = answer.voices.map(({ peer_id, peaks }) => ({
    peer_id,
    peaks: Uint8Array.from(atob(peaks), (letter) => letter.charCodeAt(0)),
  }));
  return { peaks_per_second: answer.peaks_per_second, voices, pictures: answer.pictures };
}

/** How loud those who are heard are together, 0 to 1 in each of `columns` equal parts of the session. */
export function loudnessOver(
  overview: Overview,
  duration_ms: number,
  columns: number,
  heard: (peer_id: string) => boolean,
): number[] {
  const part_s = duration_ms / 1000 / columns;
  const voices = overview.voices.filter((voice) => heard(voice.peer_id));
  return Array.from({ length: columns }, (_, n) => {
    const from = Math.floor(n * part_s * overview.peaks_per_second);
    const to = Math.max(from + 1, Math.floor((n + 1) * part_s * overview.peaks_per_second));
    let loudest = 0;
    for (const { peaks } of voices) for (let at = from; at < to; at++) loudest = Math.max(loudest, peaks[at] ?? 0);
    return loudest / 255;
  });
}

/** An SVG path of the columns, mirrored at the middle, in a box of `columns` by 2. Quiet speech stays visible. */
export function wavePath(columns: readonly number[]): string {
  const size = (loudness: number): string => Math.sqrt(loudness).toFixed(2);
  const upper = columns.map((loudness, n) => `L${n} ${(1 - Number(size(loudness))).toFixed(2)}`);
  const lower = columns.map((loudness, n) => `L${n} ${(1 + Number(size(loudness))).toFixed(2)}`).reverse();
  return `M0 1${upper.join("")}${lower.join("")}Z`;
}

/** The picture that stands for a moment, null where there is none. */
export function cutAt(pictures: Overview["pictures"], time_ms: number): Cut | null {
  const n = Math.floor(time_ms / pictures.every_ms);
  if (n < 0 || n >= pictures.count) return null;
  const each = pictures.columns * pictures.rows;
  const within = n % each;
  return {
    sheet: Math.floor(n / each),
    x: (within % pictures.columns) * pictures.width,
    y: Math.floor(within / pictures.columns) * pictures.height,
  };
}
