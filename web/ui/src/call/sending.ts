// SPDX-License-Identifier: Apache-2.0
// What this page sends, brought in line with what it shall send: by whatever link there is at the moment.

import type { types } from "mediasoup-client";

import type { MediaLink, SendWish } from "./medialink.ts";
import { RequestFault } from "./protocol.ts";
import type { Source } from "./protocol.ts";
import { codecInfo, pickCodec, type CodecInfo, type CodecWish, type ScreenContent, type VideoCodec } from "./publishing.ts";

export interface LocalTrack {
  track: MediaStreamTrack | null;
  on: boolean;
}

/** How this page wants to send its pictures. */
export interface Preferences {
  codec: CodecWish;
  screen: ScreenContent;
  /** Without the largest layer of the camera. */
  saving: boolean;
}

const RETRY_PRODUCE_MS = 1_000;
const SOURCES = ["mic", "cam", "screen"] as const;

export class Sending {
  readonly local: Record<Source, LocalTrack> = {
    mic: { track: null, on: false },
    cam: { track: null, on: false },
    screen: { track: null, on: false },
  };
  private readonly way: () => MediaLink | null;
  private preferences: Preferences = { codec: "auto", screen: "detail", saving: false };
  private offered: ReadonlySet<VideoCodec> = new Set();
  /** What the browser is good at; asked once, and only where there is a choice. */
  private infos: Promise<{ vp8: CodecInfo | null; h264: CodecInfo | null }> | null = null;
  private syncing: Promise<void> | null = null;
  private syncAgain = false;

  /** `way` gives the link to send by, null while there is none. */
  constructor(way: () => MediaLink | null) {
    this.way = way;
  }

  /** What the server takes, of what the browser can send. */
  offer(capabilities: types.RtpCapabilities): void {
    const names = capabilities.codecs?.map((codec) => codec.mimeType.toLowerCase()) ?? [];
    this.offered = new Set((["vp8", "h264"] as const).filter((codec) => names.includes(`video/${codec}`)));
  }

  prefer(preferences: Preferences): void {
    const { saving, screen } = this.preferences;
    this.preferences = preferences;
    const link = this.way();
    if (preferences.saving !== saving) void link?.save(preferences.saving);
    if (preferences.screen !== screen) void link?.tuneScreen(preferences.screen);
    void this.sync();
  }

  /** A new link: tell it what does not come with a track, and send all. */
  begin(link: MediaLink): void {
    void link.save(this.preferences.saving);
    void this.sync();
  }

  /** Calls during the work make it look once more. */
  sync(): Promise<void> {
    if (this.syncing !== null) {
      this.syncAgain = true;
      return this.syncing;
    }
    this.syncing = this.syncAll().finally(() => {
      this.syncing = null;
      if (this.syncAgain) {
        this.syncAgain = false;
        void this.sync();
      }
    });
    return this.syncing;
  }

  private async syncAll(): Promise<void> {
    const link = this.way();
    if (link === null || !link.maySend) return;
    const results = await Promise.allSettled(SOURCES.map((source) => this.syncOne(link, source)));
    const failed = results.some(
      (result) =>
        result.status === "rejected" &&
        !(result.reason instanceof RequestFault && ["lost", "ended"].includes(result.reason.code)),
    );
    if (failed && !link.closed) setTimeout(() => void this.sync(), RETRY_PRODUCE_MS);
  }

  private async syncOne(link: MediaLink, source: Source): Promise<void> {
    const { track, on } = this.local[source];
    const wanted = track !== null && track.readyState === "live" ? track : null;
    if (!link.has(source)) {
      if (wanted !== null) await link.produce(source, wanted, !on, await this.wish());
      return;
    }
    if (track === null) {
      link.stop(source);
      return;
    }
    if (wanted !== null) await link.replace(source, wanted, await this.wish());
    await link.pause(source, !on);
  }

  private async wish(): Promise<SendWish> {
    const { codec, screen } = this.preferences;
    if (this.offered.size === 2 && codec === "auto") this.infos ??= askBrowser();
    const infos = (await this.infos) ?? { vp8: null, h264: null };
    return { codec: pickCodec(codec, this.offered, infos, navigator.hardwareConcurrency), screen };
  }
}

async function askBrowser() {
  const [vp8, h264] = await Promise.all([codecInfo("vp8"), codecInfo("h264")]);
  return { vp8, h264 };
}
