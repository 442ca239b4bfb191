// SPDX-License-Identifier: Apache-2.0
// The call of one page: joins signalling, transports and local tracks, and tells the page by whole snapshots what is so.
// It knows no page and no framework.

import { Device } from "mediasoup-client";
import type { types } from "mediasoup-client";

import { MediaLink } from "./medialink.ts";
import { Meters, type Measured } from "./meters.ts";
import type {
  ActorName,
  ConsumerInfo,
  Feature,
  LayersNote,
  Moderation,
  Note,
  PeerInfo,
  Recording,
  RoomState,
  Source,
  TroubleNote,
  Welcome,
} from "./protocol.ts";
import { REPORT_VERSION } from "./protocol.ts";
import { Sending, type LocalTrack, type Preferences } from "./sending.ts";
import { Signalling } from "./signalling.ts";
import type { LinkState, Permit } from "./signalling.ts";
import { ViewSender, type ViewData } from "./viewing.ts";

export interface RemoteTrack {
  consumer_id: string;
  paused: boolean;
  track: MediaStreamTrack | null;
  /** What the server forwards of a picture and why no more; null before it said so. */
  layers: LayersNote | null;
}

export interface Peer extends PeerInfo {
  tracks: Partial<Record<Source, RemoteTrack>>;
}

/** Everything that a page shows, complete each time. */
export interface View {
  link: LinkState;
  /** `lost` since this moment of performance.now() (socket or media); null while all is well. */
  broken_since_ms: number | null;
  /** True when the socket is fine but no media gets through for a while: a firewall. */
  blocked: boolean;
  me: string;
  recording: Recording;
  peers: Peer[];
  local: Record<Source, LocalTrack>;
  may_send: boolean;
  /** Who is speaking by the server's judgement; undefined where it does not say. */
  speaker: string | null | undefined;
  /** The server sends no more than what is shown. */
  thrifty: boolean;
  moderation: Moderation | null;
  troubles: readonly TroubleNote[];
}

/** The host muted one of our sources, or asks us to switch it on again. */
export interface Appeal {
  kind: "muted" | "unmute_asked";
  source: Source;
  by: ActorName;
}

interface Stream {
  info: ConsumerInfo;
  track: MediaStreamTrack | null;
  layers: LayersNote | null;
}

const STATISTICS_EVERY_MS = 2_000;
const BLOCKED_AFTER_MS = 10_000;
const RETRY_CONSUME_MS = 1_000;
const NO_RECORDING: Recording = { state: "off", since_utc_ms: 0, reason: "" };

export class CallEngine {
  measured: Measured | null = null;
  /** Counts the places in the room that this page has had. */
  place = 0;
  private readonly changed: (view: View) => void;
  private readonly appealed: (appeal: Appeal) => void;
  private readonly signalling: Signalling;
  private device: types.Device | null = null;
  private link: MediaLink | null = null;
  private me = "";
  private recording = NO_RECORDING;
  private moderation: Moderation | null = null;
  private troubles: readonly TroubleNote[] = [];
  private readonly peers = new Map<string, PeerInfo>();
  private readonly streams = new Map<string, Stream>();
  private features: readonly Feature[] = [];
  private speaker: string | null | undefined = undefined;
  private readonly viewer: ViewSender;
  private wanted: ViewData | null = null;
  private shown: ReadonlySet<string> = new Set();
  private readonly sending = new Sending(() => (this.signalling.state.name === "joined" ? this.link : null));
  /** What the server said while the first welcome still waits for the device; null when nothing waits. */
  private said: (() => void)[] | null = null;
  private brokenSince: number | null = null;
  private connectingSince: number | null = null;
  private meters = new Meters();
  private readonly timers: number[] = [];
  private readonly wake = () => this.signalling.probe();

  /**
   * `ask` gets a permit from the API for every new place in the room; `changed` gets every new view; `appealed` what
   * the host wants of this page.
   */
  constructor(
    ask: () => Promise<Permit>,
    changed: (view: View) => void,
    appealed: (appeal: Appeal) => void = () => undefined,
  ) {
    this.changed = changed;
    this.viewer = new ViewSender((data) => this.signalling.request("view", data));
    this.appealed = appealed;
    this.signalling = new Signalling(ask, {
      welcome: (welcome) => void this.welcome(welcome),
      resumed: (state) => this.inTurn(() => this.resumed(state)),
      note: (note) => this.inTurn(() => this.note(note)),
      link: () => this.assess(),
    });
  }

  /** Join. Tracks given by `setLocal` before or after are sent as soon as there is a way. */
  start(): void {
    window.addEventListener("online", this.wake);
    this.timers.push(window.setInterval(() => void this.measure(), STATISTICS_EVERY_MS));
    this.signalling.start();
  }

  /** Leave on purpose and free everything but the local tracks, which are the caller's. */
  async leave(): Promise<void> {
    await this.signalling.leave();
    this.dispose();
  }

