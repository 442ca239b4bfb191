// SPDX-License-Identifier: Apache-2.0
/** The first byte of an Opus packet (RFC 6716 section 3.1), which says how long the packet sounds. */

const SILK_MS = [10, 20, 40, 60];
const HYBRID_MS = [10, 20];
const CELT_MS = [2.5, 5, 10, 20];

/** Milliseconds that the packet sounds; 0 for bytes that are no Opus packet. */
export function opusDurationMs(packet: Uint8Array): number {
  const toc = packet[0];
  if (toc === undefined) return 0;
  const frames = frameCount(packet);
  return frames * frameMs(toc >> 3);
}

function frameMs(config: number): number {
  if (config < 12) return SILK_MS[config & 3] ?? 0;
  if (config < 16) return HYBRID_MS[config & 1] ?? 0;
  return CELT_MS[config & 3] ?? 0;
}

function frameCount(packet: Uint8Array): number {
  const code = (packet[0] ?? 0) & 3;
  if (code === 0) return 1;
  if (code < 3) return 2;
  return (packet[1] ?? 0) & 63;
}

/**
 * A packet that stands for one that never came: same mode, an empty frame. The decoder conceals it and fades to
 * silence, as it did in the call.
 */
export function emptyOpus(like: Uint8Array): Uint8Array {
  return new Uint8Array([(like[0] ?? 0) & 0xfc]);
}
