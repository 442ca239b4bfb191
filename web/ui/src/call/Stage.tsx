// SPDX-License-Identifier: Apache-2.0
// The pictures: one large with the others beside it, or all of one size, in pages of at most nine. A tile that moves is
// the same element in another place, so that nothing flickers.
import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { t } from "../i18n";
import { Icon } from "../ui";
import { BadgeWords } from "./Badge";
import { arrange, capacity, fitted, type Box, type Placement, type Rect } from "./layout.ts";
import type { CallModel } from "./model";
import { spotlightKey } from "./Moderation";
import { onStage, pageOf, seat, type Page, type Seating } from "./seating.ts";
import { allTiles, badgeOf, SELF, type TileFacts } from "./tiles.ts";
import { Tile } from "./Tile";
import { useBox, useFrozen, useStageKeys, useSwipe } from "./useStage.ts";
import type { Shown } from "./viewing.ts";

const WORDS_WIDTH = 250;

const pinned = signal<string | null>(null);
/** One large picture, or all of one size (unless one is pinned). */
export const layout = signal<"stage" | "grid">("stage");

interface Plan extends Page {
  /** The large tile; null where all are of one size. */
  large: string | null;
  placed: readonly { tile: TileFacts; place: Rect }[];
}

export function Stage({ model }: { model: CallModel }) {
  const [element, box] = useBox();
  const [page, setPage] = useState(0);
  const [looked, setLooked] = useState<string | null>(null);
  const tiles = allTiles(model);
  const speaker = model.speaker.value === model.view.value?.me ? SELF : model.speaker.value;
  const plan = usePlan(tiles, speaker, spotlightKey(model, SELF), box, page);
  const shown = plan.placed.map(({ tile }) => tile);
  const frozen = useFrozen(shown);
  const { watching } = model;
  useEffect(() => watching.show(box.width === 0 ? [] : plan.placed.flatMap((one) => shownOf(one, plan.large))));
  const turn = (by: number) => setPage(Math.min(Math.max(0, plan.page + by), plan.pages - 1));
  useSwipe(element, turn);
  useStageKeys(turn, changeLayout);
  const badges = new Map(shown.map((tile) => [tile.key, badgeOf(tile, watching.streams.value, watching.quality.value)]));
  const words = plan.placed.find(({ tile }) => tile.key === looked);
  const facts = looked === null ? undefined : badges.get(looked);
  return (
    <section class="stage" aria-label={t("call-pictures")} data-layout={plan.large === null ? "grid" : "stage"}>
      <div class="tiles" ref={element} data-test="tiles" data-tiles={shown.length} data-page={plan.page + 1}>
        {tiles.map((tile) => {
          const placed = plan.placed.find((one) => one.tile === tile);
          const badge = badges.get(tile.key);
          if (placed === undefined || badge === undefined) return null;
          return (
            <Tile
              key={tile.key}
              tile={tile}
              place={placed.place}
              large={tile.key === plan.large}
              pinned={pinned.value === tile.key}
              speaking={tile.peer === speaker && !tile.screen}
              frozen_s={frozen.get(tile.key) ?? 0}
              badge={badge}
              looked={looked === tile.key}
              onLook={(open) => setLooked((old) => (open ? tile.key : old === tile.key ? null : old))}
              onPin={() => (pinned.value = pinned.value === tile.key ? null : tile.key)}
            />
          );
        })}
        {words && facts && (
          <div id="badge-words" class="badge-words" role="tooltip" data-test="badge-words" style={besideOf(words.place, box)}>
            <BadgeWords facts={facts} name={words.tile.name} />
          </div>
        )}
        {tiles.length === 1 && model.view.value?.link.name === "joined" && (
          <p class="stage-alone" data-test="alone">
            {t("call-alone")}
          </p>
        )}
      </div>
      {plan.pages > 1 && <Pager plan={plan} all={tiles.length} turn={turn} />}
    </section>
  );
}

