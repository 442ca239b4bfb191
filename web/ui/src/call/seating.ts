// SPDX-License-Identifier: Apache-2.0
// Who sits where when there are more people than tiles. A place is kept as long as it can be: when somebody comes to the
// front, leaves or joins, at most three tiles move, and nobody else's.

/** Tiles on a page at most, the large one and oneself included. */
export const MOST_TILES = 9;

/** Keys of all tiles but one's own, in their places. The one on the stage, if any of these, is the first. */
export type Seating = readonly string[];

export interface Wish {
  /** Keys of all tiles there are now, but one's own, in the order of coming. */
  present: readonly string[];
  /** Who has the stage; null while all tiles are of one size. */
  stage: string | null;
  /** Who is to be seen on the first page, on the stage or not. */
  speaker: string | null;
  /** Small places of a page, one's own not counted. */
  places: number;
  /** When each was last heard (any clock); whoever is not in it was never heard. */
  heard: ReadonlyMap<string, number>;
}

/** The seating after the wish; the same object when nobody moves. */
export function seat(before: Seating, wish: Wish): Seating {
  const order = settle(before, wish.present);
  const { stage, speaker, places } = wish;
  if (stage !== null) {
    const at = order.indexOf(stage);
    if (at > 0 && at <= places) swap(order, 0, at);
    else if (at > places) {
      // From a later page: the one before goes to where somebody on the first page has been silent the longest.
      const silent = longestSilent(order, 1, places, wish.heard);
      swap(order, silent, at);
      swap(order, 0, silent);
    }
  }
  // The first page: behind the stage where there is one, which may be somebody's who is not speaking now.
  const first = order[0] === stage ? 1 : 0;
  const spoken = speaker === null ? -1 : order.indexOf(speaker);
  if (spoken >= first + places) swap(order, longestSilent(order, first, first + places - 1, wish.heard), spoken);
  return same(before, order) ? before : order;
}

/** Those who left give their places to the last ones; those who came sit down at the end. */
function settle(before: Seating, present: readonly string[]): string[] {
  const here = new Set(present);
  const order = [...before];
  for (let at = 0; at < order.length; at++) {
    while (at < order.length && !here.has(order[at] as string)) {
      const last = order.pop() as string;
      if (at < order.length) order[at] = last;
    }
  }
  const seated = new Set(order);
  return [...order, ...present.filter((key) => !seated.has(key))];
}

function longestSilent(order: string[], from: number, to: number, heard: ReadonlyMap<string, number>): number {
  let found = to;
  let since = Infinity;
  for (let at = to; at >= from; at--) {
    const last = heard.get(order[at] as string) ?? -Infinity;
    if (last < since) {
      found = at;
      since = last;
    }
  }
  return found;
}

function swap(order: string[], a: number, b: number): void {
  [order[a], order[b]] = [order[b] as string, order[a] as string];
}

function same(a: Seating, b: Seating): boolean {
  return a.length === b.length && a.every((key, at) => key === b[at]);
}

/** What stands on one page. */
export interface Page {
  /** The page that is shown: `wanted`, or the last one there is. */
  page: number;
  pages: number;
  /** Keys in the small places, in order, one's own not among them. */
  small: readonly string[];
}

/** Cut the seating into pages of `places` small tiles. */
export function pageOf(order: Seating, stage: string | null, places: number, wanted: number): Page {
  const others = stage !== null && order[0] === stage ? order.slice(1) : order;
  const pages = Math.max(1, Math.ceil(others.length / places));
  const page = Math.min(Math.max(0, wanted), pages - 1);
  return { page, pages, small: others.slice(page * places, (page + 1) * places) };
}

export interface StageWish {
  pinned: string | null;
  /** Whom the host put in everybody's light. */
  spotlight: string | null;
  /** Shared screens of others. */
  screens: readonly string[];
  speaker: string | null;
  before: Seating;
  present: readonly string[];
}

/** Whose picture is the large one; null when nobody else is there. */
export function onStage({ pinned, spotlight, screens, speaker, before, present }: StageWish): string | null {
  if (pinned !== null && present.includes(pinned)) return pinned;
  if (spotlight !== null && present.includes(spotlight)) return spotlight;
  const shared = screens.at(0);
  if (shared !== undefined) return shared;
  if (speaker !== null && present.includes(speaker)) return speaker;
  return before.find((key) => present.includes(key)) ?? present[0] ?? null;
}
