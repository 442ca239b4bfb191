// SPDX-License-Identifier: Apache-2.0
// How loud a microphone is, for the meter that answers "does it hear me?".

/** From silence (0) to full scale (1), on a scale that follows the ear: 60 dB from end to end. */
export function loudness(rms: number): number {
  if (rms <= 0) return 0;
  return Math.min(1, Math.max(0, 1 + (20 * Math.log10(rms)) / 60));
}

/** Reads the level of `track` whenever asked; `close` ends it. */
export class LevelMeter {
  private readonly context: AudioContext;
  private readonly analyser: AnalyserNode;
  private readonly source: MediaStreamAudioSourceNode;
  private readonly buffer: Float32Array<ArrayBuffer>;

  constructor(track: MediaStreamTrack) {
    this.context = new AudioContext();
    this.analyser = this.context.createAnalyser();
    this.analyser.fftSize = 1024;
    this.buffer = new Float32Array(this.analyser.fftSize);
    this.source = this.context.createMediaStreamSource(new MediaStream([track]));
    this.source.connect(this.analyser);
    // Allowed once a microphone was granted; a refusal leaves the meter at zero.
    void this.context.resume().catch(() => undefined);
  }

  /** 0 to 1. */
  read(): number {
    this.analyser.getFloatTimeDomainData(this.buffer);
    let sum = 0;
    for (const value of this.buffer) sum += value * value;
    return loudness(Math.sqrt(sum / this.buffer.length));
  }

  close(): void {
    this.source.disconnect();
    void this.context.close().catch(() => undefined);
  }
}
