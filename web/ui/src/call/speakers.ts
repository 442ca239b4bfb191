// SPDX-License-Identifier: Apache-2.0
// Sound of the others: one audio element for each track, so that tiles may come and go without a gap in the sound.

export class Speakers {
  /** True while the browser refuses to play without a click. */
  blocked = false;
  private readonly elements = new Map<string, HTMLAudioElement>();
  private readonly changed: () => void;
  private sinkId = "";

  constructor(changed: () => void) {
    this.changed = changed;
  }

  /** Play exactly these tracks (key: peer id). */
  play(tracks: ReadonlyMap<string, MediaStreamTrack>): void {
    for (const [key, element] of this.elements) {
      if (!tracks.has(key)) {
        element.srcObject = null;
        element.remove();
        this.elements.delete(key);
      }
    }
    for (const [key, track] of tracks) {
      let element = this.elements.get(key);
      const playing = element?.srcObject;
      if (playing instanceof MediaStream && playing.getTracks()[0] === track) continue;
      if (element === undefined) {
        element = document.createElement("audio");
        element.autoplay = true;
        element.dataset["test"] = `sound-${key}`;
        document.body.append(element);
        this.elements.set(key, element);
        this.route(element);
      }
      element.srcObject = new MediaStream([track]);
      void this.startOne(element);
    }
  }

  /** After a click: play what was refused before. */
  async unblock(): Promise<void> {
    this.blocked = false;
    await Promise.all([...this.elements.values()].map((element) => this.startOne(element)));
    this.changed();
  }

  /** Use this loudspeaker; empty for the system's default. */
  choose(sinkId: string): void {
    this.sinkId = sinkId;
    for (const element of this.elements.values()) this.route(element);
  }

  close(): void {
    this.play(new Map());
  }

  private route(element: HTMLAudioElement): void {
    if ("setSinkId" in element && element.sinkId !== this.sinkId) {
      // A loudspeaker that was unplugged: the default one goes on playing.
      void element.setSinkId(this.sinkId).catch(() => undefined);
    }
  }

  private async startOne(element: HTMLAudioElement): Promise<void> {
    try {
      await element.play();
    } catch (error) {
      if ((error as DOMException).name === "NotAllowedError" && !this.blocked) {
        this.blocked = true;
        this.changed();
      }
    }
  }
}
