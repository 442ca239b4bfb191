// SPDX-License-Identifier: Apache-2.0
// The signalling protocol, version 1, as mediaserver/signalling/messages.py defines it: names and shapes only.

import type { types } from "mediasoup-client";

export const PROTOCOL_VERSION = 1;

/** Close codes of the signalling socket (RFC 6455 section 7.4, and 4000 and above for our own). */
export const CLOSE = {
  roomClosed: 1000,
  goingAway: 1001,
  restart: 1012,
  protocol: 4000,
  replaced: 4001,
  removed: 4002,
  badToken: 4003,
  unknownRoom: 4004,
  denied: 4005,
} as const;

/** What the server can beyond version 1 of the protocol; without a word of it the page does as before. */
export type Feature = "simulcast" | "view" | "watch";

/** How much picture a page wants: all that fits, the smallest, or none. */
export type Mode = "normal" | "low" | "audio";

/** One picture as the page shows it; width and height in device pixels. */
export interface ViewTile {
  consumer_id: string;
  width: number;
  height: number;
  role: "stage" | "pinned" | "tile";
}

/** What is forwarded of one picture now; null for nothing. */
export interface LayersNote {
  consumer_id: string;
  spatial: 0 | 1 | 2 | null;
  temporal: 0 | 1 | 2 | null;
  reason: null | "bandwidth" | "hidden" | "mode" | "stalled" | "publisher";
}

export type Source = "mic" | "cam" | "screen";
export type Kind = "audio" | "video";

/** The recording as the server has it; nothing else may be shown as the state of the record. */
export interface Recording {
  state: "off" | "on" | "paused" | "stopped";
  since_utc_ms: number;
  reason: string;
}

export interface PeerInfo {
  peer_id: string;
  name: string;
  place: string;
  state: "connected" | "reconnecting";
}

/** Something is wrong with a source: nothing comes, or what its publisher measured. */
export interface TroubleNote {
  peer_id: string;
  source: Source | "screen_audio";
  trouble: "stalled" | "black" | "silent" | "clipping";
  since_utc_ms: number;
}

/** Version of the request `report_source`. */
export const REPORT_VERSION = 1;

/** Who did something. */
export interface ActorName {
  peer_id: string;
  name: string;
}

/** Host, doors, hands, mutes and the common stage of the room, told as a whole with every change. */
export interface Moderation {
  /** Peer id; empty while nobody leads. */
  host: string;
  locked: boolean;
  waiting_room: boolean;
  /** Peer id of whoever is on everybody's stage; empty for nobody. */
  spotlight: string;
  /** In the order in which they went up. */
  hands: { peer_id: string; since_utc_ms: number }[];
  muted: { peer_id: string; source: Source; by: ActorName }[];
  /** Only the host is told who. */
  knocking: { peer_id: string; name: string; place: string; since_utc_ms: number }[];
  knocking_count: number;
  /** A private talk is held beside the room, and nothing in it reaches anybody; 0: none. */
  resting_since_utc_ms?: number;
}

/** `hello` where newcomers wait: nothing more until the note `admitted`, which is a Welcome, or close code 4005. */
export interface MustWait {
  waiting: true;
  version: number;
  host_here: boolean;
}

export interface ConsumerInfo {
  id: string;
  producer_id: string;
  peer_id: string;
  source: Source;
  kind: Kind;
  paused: boolean;
  rtp_parameters: types.RtpParameters;
}

export interface TransportInfo {
  id: string;
  iceParameters: types.IceParameters;
  iceCandidates: types.IceCandidate[];
  dtlsParameters: types.DtlsParameters;
}

/** The state that both `hello` and `resume` are answered with. */
export interface RoomState {
  boot_id: string;
  peer_id: string;
  room: { id: string; recording: Recording };
  peers: PeerInfo[];
  consumers: ConsumerInfo[];
  moderation?: Moderation;
  troubles?: TroubleNote[];
}

/** What only `hello` is answered with: a new place in the room, with transports of its own. */
export interface Welcome extends RoomState {
  version: number;
  resume_token: string;
  features?: Feature[];
  router_rtp_capabilities: types.RtpCapabilities;
  send_transport?: TransportInfo;
  recv_transport: TransportInfo;
  /** Relays for networks that let nothing else through. */
  ice_servers: RTCIceServer[];
}

/** Notifications by type. */
export interface Notes {
  peer_joined: PeerInfo;
  peer_left: { peer_id: string };
  peer_state: { peer_id: string; state: PeerInfo["state"] };
  new_consumers: { consumers: ConsumerInfo[] };
  consumer_closed: { consumer_id: string };
  consumer_paused: { consumer_id: string; paused: boolean };
  consumer_layers: LayersNote;
  /** The publisher may stop encoding what lies above; -1: nobody needs the picture. */
  producer_layers: { producer_id: string; max_spatial: -1 | 0 | 1 | 2 };
  speaker: { peer_id: string | null };
  /** Hold this stream back so long that repair of what the links lose comes in time. */
  playout_delay: { consumer_id: string; delay_ms: number };
  recording: Recording;
  /** Everything that is wrong now. */
  troubles: { troubles: TroubleNote[] };
  room_closed: { reason: string };
  replaced: Record<string, never>;
  removed: { reason: string };
  moderation: Moderation;
  muted: { source: Source; by: ActorName };
  unmute_asked: { source: Source; by: ActorName };
  admitted: Welcome;
  denied: Record<string, never>;
}

export type Note = { [T in keyof Notes]: { type: T; data: Notes[T] } }[keyof Notes];

/** A request was refused (`code` of the server), or could not be answered: `lost`, `timeout`, `ended`. */
export class RequestFault extends Error {
  readonly code: string;

  constructor(code: string, message = code) {
    super(message);
    this.name = "RequestFault";
    this.code = code;
  }
}