  /** Stop without a word, as when the page goes away. */
  dispose(): void {
    window.removeEventListener("online", this.wake);
    for (const timer of this.timers.splice(0)) clearInterval(timer);
    this.viewer.close();
    this.link?.close();
    this.link = null;
  }

  /** The page shows these pictures from now on. */
  show(view: ViewData): void {
    this.wanted = view;
    this.shown = new Set(view.tiles.map((tile) => tile.consumer_id));
    if (this.features.includes("view")) this.viewer.show(view);
  }

  /** Send pictures in this way from now on. */
  prefer(preferences: Preferences): void {
    this.sending.prefer(preferences);
  }

  /** What shall be sent for a source: a track, switched on or off; null for nothing. */
  setLocal(source: Source, track: MediaStreamTrack | null, on: boolean): void {
    // Switched on by hand: that, and nothing else, ends what the host muted.
    if (on && !this.sending.local[source].on && this.muted(source)) {
      void this.signalling.request("unmute", { source }).catch(() => undefined);
    }
    this.sending.local[source] = { track, on };
    this.emit();
    void this.sending.sync();
  }

  /** One's own hand. */
  async raiseHand(raised: boolean): Promise<void> {
    await this.signalling.request("raise_hand", { raised });
  }

  /** The server wants to know what this page measures on its own sources, and can be told now. */
  get takesReports(): boolean {
    return this.features.includes("watch") && this.signalling.state.name === "joined";
  }

  /** What is wrong with one's own source; null when it is well again. */
  async report(source: Source, trouble: string | null): Promise<void> {
    await this.signalling.request("report_source", { version: REPORT_VERSION, source, trouble });
  }

  private muted(source: Source): boolean {
    return this.moderation?.muted.some((one) => one.peer_id === this.me && one.source === source) ?? false;
  }

  /** Server's counters of all streams, for the technician's panel. */
  statistics(): Promise<Record<string, unknown>> {
    return this.signalling.request("stats");
  }

  /** Loudness now by peer id, 0 to 1. */
  levels(): Map<string, number> {
    const found = new Map<string, number>();
    for (const [id, level] of this.link?.levels() ?? []) {
      const info = this.streams.get(id)?.info;
      if (info !== undefined && !info.paused) found.set(info.peer_id, level);
    }
    return found;
  }

  /** The browser's own statistics, for tests and for the technician's panel. */
  async browserStatistics(): Promise<{ sent: unknown[]; received: unknown[] }> {
    const found = await this.link?.statistics();
    return { sent: [...(found?.sent?.values() ?? [])], received: [...(found?.received?.values() ?? [])] };
  }

  view(): View {
    const peers = [...this.peers.values()].map((info): Peer => {
      const tracks: Peer["tracks"] = {};
      for (const [id, stream] of this.streams) {
        if (stream.info.peer_id === info.peer_id) {
          const { info, track, layers } = stream;
          tracks[info.source] = { consumer_id: id, paused: info.paused, track, layers };
        }
      }
      return { ...info, tracks };
    });
    return {
      link: this.signalling.state,
      broken_since_ms: this.brokenSince,
      blocked: this.connectingSince !== null && performance.now() - this.connectingSince > BLOCKED_AFTER_MS,
      me: this.me,
      recording: this.recording,
      peers,
      local: { ...this.sending.local },
      may_send: this.link?.maySend ?? true,
      speaker: this.speaker,
      thrifty: this.features.includes("view"),
      moderation: this.moderation,
      troubles: this.troubles,
    };
  }

  private async welcome(welcome: Welcome): Promise<void> {
    this.link?.close();
    this.streams.clear();
    if (this.device === null) {
      if (this.said !== null) {
        this.said = [() => this.enter(welcome)]; // a newer place: what was said of the older one counts no more
        return;
      }
      // Loading takes a browser some ten milliseconds, in which the others go on joining and publishing.
      this.said = [() => this.enter(welcome)];
      let said: (() => void)[];
      try {
        const device = new Device();
        await device.load({ routerRtpCapabilities: welcome.router_rtp_capabilities });
        this.sending.offer(device.sendRtpCapabilities);
        this.device = device;
      } finally {
        // Also when it failed: the next welcome tries again, and nothing piles up until then.
        said = this.said;
        this.said = null;
      }
      for (const step of said) step();
      return;
    }
    this.enter(welcome);
  }

  private inTurn(step: () => void): void {
    if (this.said === null) step();
    else this.said.push(step);
  }

  private enter(welcome: Welcome): void {
    if (this.device === null || this.signalling.state.name === "ended") return;
    const link = new MediaLink(this.device, welcome, (type, data) => this.signalling.request(type, data), {
      path: () => this.assess(),
      gone: () => this.signalling.rejoin(),
    });
    this.link = link;
    this.place++;
    this.features = welcome.features ?? [];
    this.speaker = undefined;
    this.meters = new Meters();
    this.take(welcome);
    this.sending.begin(link);
  }

