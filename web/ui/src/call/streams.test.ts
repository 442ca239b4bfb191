// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { judge, linkOf, readStreams, StreamHistory, type StreamQuality } from "./streams.ts";

let frames = 1;
const video = (track: string, part: Record<string, number> = {}) => ({
  type: "inbound-rtp", kind: "video", trackIdentifier: track, bytesReceived: 0, packetsReceived: 0, packetsLost: 0,
  totalFreezesDuration: 0, freezeCount: 0, framesDecoded: frames++, frameWidth: 320, frameHeight: 180, framesPerSecond: 25, ...part,
});
const PICTURE: StreamQuality = {
  kind: "video", lost: 0, kbps: 150, width: 320, height: 180, fps: 25, frozen_s: 0, freezes: 0, concealed: 0,
};
const SOUND: StreamQuality = { ...PICTURE, kind: "audio", width: null, height: null, fps: null };
const FINE = { picture: PICTURE, sound: SOUND, rtt_ms: 40, screen: false, layers: null };

test("each stream has figures of its own", () => {
  const history = new StreamHistory();
  history.add(readStreams([video("a"), video("b")], 0));
  const found = history.add(
    readStreams([video("a", { bytesReceived: 50_000, packetsReceived: 90, packetsLost: 10 }), video("b", { bytesReceived: 25_000, packetsReceived: 40 })], 2_000),
  );
  assert.deepEqual([found.get("a")?.kbps, found.get("a")?.lost], [200, 0.1]);
  assert.deepEqual([found.get("b")?.kbps, found.get("b")?.lost], [100, 0]);
});

test("freezes count for ten seconds, the bit rate for the last step", () => {
  const history = new StreamHistory();
  history.add(readStreams([video("a")], 0));
  const at = (ms: number, frozen: number) => history.add(readStreams([video("a", { totalFreezesDuration: frozen, freezeCount: frozen > 0 ? 1 : 0 })], ms)).get("a");
  assert.equal(at(2_000, 1.5)?.frozen_s, 1.5);
  assert.equal(at(10_000, 1.5)?.frozen_s, 1.5);
  assert.equal(at(12_001, 1.5)?.frozen_s, 0);
});

test("a picture that stands still counts before it goes on", () => {
  const history = new StreamHistory();
  const at = (ms: number) => history.add(readStreams([video("a", { framesDecoded: 7 })], ms)).get("a")?.frozen_s;
  assert.deepEqual([at(0), at(2_000), at(4_000)], [0, 2, 4]);
  assert.equal(history.add(readStreams([video("a", { framesDecoded: 8, totalFreezesDuration: 4 })], 6_000)).get("a")?.frozen_s, 4);
});

test("a rest is no freeze, also when the stream goes on", () => {
  const history = new StreamHistory();
  const at = (ms: number, rests: boolean, frozen: number, decoded: number) =>
    history.add(readStreams([video("a", { totalFreezesDuration: frozen, framesDecoded: decoded })], ms), new Set(rests ? ["a"] : [])).get("a")?.frozen_s;
  assert.deepEqual([at(0, false, 0, 1), at(2_000, true, 0, 1), at(8_000, true, 0, 1), at(10_000, false, 9, 2), at(12_000, false, 9, 30)], [0, 0, 0, 0, 0]);
  assert.equal(at(14_000, false, 10, 31), 1);
});

test("a shared screen may stand still", () => {
  assert.equal(judge({ ...FINE, screen: true, picture: { ...PICTURE, frozen_s: 10 } }).grade, "good");
});

test("a stream that is gone is forgotten, one that begins anew gives no negative figures", () => {
  const history = new StreamHistory();
  history.add(readStreams([video("a", { bytesReceived: 9_000, packetsReceived: 100, packetsLost: 50 })], 0));
  assert.equal(history.add(new Map()).size, 0);
  history.add(readStreams([video("a", { bytesReceived: 9_000, packetsReceived: 100, packetsLost: 50 })], 2_000));
  const found = history.add(readStreams([video("a", { bytesReceived: 10, packetsReceived: 1 })], 4_000)).get("a");
  assert.deepEqual([found?.kbps, found?.lost], [0, null]);
});