/** Who is where on the page that is shown. Places are kept from one drawing to the next. */
function usePlan(
  tiles: readonly TileFacts[],
  speaker: string | null,
  spotlight: string | null,
  box: Box,
  wanted: number,
): Plan {
  const seating = useRef<Seating>([]);
  const heard = useRef(new Map<string, number>());
  if (speaker !== null) heard.current.set(speaker, performance.now());
  const present = tiles.filter((tile) => tile.key !== SELF).map((tile) => tile.key);
  const wish = {
    pinned: pinned.value,
    spotlight,
    screens: tiles.filter((tile) => tile.screen && tile.peer !== SELF).map((tile) => tile.key),
    speaker,
    before: seating.current,
    present,
  };
  const ownLarge = (pinned.value ?? spotlight) === SELF || present.length === 0;
  const large = layout.value === "grid" && pinned.value === null && present.length > 0 ? null : ownLarge ? SELF : onStage(wish);
  const stage = large === SELF ? null : large;
  // Of the places of a page the stage takes one, and one's own picture another.
  const places = capacity(box, large !== null) - 1 - (stage === null ? 0 : 1);
  seating.current = seat(seating.current, { present, stage, speaker, places, heard: heard.current });
  const page = pageOf(seating.current, stage, places, wanted);
  const small = large === SELF ? page.small : [...page.small, SELF];
  return { ...page, large, placed: place(tiles, large, small, arrange(box, small.length, large !== null)) };
}

function place(tiles: readonly TileFacts[], large: string | null, small: readonly string[], placement: Placement): Plan["placed"] {
  const places = new Map(small.map((key, n) => [key, placement.small[n] as Rect]));
  if (large !== null && placement.large !== null) places.set(large, placement.large);
  return tiles.flatMap((tile) => {
    const found = places.get(tile.key);
    return found === undefined ? [] : [{ tile, place: found }];
  });
}

/** A tile as the server is told of it: also one that it withholds, for it may come to have room. */
function shownOf({ tile, place }: { tile: TileFacts; place: Rect }, large: string | null): Shown[] {
  if (tile.consumer === null) return [];
  const role = tile.key !== large ? "tile" : tile.key === pinned.value ? "pinned" : "stage";
  return [{ consumer_id: tile.consumer, ...fitted(place), role }];
}

/** Where the words of a badge stand: below it where there is room, and inside the stage in any case. */
function besideOf(place: Rect, box: Box): Record<string, string> {
  const right = Math.max(0, Math.min(box.width - place.left - place.width, box.width - WORDS_WIDTH));
  const upper = place.top < box.height / 2;
  return upper
    ? { right: `${right}px`, top: `${place.top + 34}px` }
    : { right: `${right}px`, bottom: `${box.height - place.top + 4}px` };
}

export function changeLayout(): void {
  layout.value = layout.value === "grid" ? "stage" : "grid";
  pinned.value = null;
}

/** One large picture or all of one size. */
export function LayoutButton() {
  const grid = layout.value === "grid";
  const word = t(grid ? "tiles-to-stage" : "tiles-to-grid");
  return (
    <button
      type="button"
      class="icon-button"
      data-test="layout"
      data-layout={layout.value}
      aria-label={word}
      title={`${word} (G)`}
      onClick={changeLayout}
    >
      <Icon name={grid ? "layout-stage" : "layout-grid"} size={18} />
    </button>
  );
}

function Pager({ plan, all, turn }: { plan: Plan; all: number; turn: (by: number) => void }) {
  const button = (by: -1 | 1) => (
    <button
      type="button"
      class="icon-button"
      data-test={by > 0 ? "page-next" : "page-previous"}
      aria-label={t(by > 0 ? "tiles-next" : "tiles-previous")}
      title={`${t(by > 0 ? "tiles-next" : "tiles-previous")} (${by > 0 ? "PgDn" : "PgUp"})`}
      disabled={by > 0 ? plan.page === plan.pages - 1 : plan.page === 0}
      onClick={() => turn(by)}
    >
      <Icon name={by > 0 ? "chevron-right" : "chevron-left"} size={20} />
    </button>
  );
  return (
    <nav class="pager" aria-label={t("tiles-pages")}>
      {button(-1)}
      <span class="figures" data-test="page-where" role="status">
        {t("tiles-page", { page: plan.page + 1, pages: plan.pages, all })}
      </span>
      {button(1)}
    </nav>
  );
}