  private resumed(state: RoomState): void {
    this.take(state);
    void this.link?.repeatPauses();
    void this.sending.sync();
  }

  /** Make the picture of the room equal to the server's. */
  private take(state: RoomState): void {
    this.me = state.peer_id;
    this.recording = state.room.recording;
    this.moderation = state.moderation ?? null;
    this.troubles = state.troubles ?? [];
    this.peers.clear();
    for (const peer of state.peers) this.peers.set(peer.peer_id, peer);
    const current = new Set(state.consumers.map((info) => info.id));
    for (const id of [...this.streams.keys()]) if (!current.has(id)) this.dropStream(id);
    for (const info of state.consumers) {
      const known = this.streams.get(info.id);
      if (known !== undefined) known.info = info;
    }
    this.receive(state.consumers);
    if (this.features.includes("view")) {
      if (this.wanted !== null) this.viewer.show(this.wanted);
      this.viewer.again();
    }
    this.assess();
    this.rememberMutes();
  }

  /** Coming (back) in lifts no mute: the person must see that nobody hears them, also when the note was missed. */
  private rememberMutes(): void {
    for (const { peer_id, source, by } of this.moderation?.muted ?? []) {
      if (peer_id === this.me && this.sending.local[source].on) this.appealed({ kind: "muted", source, by });
    }
  }

  private receive(infos: ConsumerInfo[]): void {
    const link = this.link;
    const fresh = infos.filter((info) => !this.streams.has(info.id));
    if (link === null || fresh.length === 0) return;
    for (const info of fresh) this.streams.set(info.id, { info, track: null, layers: null });
    this.emit();
    link.consume(fresh).then(
      (tracks) => {
        for (const [id, track] of tracks) {
          const stream = this.streams.get(id);
          if (stream === undefined) link.drop(id);
          else stream.track = track;
        }
        this.emit();
      },
      () => {
        setTimeout(() => {
          if (this.link === link) this.receive(fresh.filter((info) => this.streams.delete(info.id)));
        }, RETRY_CONSUME_MS);
      },
    );
  }

  private dropStream(id: string): void {
    this.streams.delete(id);
    this.link?.drop(id);
  }

  private note(note: Note): void {
    switch (note.type) {
      case "peer_joined":
        this.peers.set(note.data.peer_id, note.data);
        break;
      case "peer_left":
        this.peers.delete(note.data.peer_id);
        break;
      case "peer_state": {
        const peer = this.peers.get(note.data.peer_id);
        if (peer !== undefined) this.peers.set(peer.peer_id, { ...peer, state: note.data.state });
        break;
      }
      case "new_consumers":
        this.receive(note.data.consumers);
        return;
      case "consumer_closed":
        this.dropStream(note.data.consumer_id);
        break;
      case "consumer_paused": {
        const stream = this.streams.get(note.data.consumer_id);
        if (stream !== undefined) stream.info = { ...stream.info, paused: note.data.paused };
        break;
      }
      case "consumer_layers": {
        const stream = this.streams.get(note.data.consumer_id);
        if (stream !== undefined) stream.layers = note.data;
        break;
      }
      case "producer_layers":
        void this.link?.need(note.data.producer_id, note.data.max_spatial);
        return;
      case "speaker":
        this.speaker = note.data.peer_id;
        break;
      case "playout_delay":
        this.link?.holdBack(note.data.consumer_id, note.data.delay_ms);
        return;
      case "recording":
        this.recording = note.data;
        break;
      case "moderation":
        this.moderation = note.data;
        break;
      case "troubles":
        this.troubles = note.data.troubles;
        break;
      case "muted":
      case "unmute_asked":
        this.appealed({ kind: note.type, ...note.data });
        return;
      default: // what ends the call is told by the close code
        return;
    }
    this.emit();
  }

  /** Work out whether all is well, and tell the page. */
  private assess(): void {
    const now = performance.now();
    const path = this.link?.path ?? "idle";
    const state = this.signalling.state;
    if (path !== "connecting" || state.name !== "joined") this.connectingSince = null;
    else this.connectingSince ??= now;
    const well = state.name === "joined" && path !== "broken";
    if (state.name === "connecting" || state.name === "waiting" || state.name === "ended") this.brokenSince = null;
    else if (!well) this.brokenSince ??= now;
    else if (path !== "connecting" || this.brokenSince === null) this.brokenSince = null;
    if (state.name === "ended") this.dispose();
    this.emit();
  }

  private async measure(): Promise<void> {
    const link = this.link;
    if (link === null) return;
    const metered = new Map([...this.streams].map(([id, stream]) => [id, { ...stream, shown: this.isShown(id) }]));
    const measured = await this.meters.measure(link, metered);
    if (link !== this.link) return;
    this.measured = measured;
    this.assess();
  }

  /** Before the page said what it shows, all is taken for shown. */
  private isShown(consumerId: string): boolean {
    return this.wanted === null || this.shown.has(consumerId);
  }

  private emit(): void {
    this.changed(this.view());
  }
}
