// SPDX-License-Identifier: Apache-2.0
// Camera, microphone and screen of this browser: asking for them, remembering the choice, and saying what is wrong.

import { SCREEN_FPS, type CodecWish, type ScreenContent } from "./publishing.ts";

export type InputKind = "mic" | "cam";

/** Why there is no picture or sound. Each has its sentence in call.ftl (`call-fault-…`). */
export type MediaFault =
  | "insecure" // no secure context: the browser has no mediaDevices at all
  | "refused" // the person or the system said no
  | "none" // there is no such device
  | "busy" // another program has it
  | "unsuited" // the chosen device is gone or cannot do what was asked
  | "ended" // it was there and went away
  | "unknown";

export class MediaError extends Error {
  readonly fault: MediaFault;
  readonly detail: string;

  constructor(fault: MediaFault, detail = "") {
    super(fault);
    this.name = "MediaError";
    this.fault = fault;
    this.detail = detail;
  }
}

/** What getUserMedia's error means for a person (Media Capture and Streams, section 10.2). */
export function faultOf(error: unknown): MediaError {
  if (error instanceof MediaError) return error;
  const name = (error as { name?: string } | null)?.name ?? "";
  const detail = `${name}: ${(error as { message?: string } | null)?.message ?? String(error)}`;
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
    case "PermissionDeniedError":
      return new MediaError("refused", detail);
    case "NotFoundError":
    case "DevicesNotFoundError":
      return new MediaError("none", detail);
    case "NotReadableError":
    case "TrackStartError":
    case "AbortError":
      return new MediaError("busy", detail);
    case "OverconstrainedError":
    case "ConstraintNotSatisfiedError":
      return new MediaError("unsuited", detail);
    default:
      return new MediaError("unknown", detail);
  }
}

/** What a person chose on this browser; kept between calls. Empty id: the system's default. */
export interface Choice {
  mic: string;
  cam: string;
  speaker: string;
  /** Sound as the microphone gives it: no echo, noise and level processing. */
  original: boolean;
  micOn: boolean;
  camOn: boolean;
  codec: CodecWish;
  /** What a shared screen mostly shows. */
  screen: ScreenContent;
  /** Full or small pictures; sound only is chosen for one call and not kept. */
  pictures: "auto" | "normal" | "low";
  /** Kilobits a second that the pictures of the others may use at most; 0 for no bound. */
  cap_kbps: number;
}

/** Bounds that can be chosen. */
export const CAPS_KBPS: readonly number[] = [0, 4000, 2000, 1000, 500];

const KEY = "videohome-devices";
const DEFAULT: Choice = {
  mic: "",
  cam: "",
  speaker: "",
  original: false,
  micOn: true,
  camOn: true,
  codec: "auto",
  screen: "detail",
  pictures: "auto",
  cap_kbps: 0,
};

export function loadChoice(store: Pick<Storage, "getItem"> = localStorage): Choice {
  try {
    const kept = JSON.parse(store.getItem(KEY) ?? "{}") as Partial<Record<keyof Choice, unknown>>;
    const choice: Choice = { ...DEFAULT };
    for (const name of ["mic", "cam", "speaker"] as const) {
      if (typeof kept[name] === "string") choice[name] = kept[name];
    }
    for (const name of ["original", "micOn", "camOn"] as const) {
      if (typeof kept[name] === "boolean") choice[name] = kept[name];
    }
    choice.codec = oneOf(["auto", "vp8", "h264"], kept.codec) ?? choice.codec;
    choice.screen = oneOf(["detail", "motion"], kept.screen) ?? choice.screen;
    choice.pictures = oneOf(["auto", "normal", "low"], kept.pictures) ?? choice.pictures;
    choice.cap_kbps = oneOf(CAPS_KBPS, kept.cap_kbps) ?? choice.cap_kbps;
    return choice;
  } catch {
    return { ...DEFAULT };
  }
}

function oneOf<T>(allowed: readonly T[], value: unknown): T | undefined {
  return allowed.find((one) => one === value);
}

