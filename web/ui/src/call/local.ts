// SPDX-License-Identifier: Apache-2.0
// Camera, microphone and screen of this page as signals: opened, switched, replaced, remembered.
import { signal } from "@preact/signals";
import { api } from "../api";
import type { CallEngine } from "./engine.ts";
import {
  canCapture,
  type Choice,
  type DeviceList,
  faultOf,
  type InputKind,
  listDevices,
  loadChoice,
  MediaError,
  openInput,
  openScreen,
  saveChoice,
  screenConstraints,
  watchDevices,
} from "./devices.ts";
import type { Source } from "./protocol.ts";
import type { CodecWish, ScreenContent } from "./publishing.ts";
import type { Speakers } from "./speakers.ts";

export interface Input {
  track: MediaStreamTrack | null;
  fault: MediaError | null;
  opening: boolean;
}

/** Tell the technician's counters; the person is told by the page itself. */
function report(source: Source, fault: MediaError): MediaError {
  void api.deviceFault(source, fault.fault).catch(() => undefined);
  return fault;
}

const CLOSED: Input = { track: null, fault: null, opening: false };

export class LocalMedia {
  readonly choice = signal<Choice>(loadChoice());
  readonly devices = signal<DeviceList>({ mic: [], cam: [], speaker: [] });
  readonly mic = signal<Input>(CLOSED);
  readonly cam = signal<Input>(CLOSED);
  readonly screen = signal<MediaStreamTrack | null>(null);
  readonly screenFault = signal<MediaError | null>(null);
  /** Sound only: the camera is let go until this ends, whatever the switch says. */
  readonly voiceOnly = signal(false);
  /** Told when the person switches the camera on in spite of it. */
  onCamera: () => void = () => undefined;
  private saving = false;
  private engine: CallEngine | null = null;
  private speakers: Speakers | null = null;
  /** Counts the openings of each input: an answer to an older question is thrown away. */
  private readonly turn = { mic: 0, cam: 0 };
  private readonly unwatch: () => void;

  constructor() {
    this.unwatch = watchDevices(() => void this.refresh());
  }

  /** Open what the person last had on; a switched-off camera is not even asked for. */
  async openAll(): Promise<void> {
    const camOn = this.choice.value.camOn && !this.voiceOnly.value;
    await Promise.all([this.open("mic"), camOn ? this.open("cam") : Promise.resolve()]);
  }

  /** (Again) open one input with the present choice. */
  async open(kind: InputKind): Promise<void> {
    const turn = ++this.turn[kind];
    const input = this[kind];
    const old = input.value.track;
    input.value = { track: old, fault: null, opening: true };
    // Some drivers give a camera to one taker only: the old one goes first.
    if (kind === "cam") old?.stop();
    try {
      const track = await openInput(kind, this.choice.value);
      if (turn !== this.turn[kind]) {
        track.stop();
        return;
      }
      if (kind === "mic") old?.stop();
      track.addEventListener("ended", () => this.lost(kind, track));
      input.value = { track, fault: null, opening: false };
    } catch (error) {
      if (turn !== this.turn[kind]) return;
      old?.stop();
      input.value = { track: null, fault: report(kind, faultOf(error)), opening: false };
    }
    this.pass(kind);
    void this.refresh();
  }

  /** Switch on or off, and remember it. A camera that is off is let go: its light goes out. */
  async switch(kind: InputKind, on: boolean): Promise<void> {
    this.change(kind === "mic" ? { micOn: on } : { camOn: on });
    if (kind === "cam" && on && this.voiceOnly.value) {
      this.voiceOnly.value = false;
      this.onCamera();
    }
    const { track } = this[kind].value;
    if (on && (track === null || track.readyState === "ended")) {
      await this.open(kind);
      return;
    }
    if (!on && kind === "cam") this.letGo();
    this.pass(kind);
  }

  /** Sound only, or with the camera again if it was on. */
  async setVoiceOnly(on: boolean): Promise<void> {
    if (on === this.voiceOnly.value) return;
    this.voiceOnly.value = on;
    if (on) this.letGo();
    else if (this.choice.value.camOn) await this.open("cam");
    this.pass("cam");
  }

