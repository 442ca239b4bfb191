// SPDX-License-Identifier: Apache-2.0
// What the browser measured in the last seconds of one call: the link as a whole, and each stream of it.

import type { MediaLink } from "./medialink.ts";
import type { ConsumerInfo, LayersNote } from "./protocol.ts";
import { compare, read, type Quality, type Reading } from "./quality.ts";
import { linkOf, readStreams, StreamHistory, type StreamQuality } from "./streams.ts";

/** A stream as far as its measuring needs to know it. */
export interface Metered {
  info: ConsumerInfo;
  layers: LayersNote | null;
  /** It is on the page now. */
  shown: boolean;
}

export interface Measured {
  quality: Quality;
  /** By consumer. */
  streams: ReadonlyMap<string, StreamQuality>;
  link: { frozen: number; concealed: number; starved: boolean };
}

export class Meters {
  private reading: Reading | null = null;
  private readonly history = new StreamHistory();

  /** One look at all statistics. */
  async measure(link: MediaLink, metered: ReadonlyMap<string, Metered>): Promise<Measured> {
    const { sent, received } = await link.statistics();
    const now = performance.now();
    const reading = read(sent?.values() ?? [], received?.values() ?? [], now);
    const quality = compare(this.reading, reading);
    this.reading = reading;
    const tracks = new Map<string, string>();
    const resting = new Set<string>();
    for (const [id, one] of metered) {
      const track = link.trackId(id);
      if (track === null) continue;
      tracks.set(id, track);
      if (rests(one)) resting.add(track);
    }
    const byTrack = this.history.add(readStreams(received?.values() ?? [], now), resting);
    const streams = new Map<string, StreamQuality>();
    for (const [id, track] of tracks) {
      const found = byTrack.get(track);
      if (found !== undefined) streams.set(id, found);
    }
    return { quality, streams, link: { ...this.ofLink(streams, metered), starved: starved(metered) } };
  }

  private ofLink(streams: ReadonlyMap<string, StreamQuality>, metered: ReadonlyMap<string, Metered>) {
    const counted = [...streams].filter(([id]) => {
      const one = metered.get(id);
      // A shared screen may stand still; a picture that is not shown or not sent does.
      return one !== undefined && !rests(one) && one.info.source !== "screen";
    });
    return linkOf(counted.map(([, stream]) => stream));
  }
}

/** Nothing is to come of it now. */
function rests({ info, layers, shown }: Metered): boolean {
  if (info.paused) return true;
  return info.kind === "video" && (!shown || (layers !== null && layers.spatial === null));
}

function starved(metered: ReadonlyMap<string, Metered>): boolean {
  return [...metered.values()].some(
    ({ layers, shown, info }) => shown && !info.paused && layers?.reason === "bandwidth" && layers.spatial === null,
  );
}
