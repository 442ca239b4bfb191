// SPDX-License-Identifier: Apache-2.0
/** Reads and writes the little of WebM (RFC 9559) that one recorded track consists of. */

const CLUSTER = 0x1f43b675;
const SEGMENT = 0x18538067;
const TIMECODE = 0xe7;
const SIMPLE_BLOCK = 0xa3;
const BLOCK_GROUP = 0xa0;
const BLOCK = 0xa1;
const BLOCK_DURATION = 0x9b;
const REFERENCE_BLOCK = 0xfb;
const INFO = 0x1549a966;
const TIMECODE_SCALE = 0x2ad7b1;

/** Largest distance of a block from its cluster's time: it is a signed 16-bit number. */
const MAX_RELATIVE_MS = 30_000;

/** One Opus packet or one picture as it lies in the file. */
export interface Frame {
  track: number;
  time_ms: number;
  keyframe: boolean;
  data: Uint8Array;
}

/** A frame that is about to be written; without a duration the browser works it out. */
export interface TimedFrame extends Frame {
  duration_ms?: number;
}

/** The bytes are not what the recorder writes. */
export class WebmFault extends Error {}

interface Element {
  id: number;
  start: number;
  /** -1 for an element of unknown size. */
  size: number;
}

function readElement(bytes: Uint8Array, at: number): Element | null {
  const first = bytes[at];
  if (first === undefined) return null;
  const idLength = Math.clz32(first) - 23;
  if (idLength < 1 || idLength > 4) throw new WebmFault(`no element at byte ${at}`);
  let id = 0;
  for (let i = 0; i < idLength; i++) id = id * 256 + (bytes[at + i] ?? 0);
  const sizeAt = at + idLength;
  const sizeFirst = bytes[sizeAt];
  if (sizeFirst === undefined) return null;
  const sizeLength = Math.clz32(sizeFirst) - 23;
  if (sizeLength < 1 || sizeLength > 8) throw new WebmFault(`no size at byte ${sizeAt}`);
  if (sizeAt + sizeLength > bytes.length) return null;
  let size = sizeFirst & (0xff >> sizeLength);
  let unknown = size === 0xff >> sizeLength;
  for (let i = 1; i < sizeLength; i++) {
    const byte = bytes[sizeAt + i] ?? 0;
    size = size * 256 + byte;
    unknown = unknown && byte === 0xff;
  }
  return { id, start: sizeAt + sizeLength, size: unknown ? -1 : size };
}

function readUnsigned(bytes: Uint8Array, element: Element): number {
  let value = 0;
  for (let i = 0; i < element.size; i++) value = value * 256 + (bytes[element.start + i] ?? 0);
  return value;
}

/**
 * All frames in bytes that begin at a cluster (or at the file's head). An element cut off at the end is left out, so a
 * truncated file gives what it holds whole.
 */
export function readFrames(bytes: Uint8Array): Frame[] {
  const frames: Frame[] = [];
  let cluster = 0;
  let at = 0;
  while (at < bytes.length) {
    const element = readElement(bytes, at);
    if (!element) break;
    if (element.id === CLUSTER || element.id === SEGMENT) {
      at = element.start;
      continue;
    }
    if (element.size < 0) throw new WebmFault(`an element of unknown size at byte ${at}`);
    const end = element.start + element.size;
    if (end > bytes.length) break;
    if (element.id === TIMECODE) cluster = readUnsigned(bytes, element);
    else if (element.id === SIMPLE_BLOCK) frames.push(readBlock(bytes, element, cluster, null));
    else if (element.id === BLOCK_GROUP) readGroup(bytes, element, cluster, frames);
    else if (element.id === INFO) checkScale(bytes, element);
    at = end;
  }
  return frames;
}

function* children(bytes: Uint8Array, parent: Element): Generator<Element> {
  const end = parent.start + parent.size;
  for (let at = parent.start; at < end; ) {
    const child = readElement(bytes, at);
    if (!child || child.size < 0) return;
    yield child;
    at = child.start + child.size;
  }
}