test("what is not a received stream is left out", () => {
  assert.equal(readStreams([{ type: "codec" }, { type: "inbound-rtp", kind: "video" }, { type: "inbound-rtp", kind: "data", trackIdentifier: "x" }], 0).size, 0);
});

test("a good tile has all bars, one without figures none", () => {
  assert.deepEqual(judge(FINE), { grade: "good", troubles: [] });
  assert.equal(judge({ ...FINE, picture: null, sound: null }).grade, "unknown");
  assert.equal(judge({ ...FINE, picture: { ...PICTURE, lost: null }, sound: null }).grade, "unknown");
});

test("bounds of the bars at their edges", () => {
  const picture = (part: Partial<StreamQuality>) => judge({ ...FINE, picture: { ...PICTURE, ...part } });
  const sound = (part: Partial<StreamQuality>) => judge({ ...FINE, sound: { ...SOUND, ...part } });
  const rows: [ReturnType<typeof judge>, string, string[]][] = [
    [picture({ lost: 0.02 }), "good", []],
    [picture({ lost: 0.021 }), "fair", ["lost"]],
    [picture({ lost: 0.08 }), "fair", ["lost"]],
    [picture({ lost: 0.081 }), "poor", ["lost"]],
    [picture({ frozen_s: 0.3 }), "good", []],
    [picture({ frozen_s: 0.31 }), "fair", ["frozen"]],
    [picture({ frozen_s: 2 }), "fair", ["frozen"]],
    [picture({ frozen_s: 2.1 }), "poor", ["frozen"]],
    [sound({ concealed: 0.02 }), "good", []],
    [sound({ concealed: 0.03 }), "fair", ["words"]],
    [sound({ concealed: 0.09 }), "poor", ["words"]],
    [judge({ ...FINE, rtt_ms: 250 }), "good", []],
    [judge({ ...FINE, rtt_ms: 251 }), "fair", ["slow"]],
    [judge({ ...FINE, rtt_ms: 601 }), "poor", ["slow"]],
  ];
  for (const [found, grade, troubles] of rows) assert.deepEqual(found, { grade, troubles });
});

test("what the server says of a picture counts", () => {
  const layers = (reason: "bandwidth" | "stalled" | "mode" | "hidden" | null, spatial: 0 | 1 | 2 | null) =>
    judge({ ...FINE, layers: { consumer_id: "c", spatial, temporal: 2, reason } });
  assert.deepEqual(layers("bandwidth", 0), { grade: "fair", troubles: ["bandwidth"] });
  assert.deepEqual(layers("bandwidth", null), { grade: "poor", troubles: ["bandwidth"] });
  assert.deepEqual(layers("stalled", null), { grade: "poor", troubles: ["stalled"] });
  assert.equal(layers("mode", 0).grade, "good");
  assert.equal(layers(null, 2).grade, "good");
});

test("the gravest trouble is named first", () => {
  const found = judge({ picture: { ...PICTURE, frozen_s: 5, lost: 0.3 }, sound: { ...SOUND, concealed: 0.2 }, rtt_ms: 900, screen: false, layers: null });
  assert.deepEqual(found.troubles, ["frozen", "words", "lost", "slow"]);
});

test("the link as a whole: pictures on average, sound at its worst", () => {
  assert.deepEqual(linkOf([]), { frozen: 0, concealed: 0 });
  assert.deepEqual(linkOf([{ ...PICTURE, frozen_s: 10 }, PICTURE, { ...SOUND, concealed: 0.1 }, SOUND]), { frozen: 0.5, concealed: 0.1 });
  assert.equal(linkOf([{ ...PICTURE, frozen_s: 60 }]).frozen, 1);
});
