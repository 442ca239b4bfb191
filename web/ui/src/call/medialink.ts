// SPDX-License-Identifier: Apache-2.0
// The transports of one place in the room: what we send, what we receive, and getting through again when the network
// changed. A new place has a new MediaLink; the tracks of camera and microphone outlive it.

import type { types } from "mediasoup-client";

import {
  cameraEncodings,
  degradation,
  SCREEN_FPS,
  screenEncodings,
  type ScreenContent,
  type VideoCodec,
} from "./publishing.ts";
import { RequestFault } from "./protocol.ts";
import type { ConsumerInfo, Source, TransportInfo, Welcome } from "./protocol.ts";

type Ask = <T = Record<string, never>>(type: string, data?: object) => Promise<T>;

export type Path = "idle" | "connecting" | "connected" | "broken";

const RESTART_EVERY_MS = 3_000;
/** No picture is sent in more layers than this. */
const ALL_LAYERS = 2;
const START_KBPS = 1_000;
const MIC_BITRATE = 40_000;

export interface MediaLinkEvents {
  /** The path of media in either direction became better or worse. */
  path(): void;
  /** The server does not know this place any more. */
  gone(): void;
}

/** How pictures are to be sent. */
export interface SendWish {
  codec: VideoCodec;
  screen: ScreenContent;
}

export class MediaLink {
  closed = false;
  private readonly ask: Ask;
  private readonly events: MediaLinkEvents;
  private readonly send: types.Transport | null;
  private readonly recv: types.Transport;
  private readonly device: types.Device;
  private readonly simulcast: boolean;
  private readonly producers = new Map<Source, types.Producer>();
  private readonly codecs = new Map<Source, VideoCodec>();
  /** The highest layer that is needed, by producer: what the server said, also of one that is still being made. */
  private readonly needed = new Map<string, number>();
  /** Saving on the way up: without the largest layer of the camera. */
  private saving = false;
  private limiting: Promise<void> = Promise.resolve();
  private readonly consumers = new Map<string, types.Consumer>();
  /** Wished delay of streams in ms, also of those that are being made. */
  private readonly delays = new Map<string, number>();
  private readonly restarting = new Set<types.Transport>();

  constructor(device: types.Device, welcome: Welcome, ask: Ask, events: MediaLinkEvents) {
    this.ask = ask;
    this.events = events;
    this.device = device;
    this.simulcast = welcome.features?.includes("simulcast") ?? false;
    this.recv = this.prepare(device.createRecvTransport(options(welcome.recv_transport, welcome)));
    this.send = welcome.send_transport
      ? this.prepare(device.createSendTransport(options(welcome.send_transport, welcome)))
      : null;
  }

  /** The worse of both directions. */
  get path(): Path {
    const order: Path[] = ["broken", "connecting", "connected", "idle"];
    const paths = [this.send, this.recv].map((transport) => pathOf(transport?.connectionState ?? "new"));
    return order.find((path) => paths.includes(path)) ?? "idle";
  }

  /** False for those who may only watch. */
  get maySend(): boolean {
    return this.send !== null;
  }

  has(source: Source): boolean {
    return this.producers.has(source);
  }

  /** Send a track, paused or not. Rejects with RequestFault when the server says no or cannot be asked. */
  async produce(source: Source, track: MediaStreamTrack, paused: boolean, wish: SendWish): Promise<void> {
    if (this.send === null) throw new RequestFault("no_right");
    this.stop(source);
    const producer = await this.send.produce({
      track,
      stopTracks: false,
      // A switched-off microphone goes on as silence, so that the recording has no hole in it; a camera stops.
      zeroRtpOnPause: source !== "mic",
      disableTrackOnPause: source === "mic",
      appData: { source },
      ...(source === "mic"
        ? { encodings: [{ maxBitrate: MIC_BITRATE }], codecOptions: { opusDtx: false, opusFec: true, opusStereo: false } }
        : this.pictureOptions(source, track, wish)),
    });
    if (this.closed) return;
    this.producers.set(source, producer);
    this.codecs.set(source, wish.codec);
    if (source === "screen") await this.tuneScreen(wish.screen);
    await this.limit(source);
    if (paused) await this.pause(source, true);
  }

  private pictureOptions(source: "cam" | "screen", track: MediaStreamTrack, wish: SendWish) {
    const encodings =
      source === "cam" ? cameraEncodings(track.getSettings(), this.simulcast, wish.codec) : screenEncodings(wish.screen);
    const codec = this.device.sendRtpCapabilities.codecs?.find((one) => one.mimeType.toLowerCase() === `video/${wish.codec}`);
    return { encodings, codecOptions: { videoGoogleStartBitrate: START_KBPS }, ...(codec ? { codec } : {}) };
  }

