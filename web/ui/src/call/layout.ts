// SPDX-License-Identifier: Apache-2.0
// Where each tile of a page goes, in CSS pixels: one large with the small ones beside or below it, or all of one size.
// The same figures place the tiles and tell the server how large each picture is wanted.

export interface Box {
  width: number;
  height: number;
}

export interface Rect extends Box {
  left: number;
  top: number;
}

export interface Placement {
  large: Rect | null;
  small: readonly Rect[];
}

export const GAP = 8;
const ASPECT = 16 / 9;
/** A small tile is not wider than this; narrower ones are counted against an arrangement. */
const SMALL_WIDTH = 216;
const LEAST_WIDTH = 64;
const MOST_LINES = 4;

/** Tiles of a page: nine, and fewer on a telephone, where nine would be too small to see a face. */
export function capacity(box: Box, stage: boolean): number {
  const narrow = box.width < 600 || box.height < 320;
  if (!narrow) return 9;
  return stage ? 7 : 8;
}

/** Places for `small` tiles and, where `large`, one big one. */
export function arrange(box: Box, small: number, large: boolean): Placement {
  if (!large) return { large: null, small: grid(box, small) };
  if (small === 0) return { large: { left: 0, top: 0, ...box }, small: [] };
  let best: { score: number; placement: Placement } | null = null;
  for (let lines = 1; lines <= Math.min(MOST_LINES, small); lines++) {
    for (const placement of [beside(box, small, lines), below(box, small, lines)]) {
      const width = placement.small[0]?.width ?? 0;
      // A larger stage is better, but not at the cost of thumbnails that show nobody's face.
      const score = area(placement.large as Rect) * Math.min(1, width / SMALL_WIDTH) ** 1.5;
      if (best === null || score > best.score) best = { score, placement };
    }
  }
  return (best as NonNullable<typeof best>).placement;
}

/** The small ones in `columns` columns at the right. */
function beside(box: Box, count: number, columns: number): Placement {
  const rows = Math.ceil(count / columns);
  const most = (box.height - (rows - 1) * GAP) / rows;
  const width = clamp(Math.min(SMALL_WIDTH, most * ASPECT), box.width / (columns + 2));
  const height = width / ASPECT;
  const left = box.width - columns * width - (columns - 1) * GAP;
  return {
    large: { left: 0, top: 0, width: left - GAP, height: box.height },
    small: cells(count, columns, { left, top: 0, width, height }),
  };
}

/** The small ones in `rows` rows at the foot. */
function below(box: Box, count: number, rows: number): Placement {
  const columns = Math.ceil(count / rows);
  const most = (box.width - (columns - 1) * GAP) / columns;
  const width = clamp(Math.min(SMALL_WIDTH, most), (box.height / (rows + 1)) * ASPECT);
  const height = width / ASPECT;
  const top = box.height - rows * height - (rows - 1) * GAP;
  const left = (box.width - columns * width - (columns - 1) * GAP) / 2;
  return {
    large: { left: 0, top: 0, width: box.width, height: top - GAP },
    small: cells(count, columns, { left, top, width, height }),
  };
}

/** All of one size, as large as they can be, in the middle. */
function grid(box: Box, count: number): Rect[] {
  let best = { width: 0, columns: 1 };
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const width = Math.min(
      (box.width - (columns - 1) * GAP) / columns,
      ((box.height - (rows - 1) * GAP) / rows) * ASPECT,
    );
    if (width > best.width) best = { width, columns };
  }
  const { columns } = best;
  const width = Math.max(best.width, LEAST_WIDTH);
  const height = width / ASPECT;
  const rows = Math.ceil(count / columns);
  const top = Math.max(0, (box.height - rows * height - (rows - 1) * GAP) / 2);
  const left = Math.max(0, (box.width - columns * width - (columns - 1) * GAP) / 2);
  const placed = cells(count, columns, { left, top, width, height });
  // The last row, where it is not full, stands in the middle too.
  const missing = rows * columns - count;
  const shift = (missing * (width + GAP)) / 2;
  return placed.map((rect, n) => (n >= (rows - 1) * columns ? { ...rect, left: rect.left + shift } : rect));
}

function cells(count: number, columns: number, first: Rect): Rect[] {
  return Array.from({ length: count }, (_, n) => ({
    ...first,
    left: first.left + (n % columns) * (first.width + GAP),
    top: first.top + Math.floor(n / columns) * (first.height + GAP),
  }));
}

/** The 16:9 picture that fits into a place. */
export function fitted({ width, height }: Box): Box {
  const fits = Math.max(0, Math.min(width, height * ASPECT));
  return { width: fits, height: fits / ASPECT };
}

function area(place: Box): number {
  const { width, height } = fitted(place);
  return width * height;
}

function clamp(width: number, most: number): number {
  return Math.max(LEAST_WIDTH, Math.min(width, most));
}
