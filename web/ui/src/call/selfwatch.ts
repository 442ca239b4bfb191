// SPDX-License-Identifier: Apache-2.0
// Looks at this page's own camera and microphone while they are on, and tells the server what is wrong with them.
// Cheap for an old computer: a third of a second of samples four times a second, a picture of 32 x 18 twice.
import { signal } from "@preact/signals";
import type { CallEngine } from "./engine.ts";
import { isBlack, Lasting, RULES, soundTrouble, type SourceTrouble } from "./judging.ts";
import type { LocalMedia } from "./local.ts";
import { RequestFault } from "./protocol.ts";

const EVERY_MS = 250;
const AGAIN_MS = 1_000;
/** At 48 kHz more than EVERY_MS: no syllable falls between two looks. */
const SAMPLES = 16_384;
const WIDTH = 32;
const HEIGHT = 18;

type Measured = "mic" | "cam";

/** The newest samples of one microphone. */
class Ears {
  private readonly context = new AudioContext();
  private readonly analyser = this.context.createAnalyser();
  private readonly source: MediaStreamAudioSourceNode;
  private readonly buffer = new Float32Array(SAMPLES);

  constructor(readonly track: MediaStreamTrack) {
    this.analyser.fftSize = SAMPLES;
    this.source = this.context.createMediaStreamSource(new MediaStream([track]));
    this.source.connect(this.analyser);
    void this.context.resume().catch(() => undefined);
  }

  /** Null while the browser does not let us listen: that is no silence. */
  read(): Float32Array | null {
    if (this.context.state !== "running") return null;
    this.analyser.getFloatTimeDomainData(this.buffer);
    return this.buffer;
  }

  close(): void {
    this.source.disconnect();
    void this.context.close().catch(() => undefined);
  }
}

/** The newest picture of one camera, very small. */
class Eyes {
  private readonly video = document.createElement("video");
  private readonly canvas = document.createElement("canvas");
  private readonly paper: CanvasRenderingContext2D | null;

  constructor(readonly track: MediaStreamTrack) {
    this.canvas.width = WIDTH;
    this.canvas.height = HEIGHT;
    this.paper = this.canvas.getContext("2d", { willReadFrequently: true, alpha: false });
    this.video.muted = this.video.playsInline = true;
    this.video.srcObject = new MediaStream([track]);
    void this.video.play().catch(() => undefined);
  }

  /** Null before the first picture. */
  read(): Uint8ClampedArray | null {
    if (this.paper === null || this.video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return null;
    this.paper.drawImage(this.video, 0, 0, WIDTH, HEIGHT);
    return this.paper.getImageData(0, 0, WIDTH, HEIGHT).data;
  }

  close(): void {
    this.video.srcObject = null;
  }
}

export class SelfWatch {
  /** What is wrong now, for the page. */
  readonly troubles = signal<Readonly<Record<Measured, SourceTrouble | null>>>({ mic: null, cam: null });
  private readonly local: LocalMedia;
  private engine: CallEngine | null = null;
  private timer = 0;
  private turn = 0;
  private ears: Ears | null = null;
  private eyes: Eyes | null = null;
  private readonly black = new Lasting(RULES.black);
  private readonly silent = new Lasting(RULES.silent);
  private readonly clipping = new Lasting(RULES.clipping);
  /** What the server knows, in this place of the room. */
  private told: Record<Measured, SourceTrouble | null> = { mic: null, cam: null };
  private place = 0;
  private readonly busy = new Set<Measured>();
  private rest_ms = 0;

  constructor(local: LocalMedia) {
    this.local = local;
  }

  attach(engine: CallEngine): void {
    this.engine = engine;
    this.place = 0;
    this.timer = window.setInterval(() => this.look(), EVERY_MS);
  }

  detach(): void {
    clearInterval(this.timer);
    this.engine = null;
    this.listen(null);
    this.watch(null);
    this.troubles.value = { mic: null, cam: null };
  }

  private look(): void {
    const now = performance.now();
    const mic = this.local.on("mic") ? this.local.mic.value.track : null;
    const cam = this.local.on("cam") ? this.local.cam.value.track : null;
    if (mic !== (this.ears?.track ?? null)) this.listen(mic);
    if (cam !== (this.eyes?.track ?? null)) this.watch(cam);
    const samples = this.ears?.read() ?? null;
    if (samples !== null) {
      const found = soundTrouble(samples);
      this.silent.look(found === "silent", now);
      this.clipping.look(found === "clipping", now);
    }
    const pixels = this.turn++ % 2 === 0 ? (this.eyes?.read() ?? null) : null;
    if (pixels !== null) this.black.look(isBlack(pixels), now);
    this.say({
      mic: this.silent.on ? "silent" : this.clipping.on ? "clipping" : null,
      cam: this.black.on ? "black" : null,
    });
  }

  private listen(track: MediaStreamTrack | null): void {
    this.ears?.close();
    this.ears = track === null ? null : new Ears(track);
    this.silent.reset();
    this.clipping.reset();
  }

  private watch(track: MediaStreamTrack | null): void {
    this.eyes?.close();
    this.eyes = track === null ? null : new Eyes(track);
    this.black.reset();
  }

  private say(next: Record<Measured, SourceTrouble | null>): void {
    const { mic, cam } = this.troubles.value;
    if (next.mic !== mic || next.cam !== cam) this.troubles.value = next;
    const place = this.engine?.place ?? 0;
    if (place !== this.place) {
      this.place = place;
      this.told = { mic: null, cam: null };
    }
    if (performance.now() < this.rest_ms) return;
    for (const source of ["mic", "cam"] as const) if (next[source] !== this.told[source]) void this.tell(source, next[source]);
  }

  /** Again until the server took it; of a source that is not sent (any more) it wants to know nothing. */
  private async tell(source: Measured, trouble: SourceTrouble | null): Promise<void> {
    const { engine, place } = this;
    if (engine === null || this.busy.has(source) || !engine.takesReports) return;
    this.busy.add(source);
    try {
      await engine.report(source, trouble);
      if (place === this.place) this.told[source] = trouble;
    } catch (error) {
      this.rest_ms = performance.now() + AGAIN_MS;
      if (error instanceof RequestFault && error.code === "unknown_producer") this.told[source] = null;
    } finally {
      this.busy.delete(source);
    }
  }
}