  /** Text or film: what is kept when the network is weak. Takes effect on a screen that is being shared. */
  async tuneScreen(content: ScreenContent): Promise<void> {
    const producer = this.producers.get("screen");
    const sender = producer?.rtpSender;
    if (producer === undefined || sender === undefined || producer.closed) return;
    const parameters = sender.getParameters() as RTCRtpSendParameters & { degradationPreference?: string };
    parameters.degradationPreference = degradation(content);
    await sender.setParameters(parameters).catch(() => undefined); // not every browser knows the preference
    await producer.setRtpEncodingParameters({ maxFramerate: SCREEN_FPS[content] }).catch(() => undefined);
  }

  /** The server says up to which layer somebody needs a picture; -1 for nobody. */
  async need(producerId: string, most: number): Promise<void> {
    this.needed.set(producerId, most);
    for (const [source, producer] of this.producers) if (producer.id === producerId) await this.limit(source);
  }

  /** Send the camera without its largest layer, or with it again. */
  async save(on: boolean): Promise<void> {
    this.saving = on;
    await this.limit("cam");
  }

  /** One change of layers after the other: each looks at what holds when its turn comes, and at what the last one did. */
  private limit(source: Source): Promise<void> {
    const done = this.limiting.then(() => this.limitNow(source));
    this.limiting = done;
    return done;
  }

  private async limitNow(source: Source): Promise<void> {
    const producer = this.producers.get(source);
    if (producer === undefined || producer.kind !== "video" || producer.closed) return;
    const layers = producer.rtpParameters.encodings?.length ?? 1;
    const own = this.saving && source === "cam" ? Math.max(0, layers - 2) : ALL_LAYERS;
    const most = Math.min(own, this.needed.get(producer.id) ?? ALL_LAYERS);
    if (most === (producer.maxSpatialLayer ?? ALL_LAYERS)) return;
    await producer.setMaxSpatialLayer(most).catch(() => undefined); // closed in between
  }

  /** Stop sending a source for good. */
  stop(source: Source): void {
    const producer = this.producers.get(source);
    if (producer === undefined) return;
    this.producers.delete(source);
    this.needed.delete(producer.id);
    producer.close();
    void this.ask("close_producer", { producer_id: producer.id }).catch(() => undefined);
  }

  /** Switch a source off or on; the others are told. */
  async pause(source: Source, paused: boolean): Promise<void> {
    const producer = this.producers.get(source);
    if (producer === undefined) return;
    if (paused) producer.pause();
    else producer.resume();
    await this.ask("pause_producer", { producer_id: producer.id, paused }).catch(() => undefined);
  }

  /** Another device: the same stream, or a new one where the picture's size or the codec asks for other layers. */
  async replace(source: Source, track: MediaStreamTrack, wish: SendWish): Promise<void> {
    const producer = this.producers.get(source);
    if (producer === undefined) return;
    if (source !== "mic" && !this.fits(source, producer, track, wish)) await this.produce(source, track, producer.paused, wish);
    else await producer.replaceTrack({ track });
  }

  private fits(source: "cam" | "screen", producer: types.Producer, track: MediaStreamTrack, wish: SendWish): boolean {
    if (this.codecs.get(source) !== wish.codec) return false;
    if (source === "screen") return true;
    return cameraEncodings(track.getSettings(), this.simulcast, wish.codec).length === producer.rtpParameters.encodings?.length;
  }

  /** After a lost socket: say again what may not have been heard. */
  async repeatPauses(): Promise<void> {
    for (const producer of this.producers.values()) {
      await this.ask("pause_producer", { producer_id: producer.id, paused: producer.paused }).catch(() => undefined);
    }
    for (const transport of [this.send, this.recv]) {
      if (transport !== null && pathOf(transport.connectionState) === "broken") void this.restart(transport);
    }
  }

  /** Receive these streams; all at once is one negotiation (10 in 19 ms instead of 95). */
  async consume(infos: ConsumerInfo[]): Promise<Map<string, MediaStreamTrack>> {
    const fresh = infos.filter((info) => !this.consumers.has(info.id));
    const made = await Promise.all(
      fresh.map((info) =>
        this.recv.consume({
          id: info.id,
          producerId: info.producer_id,
          kind: info.kind,
          rtpParameters: info.rtp_parameters,
          // Sound and face of a person are kept in step by the browser; a screen has no lips.
          streamId: info.source === "screen" ? `${info.peer_id}-screen` : info.peer_id,
        }),
      ),
    );
    for (const consumer of made) {
      this.consumers.set(consumer.id, consumer);
      this.applyDelay(consumer);
    }
    return new Map(made.map((consumer) => [consumer.id, consumer.track]));
  }