function checkScale(bytes: Uint8Array, info: Element): void {
  for (const child of children(bytes, info)) {
    if (child.id === TIMECODE_SCALE && readUnsigned(bytes, child) !== 1_000_000)
      throw new WebmFault("the file does not count milliseconds");
  }
}

function readGroup(bytes: Uint8Array, group: Element, cluster: number, frames: Frame[]): void {
  let block: Element | null = null;
  let keyframe = true;
  for (const child of children(bytes, group)) {
    if (child.id === BLOCK) block = child;
    else if (child.id === REFERENCE_BLOCK) keyframe = false;
  }
  if (block) frames.push(readBlock(bytes, block, cluster, keyframe));
}

function readBlock(bytes: Uint8Array, block: Element, cluster: number, keyframe: boolean | null): Frame {
  const first = bytes[block.start] ?? 0;
  if (!(first & 0x80)) throw new WebmFault("a track number above 126");
  const relative = new DataView(bytes.buffer, bytes.byteOffset + block.start + 1, 2).getInt16(0);
  const flags = bytes[block.start + 3] ?? 0;
  if (flags & 0x06) throw new WebmFault("laced blocks");
  return {
    track: first & 0x7f,
    time_ms: cluster + relative,
    keyframe: keyframe ?? (flags & 0x80) !== 0,
    data: bytes.subarray(block.start + 4, block.start + block.size),
  };
}

/** Clusters that hold `frames`, whose times must not go backwards. */
export function writeClusters(frames: readonly TimedFrame[]): Uint8Array<ArrayBuffer> {
  const pieces: Uint8Array[] = [];
  let begin = 0;
  while (begin < frames.length) {
    const start_ms = Math.max(0, Math.round(frames[begin]?.time_ms ?? 0));
    let end = begin;
    while (end < frames.length && (frames[end]?.time_ms ?? 0) - start_ms <= MAX_RELATIVE_MS) end++;
    const blocks = frames.slice(begin, end).map((frame) => writeBlock(frame, start_ms));
    pieces.push(element(CLUSTER, [element(TIMECODE, [unsigned(start_ms)]), ...blocks]));
    begin = end;
  }
  return concat(pieces);
}

function writeBlock(frame: TimedFrame, cluster_ms: number): Uint8Array {
  const time_ms = Math.round(frame.time_ms);
  const head = new Uint8Array(4);
  head[0] = 0x80 | frame.track;
  new DataView(head.buffer).setInt16(1, time_ms - cluster_ms);
  if (frame.duration_ms === undefined) {
    head[3] = frame.keyframe ? 0x80 : 0;
    return element(SIMPLE_BLOCK, [head, frame.data]);
  }
  const inside = [
    element(BLOCK, [head, frame.data]),
    element(BLOCK_DURATION, [unsigned(Math.max(1, Math.round(frame.duration_ms)))]),
  ];
  if (!frame.keyframe) inside.push(element(REFERENCE_BLOCK, [new Uint8Array([0xff])]));
  return element(BLOCK_GROUP, inside);
}

function unsigned(value: number): Uint8Array {
  const digits: number[] = [];
  for (let rest = value; rest > 0 || digits.length === 0; rest = Math.floor(rest / 256)) digits.unshift(rest % 256);
  return new Uint8Array(digits);
}

function element(id: number, content: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const length = content.reduce((sum, piece) => sum + piece.length, 0);
  // Eight bytes of size, always: simple, and nobody stores these bytes.
  const head = new Uint8Array(8);
  const view = new DataView(head.buffer);
  view.setUint32(0, 0x01000000 + Math.floor(length / 2 ** 32));
  view.setUint32(4, length % 2 ** 32);
  return concat([unsigned(id), head, ...content]);
}

/** The pieces one after the other. */
export function concat(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.length;
  }
  return joined;
}
