// SPDX-License-Identifier: Apache-2.0
// The tiles of a call: one for each endpoint and each shared screen, and one's own.
import type { Detail } from "../api";
import { t } from "../i18n";
import { me } from "../state";
import type { Peer, RemoteTrack } from "./engine.ts";
import type { CallModel } from "./model";
import type { LayersNote } from "./protocol.ts";
import type { Quality } from "./quality.ts";
import { judge, type StreamQuality, type TileLink, type Trouble } from "./streams.ts";
import { endpointName } from "./People";

export const SELF = "self";
/** A picture that stands still for so long says how old it is. */
export const FROZEN_AFTER_S = 3;

export interface TileFacts {
  key: string;
  /** The test hook of its picture. */
  test: string;
  name: string;
  /** Whose initial stands where there is no picture. */
  person: string;
  people: string;
  track: MediaStreamTrack | null;
  /** The picture is switched off, as opposed to not there yet. */
  off: boolean;
  muted: boolean;
  away: boolean;
  mirrored: boolean;
  screen: boolean;
  peer: string;
  /** The consumer of the picture; null for one's own, and where there is none. */
  consumer: string | null;
  /** The consumer of the sound that belongs to it. */
  sound: string | null;
  layers: LayersNote | null;
}

export function allTiles(model: CallModel): TileFacts[] {
  const detail = model.detail.value;
  return [...model.peers.value.flatMap((peer) => ofPeer(peer, detail)), ofSelf(model, detail)];
}

function ofPeer(peer: Peer, detail: Detail | null): TileFacts[] {
  const participant = detail?.participants.find((one) => one.peer_id === peer.peer_id);
  const name = endpointName({ name: peer.name, place_name: peer.place });
  const common = { name, person: peer.name, muted: false, away: peer.state === "reconnecting", mirrored: false, peer: peer.peer_id };
  const { cam, screen, mic } = peer.tracks;
  const found: TileFacts[] = [
    {
      ...common,
      ...picture(cam),
      key: peer.peer_id,
      test: `tile-${peer.peer_id}`,
      people: peopleOf(participant?.attendees ?? [], peer.name),
      off: cam?.paused ?? false,
      muted: mic === undefined || mic.paused,
      screen: false,
      sound: mic?.consumer_id ?? null,
    },
  ];
  if (screen && !screen.paused)
    found.push({
      ...common,
      ...picture(screen),
      key: `${peer.peer_id}-screen`,
      test: `screen-${peer.peer_id}`,
      name: t("call-screen-of", { name }),
      people: "",
      off: false,
      screen: true,
      sound: null,
    });
  return found;
}

function picture(remote: RemoteTrack | undefined): Pick<TileFacts, "track" | "consumer" | "layers"> {
  return { track: remote?.track ?? null, consumer: remote?.consumer_id ?? null, layers: remote?.layers ?? null };
}

function ofSelf(model: CallModel, detail: Detail | null): TileFacts {
  const { local } = model;
  const mine = detail?.participants.find((one) => one.me);
  return {
    key: SELF,
    test: "tile-self",
    name: t("call-me", { name: me.value?.name ?? "" }),
    person: me.value?.name ?? "",
    people: peopleOf(mine?.attendees ?? [], me.value?.name ?? ""),
    track: local.cam.value.track,
    off: !local.on("cam"),
    muted: !local.on("mic"),
    away: false,
    mirrored: true,
    screen: false,
    peer: SELF,
    consumer: null,
    sound: null,
    layers: null,
  };
}

/** The names before the camera, unless it is only the one whose name stands there already. */
function peopleOf(attendees: { name: string }[], name: string): string {
  const names = attendees.map((person) => person.name).filter((one) => one !== name);
  return names.join("、");
}

/** What the server does not send now, whatever its reason: the last picture would be an old one. */
export function withheld(tile: TileFacts): LayersNote["reason"] {
  return tile.layers !== null && tile.layers.spatial === null ? tile.layers.reason : null;
}

/** What stands across a tile; null while there is nothing to say. */
export function noteOf(tile: TileFacts, large: boolean, frozen_s: number): string | null {
  if (tile.away) return t("call-peer-reconnecting");
  if (tile.off) return t("call-tile-camera-off");
  if (tile.track === null) return tile.screen ? null : t("call-tile-no-picture");
  switch (withheld(tile)) {
    case "bandwidth":
      return t("tile-note-no-room");
    case "stalled":
      return t("tile-note-stalled");
    case "mode":
    case "hidden":
      return null;
    case "publisher":
    case null:
      break;
  }
  if (frozen_s >= FROZEN_AFTER_S && !tile.screen) return t("call-frozen", { seconds: frozen_s });
  return large && tile.layers?.reason === "bandwidth" ? t("tile-note-reduced") : null;
}

/** What the badge of one tile says. */
export interface BadgeFacts {
  grade: ReturnType<typeof judge>["grade"];
  troubles: readonly Trouble[];
  picture: StreamQuality | null;
  sound: StreamQuality | null;
  rtt_ms: number | null;
  /** The way up, for one's own tile. */
  own: Quality | null;
}

export function badgeOf(tile: TileFacts, streams: ReadonlyMap<string, StreamQuality>, quality: Quality | null): BadgeFacts {
  if (tile.peer === SELF) return ownBadge(quality);
  const of = (id: string | null) => (id === null ? null : (streams.get(id) ?? null));
  const link: TileLink = {
    picture: tile.off || withheld(tile) === "mode" ? null : of(tile.consumer),
    sound: tile.muted ? null : of(tile.sound),
    rtt_ms: quality?.rtt_ms ?? null,
    screen: tile.screen,
    layers: tile.layers,
  };
  return { ...judge(link), picture: link.picture, sound: link.sound, rtt_ms: link.rtt_ms, own: null };
}

function ownBadge(quality: Quality | null): BadgeFacts {
  const nothing = { picture: null, sound: null, rtt_ms: quality?.rtt_ms ?? null, own: quality };
  if (quality === null || (quality.lost_up === null && quality.rtt_ms === null)) return { grade: "unknown", troubles: [], ...nothing };
  const sound: StreamQuality = {
    kind: "audio",
    lost: quality.lost_up,
    kbps: quality.kbps_up,
    width: null,
    height: null,
    fps: null,
    frozen_s: 0,
    freezes: 0,
    concealed: 0,
  };
  const judged = judge({ picture: null, sound, rtt_ms: quality.rtt_ms, screen: false, layers: null });
  return { ...judged, ...nothing };
}