  /** Keep a stream back for so long that what was lost can still be sent again. */
  holdBack(consumerId: string, delayMs: number): void {
    this.delays.set(consumerId, delayMs);
    const consumer = this.consumers.get(consumerId);
    if (consumer !== undefined) this.applyDelay(consumer);
  }

  private applyDelay(consumer: types.Consumer): void {
    const receiver = consumer.rtpReceiver as (RTCRtpReceiver & { jitterBufferTarget?: number | null }) | undefined;
    const delay = this.delays.get(consumer.id);
    if (receiver === undefined || delay === undefined) return;
    receiver.jitterBufferTarget = delay > 0 ? delay : null; // unknown to older browsers, which then ignore it
  }

  /** Stop receiving one stream. */
  drop(consumerId: string): void {
    this.delays.delete(consumerId);
    this.consumers.get(consumerId)?.close();
    this.consumers.delete(consumerId);
  }

  /** The id of the track that a consumer plays, as the browser's statistics name it. */
  trackId(consumerId: string): string | null {
    return this.consumers.get(consumerId)?.track.id ?? null;
  }

  /** Statistics of the browser for what is sent and what is received. */
  async statistics(): Promise<{ sent: RTCStatsReport | null; received: RTCStatsReport | null }> {
    const of = (transport: types.Transport | null) =>
      transport === null || transport.closed || transport.connectionState === "new"
        ? Promise.resolve(null)
        : transport.getStats().catch(() => null);
    const [sent, received] = await Promise.all([of(this.send), of(this.recv)]);
    return { sent, received };
  }

  /** Loudness of each received sound as its sender measured it, 0 to 1 (RFC 6464). */
  levels(): Map<string, number> {
    const found = new Map<string, number>();
    for (const consumer of this.consumers.values()) {
      if (consumer.kind !== "audio") continue;
      const source = consumer.rtpReceiver?.getSynchronizationSources()[0];
      if (source?.audioLevel !== undefined) found.set(consumer.id, source.audioLevel);
    }
    return found;
  }

  close(): void {
    this.closed = true;
    this.send?.close();
    this.recv.close();
    this.producers.clear();
    this.consumers.clear();
  }

  private prepare(transport: types.Transport): types.Transport {
    transport.on("connect", ({ dtlsParameters }, done, failed) => {
      const { role, fingerprints } = dtlsParameters;
      this.ask("connect", { transport_id: transport.id, dtls_parameters: { role: role ?? "auto", fingerprints } }).then(
        done,
        failed,
      );
    });
    transport.on("produce", ({ kind, rtpParameters, appData }, done, failed) => {
      const data = { transport_id: transport.id, source: appData["source"], kind, rtp_parameters: rtpParameters };
      this.ask<{ producer_id: string }>("produce", data).then(({ producer_id }) => done({ id: producer_id }), failed);
    });
    transport.on("connectionstatechange", (state) => {
      if (this.closed) return;
      this.events.path();
      if (pathOf(state) === "broken") void this.restart(transport);
    });
    return transport;
  }

  /** New ICE credentials until the path is up again; without a socket the next `resumed` tries again. */
  private async restart(transport: types.Transport): Promise<void> {
    if (this.restarting.has(transport)) return;
    this.restarting.add(transport);
    try {
      while (!this.closed && pathOf(transport.connectionState) === "broken") {
        const { ice_parameters } = await this.ask<{ ice_parameters: types.IceParameters }>("restart_ice", {
          transport_id: transport.id,
        });
        await transport.restartIce({ iceParameters: ice_parameters });
        await new Promise((resolve) => setTimeout(resolve, RESTART_EVERY_MS));
      }
    } catch (error) {
      if (error instanceof RequestFault && error.code === "unknown_transport" && !this.closed) this.events.gone();
    } finally {
      this.restarting.delete(transport);
    }
  }
}

/** What a person needs to know of RTCPeerConnection's connectionState. */
export function pathOf(state: types.ConnectionState): Path {
  switch (state) {
    case "new":
    case "closed":
      return "idle";
    case "connecting":
      return "connecting";
    case "connected":
      return "connected";
    case "disconnected":
    case "failed":
      return "broken";
  }
}

function options(info: TransportInfo, welcome: Welcome): types.TransportOptions {
  return {
    id: info.id,
    iceParameters: info.iceParameters,
    iceCandidates: info.iceCandidates,
    dtlsParameters: info.dtlsParameters,
    iceServers: welcome.ice_servers,
  };
}
