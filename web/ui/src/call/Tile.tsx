// SPDX-License-Identifier: Apache-2.0
import { t } from "../i18n";
import { Icon } from "../ui";
import { Badge } from "./Badge";
import type { Rect } from "./layout.ts";
import { Picture } from "./Picture";
import { noteOf, withheld, type BadgeFacts, type TileFacts } from "./tiles.ts";

export interface TileProps {
  tile: TileFacts;
  place: Rect;
  large: boolean;
  pinned: boolean;
  speaking: boolean;
  frozen_s: number;
  badge: BadgeFacts;
  looked: boolean;
  onLook: (open: boolean) => void;
  onPin: () => void;
}

/** One picture with its name, its mark and what is wrong with it. */
export function Tile(props: TileProps) {
  const { tile, large, pinned, place } = props;
  const classes = ["tile", large && "tile-large", props.speaking && "tile-speaking", tile.away && "tile-away"];
  const note = noteOf(tile, large, props.frozen_s);
  const reason = withheld(tile);
  const blank = tile.track === null || tile.off || reason === "mode";
  const word = t(pinned ? "call-unpin" : "call-pin");
  return (
    <figure
      class={classes.filter(Boolean).join(" ")}
      data-peer={tile.peer}
      data-reason={tile.layers?.reason ?? undefined}
      style={{ left: `${place.left}px`, top: `${place.top}px`, width: `${place.width}px`, height: `${place.height}px` }}
      onClick={props.onPin}
    >
      {blank ? (
        <div class="tile-none" aria-hidden="true">
          {initial(tile.person)}
        </div>
      ) : null}
      <div class={reason === "bandwidth" || reason === "stalled" ? "tile-old" : ""}>
        <Picture
          track={tile.off ? null : tile.track}
          mirrored={tile.mirrored}
          test={tile.test}
          label={t("call-picture-of", { name: tile.name })}
        />
      </div>
      {note && (
        <p class="tile-note" role="status" data-test={`note-${tile.test}`}>
          {note}
        </p>
      )}
      <div class="tile-marks">
        <button
          type="button"
          class="tile-pin"
          aria-pressed={pinned}
          aria-label={t("tile-pin-of", { word, name: tile.name })}
          title={word}
          data-test={`pin-${tile.test}`}
          onClick={(event) => {
            event.stopPropagation();
            props.onPin();
          }}
        >
          <Icon name="pin" size={14} />
        </button>
        <Badge facts={props.badge} test={tile.test} name={tile.name} open={props.looked} onLook={props.onLook} />
      </div>
      <figcaption>
        {tile.muted && <Icon name="mic-off" size={16} />}
        <span class="tile-name">{tile.name}</span>
        {tile.people && <span class="tile-people">{tile.people}</span>}
      </figcaption>
    </figure>
  );
}

function initial(name: string): string {
  return [...name].at(0) ?? "";
}
