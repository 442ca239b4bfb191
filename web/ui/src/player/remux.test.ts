// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { emptyOpus, opusDurationMs } from "./opus.ts";
import { FILL_MS, Remuxer } from "./remux.ts";
import { concat, readFrames, type TimedFrame, WebmFault, writeClusters } from "./webm.ts";

const bytes = (...values: number[]): Uint8Array => new Uint8Array(values);
const hex = (text: string): Uint8Array => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
/** CELT, 20 ms, one frame. */
const sound20 = bytes(0xf8, 1, 2, 3);
const frame = (time_ms: number, data: Uint8Array, keyframe = true): TimedFrame => ({ track: 1, time_ms, keyframe, data });
const times = (data: Uint8Array): number[] => readFrames(data).map((one) => one.time_ms);

test("Opus packets say how long they sound", () => {
  assert.equal(opusDurationMs(sound20), 20);
  assert.equal(opusDurationMs(bytes(0xe0)), 2.5);
  assert.equal(opusDurationMs(bytes(0x78 | 0)), 20);
  assert.equal(opusDurationMs(bytes(0x08)), 20);
  assert.equal(opusDurationMs(bytes(0x18)), 60);
  assert.equal(opusDurationMs(bytes(0xf9, 0)), 40);
  assert.equal(opusDurationMs(bytes(0xfb, 3)), 60);
  assert.equal(opusDurationMs(bytes()), 0);
  assert.equal(opusDurationMs(emptyOpus(bytes(0xfb, 3))), 20);
});

test("clusters as ffmpeg and as our recorder write them are read: known and unknown sizes, both kinds of block", () => {
  // Cluster of known size, time 1000: SimpleBlock +0 key, SimpleBlock +40 not key.
  const known = hex("1f43b675" + "91" + "e78203e8" + "a385810000801a" + "a385810028001b".replace("1b", "1b"));
  assert.deepEqual(
    readFrames(known).map((one) => [one.time_ms, one.keyframe, [...one.data]]),
    [
      [1000, true, [0x1a]],
      [1040, false, [0x1b]],
    ],
  );
  // Cluster of unknown size, time 5: BlockGroup with a reference (not key) and a time before the cluster's.
  const unknown = hex("1f43b675" + "01ffffffffffffff" + "e78105" + "a08b" + "a18581fffe00aa" + "fb81ff" + "ec80");
  assert.deepEqual(readFrames(unknown).map((one) => [one.time_ms, one.keyframe]), [[3, false]]);
});

test("what is written is read again: times, key frames, data, a long track in several clusters", () => {
  const frames = Array.from({ length: 90 }, (_, n) => frame(100 + n * 1000, bytes(n, 255 - n), n % 30 === 0));
  const again = readFrames(writeClusters(frames));
  assert.deepEqual(again.map((one) => [one.time_ms, one.keyframe, [...one.data]]), frames.map((one) => [one.time_ms, one.keyframe, [...one.data]]));
  const timed = readFrames(writeClusters(frames.map((one) => ({ ...one, duration_ms: 1000 }))));
  assert.deepEqual(timed.map((one) => [one.time_ms, one.keyframe]), frames.map((one) => [one.time_ms, one.keyframe]));
});

test("a file cut off anywhere gives what it holds whole", () => {
  const whole = writeClusters([frame(0, bytes(1)), frame(20, bytes(2)), frame(40, bytes(3))]);
  const counts = Array.from({ length: whole.length + 1 }, (_, length) => readFrames(whole.subarray(0, length)).length);
  assert.deepEqual([...new Set(counts)], [0, 1, 2, 3]);
});

test("bytes that are no WebM are refused", () => {
  assert.throws(() => readFrames(bytes(0, 0, 0, 0)), WebmFault);
});

test("each picture gets its true length, the last one waits for the next", () => {
  const remuxer = new Remuxer("video");
  const first = remuxer.push(writeClusters([frame(0, bytes(1)), frame(66, bytes(2), false)]));
  assert.deepEqual([first.frames, first.end_ms, first.keyframes_ms], [1, 66, [0]]);
  // Six hundred milliseconds of nothing, just where a part ends: the picture before lasts until then.
  const second = remuxer.push(writeClusters([frame(666, bytes(3), false)]));
  assert.deepEqual([times(second.bytes), second.end_ms], [[66], 666]);
  const rest = remuxer.end();
  assert.deepEqual([times(rest.bytes), rest.end_ms], [[666], 766]);
  assert.equal(remuxer.end().frames, 0);
});

test("sound that never came is filled with empty packets, so that all later sound keeps its time", () => {
  const remuxer = new Remuxer("audio");
  const made = remuxer.push(writeClusters([frame(0, sound20), frame(20, sound20), frame(80, sound20)]));
  assert.deepEqual(times(made.bytes), [0, 20, 40, 60, 80]);
  assert.deepEqual(readFrames(made.bytes).map((one) => one.data.length), [4, 4, 1, 1, 4]);
  // Also across parts, and with rounded times.
  assert.deepEqual(times(remuxer.push(writeClusters([frame(121, sound20)])).bytes), [100, 121]);
  assert.deepEqual(times(remuxer.push(writeClusters([frame(139, sound20)])).bytes), [139]);
});

test("a hole of up to a second is filled, a longer one stays open", () => {
  const filled = new Remuxer("audio").push(writeClusters([frame(0, sound20), frame(20 + FILL_MS, sound20)]));
  assert.equal(filled.frames, 2 + FILL_MS / 20);
  const open = new Remuxer("audio").push(writeClusters([frame(0, sound20), frame(40 + FILL_MS, sound20)]));
  assert.deepEqual(times(open.bytes), [0, 40 + FILL_MS]);
});

test("lost packets do not add up to a shift", () => {
  const remuxer = new Remuxer("audio");
  const came = Array.from({ length: 3_000 }, (_, n) => n * 20).filter((time) => time % 140 !== 60 && time % 260 !== 80);
  let count = 0;
  for (let at = 0; at < came.length; at += 50) {
    count += remuxer.push(writeClusters(came.slice(at, at + 50).map((time) => frame(time, sound20)))).frames;
  }
  assert.equal(count, (came.at(-1)! + 20) / 20);
});

test("pieces are joined in order", () => {
  assert.deepEqual([...concat([bytes(1), bytes(), bytes(2, 3)])], [1, 2, 3]);
});
