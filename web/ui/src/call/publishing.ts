// SPDX-License-Identifier: Apache-2.0
// What a page sends of its camera and screen: how many layers, how large, with how many bits, in which codec.

import type { types } from "mediasoup-client";

/** What the person wants: the browser's own judgement, or one codec in any case. */
export type CodecWish = "auto" | "vp8" | "h264";
export type VideoCodec = "vp8" | "h264";

/** A browser's answer about one codec (Media Capabilities, `webrtc`). */
export interface CodecInfo {
  supported: boolean;
  smooth: boolean;
  /** In practice: done by the graphics hardware. */
  powerEfficient: boolean;
}

/** Text and drawings want every pixel, a film wants every frame. */
export type ScreenContent = "detail" | "motion";

export const SCREEN_BITRATE = 2_500_000;
/** Frames a second of a shared screen. */
export const SCREEN_FPS: Record<ScreenContent, number> = { detail: 10, motion: 25 };
/** A computer with fewer threads than this is better off without encoding by itself. */
const WEAK_THREADS = 4;
/** Heights up to which a layer gets these bits per second. */
const BITRATES: readonly (readonly [height: number, bitrate: number])[] = [
  [200, 150_000],
  [280, 250_000],
  [400, 500_000],
  [560, 900_000],
];
const FULL_BITRATE = 1_500_000;

/** Bits per second that a picture of this height gets at most. */
export function bitrateFor(height: number): number {
  return BITRATES.find(([upTo]) => height <= upTo)?.[1] ?? FULL_BITRATE;
}

/**
 * Layers that a picture of this size can be sent in, 1 to 3.
 *
 * Chromium leaves the top layer away when the lowest one would be too small (measured: three layers of 640x480 never
 * send their full size), so a small picture gets fewer.
 */
export function layersFor(width: number, height: number): number {
  const [long, short] = [Math.max(width, height), Math.min(width, height)];
  if (long >= 960 && short >= 540) return 3;
  return long >= 480 && short >= 270 ? 2 : 1;
}

/** Encodings of a camera, small to large. `simulcast` says whether the server can tell layers apart. */
export function cameraEncodings(
  size: { width?: number | undefined; height?: number | undefined },
  simulcast: boolean,
  codec: VideoCodec,
): types.RtpEncodingParameters[] {
  const { width = 1280, height = 720 } = size;
  const short = Math.min(width, height);
  const layers = simulcast ? layersFor(width, height) : 1;
  if (layers === 1) return [{ maxBitrate: bitrateFor(short) }];
  // Hardware encoders of H264 often know no temporal layers, and would give way to software.
  const scalabilityMode = codec === "vp8" ? "L1T3" : "L1T1";
  return Array.from({ length: layers }, (_, layer) => {
    const scaleResolutionDownBy = 2 ** (layers - 1 - layer);
    return { scaleResolutionDownBy, maxBitrate: bitrateFor(short / scaleResolutionDownBy), scalabilityMode };
  });
}

/** The one encoding of a shared screen. */
export function screenEncodings(content: ScreenContent): types.RtpEncodingParameters[] {
  return [{ maxBitrate: SCREEN_BITRATE, maxFramerate: SCREEN_FPS[content] }];
}

/** What gives way first when the network or the computer is weak. */
export function degradation(content: ScreenContent): RTCDegradationPreference {
  return content === "detail" ? "maintain-resolution" : "maintain-framerate";
}

/** The codec to send in, among those that the server takes (`offered`, lower case). */
export function pickCodec(
  wish: CodecWish,
  offered: ReadonlySet<VideoCodec>,
  infos: { vp8: CodecInfo | null; h264: CodecInfo | null },
  threads: number,
): VideoCodec {
  if (!offered.has("h264")) return "vp8";
  if (!offered.has("vp8")) return "h264";
  if (wish !== "auto") return wish;
  const { vp8, h264 } = infos;
  if (h264 === null || !h264.supported) return "vp8";
  if (h264.powerEfficient) return vp8?.powerEfficient ? "vp8" : "h264";
  return threads <= WEAK_THREADS && h264.smooth && vp8?.smooth === false ? "h264" : "vp8";
}

/** Which encodings run when nothing above `most` is needed (-1: none at all). */
export function activeLayers(count: number, most: number): boolean[] {
  return Array.from({ length: count }, (_, layer) => layer <= most);
}

const CONTENT_TYPES: Record<VideoCodec, string> = {
  vp8: "video/VP8",
  h264: "video/H264;level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
};

/** Ask the browser how it would encode 720p; null where it cannot say. */
export async function codecInfo(codec: VideoCodec): Promise<CodecInfo | null> {
  try {
    return await navigator.mediaCapabilities.encodingInfo({
      type: "webrtc",
      video: { contentType: CONTENT_TYPES[codec], width: 1280, height: 720, bitrate: FULL_BITRATE, framerate: 25 },
    });
  } catch {
    return null;
  }
}
