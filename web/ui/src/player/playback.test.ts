// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { epoch, track } from "./fixture.ts";
import { absence, contents, coverage, type Gap, mergeGaps, missing, nobody, pauseReason, SHOWN_GAP_MS, shownGaps } from "./playback.ts";

const cam = track("video", [epoch(1, 3, 40), epoch(2, 50, 60)]);
const spans = coverage(cam);
const gap = (from_ms: number, to_ms: number, cause: Gap["cause"], track_id: string | null = null): Gap => ({
  track_id,
  from_ms,
  to_ms,
  cause,
  packets: 1,
});

test("segments that follow each other are one stretch, a break is a break", () => {
  assert.deepEqual(spans, [
    { from_ms: 3_000, to_ms: 40_000 },
    { from_ms: 50_000, to_ms: 60_000 },
  ]);
  const rounded = epoch(1, 0, 20);
  rounded.segments[1]!.start_ms += 120;
  assert.equal(coverage(track("video", [rounded])).length, 1);
  rounded.segments[1]!.start_ms += 1;
  assert.equal(coverage(track("video", [rounded])).length, 2);
});

const why = (gaps: Gap[], time_ms: number): string | null => absence(shownGaps(gaps, cam.track_id), spans, time_ms);

test("why there is nothing: not yet here, gone, a stated cause, or unknown", () => {
  const pause = [gap(40_000, 50_000, "paused")];
  assert.deepEqual(
    [2_999, 3_000, 39_999, 40_000, 49_999, 50_000, 60_000].map((time_ms) => why(pause, time_ms)),
    ["before", null, null, "paused", "paused", null, "after"],
  );
  assert.equal(why([], 45_000), "nothing");
  assert.equal(absence([], [], 0), "nothing");
});

test("a track's own cause goes before everybody's, another track's does not count", () => {
  const both = [gap(10_000, 12_000, "mediaserver_down"), gap(10_000, 12_000, "loss", cam.track_id)];
  assert.equal(why(both, 11_000), "loss");
  assert.equal(why([gap(20_000, 22_000, "loss", "x-cam")], 21_000), null);
});

test("a hole shorter than a second is not shown as an absence", () => {
  assert.equal(why([gap(10_000, 10_000 + SHOWN_GAP_MS - 1, "loss", cam.track_id)], 10_500), null);
  assert.equal(why([gap(10_000, 10_000 + SHOWN_GAP_MS, "loss", cam.track_id)], 10_500), "loss");
});

test("nobody has anything only where no track has", () => {
  assert.equal(nobody([spans, [{ from_ms: 40_000, to_ms: 45_000 }]], 44_999), false);
  assert.equal(nobody([spans, [{ from_ms: 40_000, to_ms: 45_000 }]], 45_000), true);
});

test("a break tells the reason that was given when it began", () => {
  const events = [
    { at_ms: 1_000, type: "recording_paused", data: { reason: "rest" } },
    { at_ms: 9_000, type: "recording_resumed", data: { reason: "back" } },
    { at_ms: 20_000, type: "recording_paused", data: {} },
  ];
  assert.deepEqual(
    [1_000, 2_999, 3_000, 9_000, 20_000].map((from_ms) => pauseReason(events, from_ms)),
    ["rest", "rest", "", "", ""],
  );
});

test("losses close together are one entry, pauses are not missing", () => {
  const gaps = [gap(5_000, 5_040, "loss", "a"), gap(1_000, 1_020, "loss", "a"), gap(3_020, 3_040, "loss", "a"), gap(3_000, 9_000, "paused")];
  assert.deepEqual(
    mergeGaps(gaps).map((one) => [one.from_ms, one.to_ms, one.packets]),
    [
      [1_000, 5_040, 3],
      [3_000, 9_000, 1],
    ],
  );
  assert.equal(missing(gaps).length, 3);
});

test("the contents list sections and markers by time, a section before the markers of its moment", () => {
  const sections = [
    { id: "a", label: "听取陈述", from_ms: 0, to_ms: 5_000 },
    { id: "b", label: "调解", from_ms: 5_000, to_ms: null },
  ];
  const markers = [
    { id: "m", label: "", at_ms: 3_000 },
    { id: "n", label: "证据", at_ms: 5_000 },
  ];
  const found = contents({ sections, markers });
  assert.deepEqual(found.map((entry) => [entry.kind, entry.number, entry.at_ms]), [
    ["section", 1, 0],
    ["marker", 1, 3_000],
    ["section", 2, 5_000],
    ["marker", 2, 5_000],
  ]);
  assert.deepEqual(contents({ sections: [], markers: [] }), []);
});