export function saveChoice(choice: Choice, store: Pick<Storage, "setItem"> = localStorage): void {
  try {
    store.setItem(KEY, JSON.stringify(choice));
  } catch {
    // Storage may be full or forbidden: the choice then lasts as long as the page.
  }
}

export function micConstraints(choice: Choice): MediaTrackConstraints {
  const clean = !choice.original;
  return {
    ...(choice.mic ? { deviceId: { exact: choice.mic } } : {}),
    echoCancellation: clean,
    noiseSuppression: clean,
    autoGainControl: clean,
    channelCount: { ideal: 1 },
    sampleRate: { ideal: 48_000 },
  };
}

export function camConstraints(choice: Choice): MediaTrackConstraints {
  return {
    ...(choice.cam ? { deviceId: { exact: choice.cam } } : {}),
    width: { ideal: 1280 },
    height: { ideal: 720 },
    frameRate: { ideal: 30, max: 30 },
  };
}

/** One track of the chosen microphone or camera. A remembered device that is gone gives way to the default one. */
export async function openInput(kind: InputKind, choice: Choice): Promise<MediaStreamTrack> {
  const devices = mediaDevices();
  const ask = async (wanted: Choice): Promise<MediaStreamTrack> => {
    const stream = await devices.getUserMedia(
      kind === "mic" ? { audio: micConstraints(wanted) } : { video: camConstraints(wanted) },
    );
    const track = stream.getTracks()[0];
    if (track === undefined) throw new MediaError("none");
    if (kind === "cam") track.contentHint = "motion";
    return track;
  };
  try {
    return await ask(choice);
  } catch (error) {
    const fault = faultOf(error);
    if (choice[kind] === "" || (fault.fault !== "unsuited" && fault.fault !== "none")) throw fault;
    try {
      return await ask({ ...choice, [kind]: "" });
    } catch (second) {
      throw faultOf(second);
    }
  }
}

export function screenConstraints(content: ScreenContent): MediaTrackConstraints {
  const fps = SCREEN_FPS[content];
  return { width: { max: 1920 }, height: { max: 1080 }, frameRate: { ideal: fps, max: content === "motion" ? 30 : 15 } };
}

/** A picture of the screen, asked for by the browser's own dialog. Null when the person changed their mind. */
export async function openScreen(content: ScreenContent): Promise<MediaStreamTrack | null> {
  const devices = mediaDevices();
  try {
    const stream = await devices.getDisplayMedia({ video: screenConstraints(content) });
    const track = stream.getVideoTracks()[0] ?? null;
    if (track !== null) track.contentHint = content;
    return track;
  } catch (error) {
    const fault = faultOf(error);
    if (fault.fault === "refused") return null;
    throw fault;
  }
}

export interface DeviceList {
  mic: MediaDeviceInfo[];
  cam: MediaDeviceInfo[];
  speaker: MediaDeviceInfo[];
}

/** What can be chosen from. Names are empty until a permission was given once. */
export async function listDevices(): Promise<DeviceList> {
  const found = await mediaDevices().enumerateDevices();
  const of = (kind: MediaDeviceKind) => found.filter((device) => device.kind === kind && device.deviceId !== "");
  return { mic: of("audioinput"), cam: of("videoinput"), speaker: of("audiooutput") };
}

/** Calls back when a device came or went; returns how to stop. */
export function watchDevices(changed: () => void): () => void {
  if (!canCapture()) return () => {};
  navigator.mediaDevices.addEventListener("devicechange", changed);
  return () => navigator.mediaDevices.removeEventListener("devicechange", changed);
}

/** False on plain http: browsers then have no cameras at all. */
export function canCapture(): boolean {
  return typeof navigator !== "undefined" && (navigator.mediaDevices as MediaDevices | undefined) !== undefined;
}

export function canChooseSpeaker(): boolean {
  return typeof HTMLMediaElement !== "undefined" && "setSinkId" in HTMLMediaElement.prototype;
}

function mediaDevices(): MediaDevices {
  if (!canCapture()) throw new MediaError("insecure");
  return navigator.mediaDevices;
}