  private letGo(): void {
    const { track } = this.cam.value;
    this.turn.cam++;
    track?.stop();
    this.cam.value = { ...CLOSED, track };
  }

  /** Take another device. */
  async choose(kind: InputKind | "speaker", id: string): Promise<void> {
    this.change({ [kind]: id });
    if (kind === "speaker") this.speakers?.choose(id);
    else if (kind === "mic" || (this.choice.value.camOn && !this.voiceOnly.value)) await this.open(kind);
  }

  /** Sound as the microphone gives it, or cleaned of echo and noise. */
  async setOriginal(original: boolean): Promise<void> {
    this.change({ original });
    // Also while it is being opened: that question still asks for the sound of before.
    if (this.mic.value.track !== null || this.mic.value.opening) await this.open("mic");
  }

  /** Share the screen, or stop. */
  async share(on: boolean): Promise<void> {
    this.screen.value?.stop();
    this.screen.value = null;
    this.screenFault.value = null;
    if (on) {
      try {
        const track = await openScreen(this.choice.value.screen);
        track?.addEventListener("ended", () => void this.share(false));
        this.screen.value = track;
      } catch (error) {
        this.screenFault.value = report("screen", faultOf(error));
      }
    }
    this.pass("screen");
  }

  /** Text or film: of a screen that is shared now, and of the next ones. */
  async setScreenContent(content: ScreenContent): Promise<void> {
    this.change({ screen: content });
    const track = this.screen.value;
    if (track !== null) {
      track.contentHint = content;
      await track.applyConstraints(screenConstraints(content)).catch(() => undefined);
    }
    this.prefer();
  }

  setCodec(codec: CodecWish): void {
    this.change({ codec });
    this.prefer();
  }

  /** What the person chose about the pictures of the others; nothing of it needs a device. */
  setPictures(part: Partial<Pick<Choice, "pictures" | "cap_kbps">>): void {
    this.change(part);
  }

  /** Send the camera without its largest layer, or with it again. */
  save(on: boolean): void {
    this.saving = on;
    this.prefer();
  }

  private prefer(): void {
    const { codec, screen } = this.choice.value;
    this.engine?.prefer({ codec, screen, saving: this.saving });
  }

  /** From now on tracks go into this call and its sound comes out of the chosen loudspeaker. */
  attach(engine: CallEngine, speakers: Speakers): void {
    this.engine = engine;
    this.speakers = speakers;
    speakers.choose(this.choice.value.speaker);
    this.prefer();
    for (const source of ["mic", "cam", "screen"] as const) this.pass(source);
  }

  /** The call is over; the inputs stay open until `close`. */
  detach(): void {
    this.engine = null;
    this.speakers = null;
  }

  close(): void {
    this.unwatch();
    this.detach();
    this.turn.mic++;
    this.turn.cam++;
    for (const track of [this.mic.value.track, this.cam.value.track, this.screen.value]) track?.stop();
    this.mic.value = this.cam.value = CLOSED;
    this.screen.value = null;
  }

  /** Is a source being sent with something in it? */
  on(source: Source): boolean {
    if (source === "screen") return this.screen.value !== null;
    const { micOn, camOn } = this.choice.value;
    const wanted = source === "mic" ? micOn : camOn && !this.voiceOnly.value;
    return wanted && this[source].value.track?.readyState === "live";
  }

  private pass(source: Source): void {
    const track = source === "screen" ? this.screen.value : this[source].value.track;
    this.engine?.setLocal(source, track, this.on(source));
  }

  /** The device was pulled out, or the system took it. */
  private lost(kind: InputKind, track: MediaStreamTrack): void {
    if (this[kind].value.track !== track) return;
    this[kind].value = { track: null, fault: report(kind, new MediaError("ended")), opening: false };
    this.pass(kind);
    void this.refresh();
  }

  private change(part: Partial<Choice>): void {
    this.choice.value = { ...this.choice.value, ...part };
    saveChoice(this.choice.value);
  }

  private async refresh(): Promise<void> {
    if (!canCapture()) return;
    this.devices.value = await listDevices().catch(() => this.devices.value);
  }
}
