# SPDX-License-Identifier: Apache-2.0
"""The benchmark of the recording measures what it says: its streams, its hours, its sums, and one short run of ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.recording import alarms, cost, hours, lipsync, report
from benchmarks.recording.__main__ import main
from benchmarks.recording.streams import Sample, Stream
from mediaserver.rtp import packet as rtp
from storage.manifest import Manifest

CLIP = (Sample(0, (b"\x90\x80\x80\x00first", b"\x80\x80\x80\x00second")), Sample(1, (b"\x90\x80\x80\x01third",)))


def test_a_stream_gives_what_is_due_with_running_numbers_and_a_clock_that_may_be_fast() -> None:
    stream = Stream("video", 3, 10.0, CLIP, 40.0, skew_ppm=100.0)
    packets = list(stream.take(10_000.0))
    headers = [rtp.read_header(packet) for packet in packets]
    assert all(header is not None for header in headers)
    assert list(stream.take(10_000.0)) == [], "nothing twice"
    assert len(packets) == 375 and stream.packets == 375, "250 frames of two packets and of one in turn"
    numbers = [header.sequence_number for header in headers if header]
    assert numbers == list(range(numbers[0], numbers[0] + 375))
    times = [header.timestamp for header in headers if header]
    assert times[:4] == [0, 0, 3600, 7201] and times[-1] == round(249 * 40 * 90 * 1.0001)
    assert stream.ntp_s(10_000) - stream.ntp_s(0) == pytest.approx(10.001)


def test_simulated_minutes_are_recorded_sealed_and_in_step_in_spite_of_a_fast_clock(tmp_path: Path) -> None:
    session = hours.Session(tmp_path, 2)
    for at_ms in range(hours.STEP_MS, 120_000 + hours.STEP_MS, hours.STEP_MS):
        session.advance(at_ms)
    made = session.finish(120_000)
    assert isinstance(made, Manifest) and made.complete
    assert session.segments >= 4 * 11
    packets = sum(segment.packets for track in made.tracks for e in track.epochs for segment in e.segments)
    assert packets == sum(stream.packets for stream in session.streams), "every packet that was given"
    (epoch,) = made.tracks[0].epochs
    assert epoch.clock.rate_ppm == pytest.approx(-hours.SKEW_PPM, abs=2)
    late = [session.late_ms(made, feed, at_ms) for feed in (1, 2, 3, 4) for at_ms in (2_000, 110_000)]
    assert max(late) - min(late) < 10


@pytest.mark.alone
@pytest.mark.timeout(120)
async def test_our_recorder_writes_what_it_is_given_and_is_charged_for_it() -> None:
    run = await cost.measure("ours", 1, 0.2, 3.0)
    assert 0.8 < run["media_mbps"] < 1.3 and run["written_mbps"] > 0.4
    assert run["cpu"] > 0 and run["memory_mb"] > 20
    assert run["feed_cpu"] + run["bookkeeping"] > 0 and run["bookkeeping"] > 0, (
        "one participant's feed is next to nothing"
    )


def test_what_could_not_be_measured_fails_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cost.shutil, "which", lambda name: None)
    monkeypatch.setattr(cost, "RECORDERS", ("ffmpeg",))
    file = tmp_path / "figures.json"
    assert main(["--quick", "--parts", "cost", "--json", str(file)]) == 1
    assert "NOT MEASURED cost ffmpeg: RuntimeError ffmpeg is not here" in capsys.readouterr().out
    assert json.loads(file.read_text())["figures"] == []


def cost_run(recorder: str, cpu: float, feed_cpu: float = 0.0) -> report.Run:
    rest = {"participants": 24, "media_mbps": 24.0, "written_mbps": 24.0, "memory_mb": 90.0}
    return {"recorder": recorder, "cpu": cpu, "feed_cpu": feed_cpu, **rest}


def met(decided: list[report.Run]) -> list[bool]:
    return [target["met"] for target in decided]


@pytest.mark.parametrize(("cpu", "wanted"), [(0.10, [True, True]), (0.1001, [False, False])])
def test_our_cost_is_the_recorders_and_the_feeds_against_ffmpegs(cpu: float, wanted: list[bool]) -> None:
    runs = [cost_run("ours", cpu, 0.05), cost_run("ours", cpu, 0.05), cost_run("ours", 0.9), cost_run("ffmpeg", 0.1)]
    rows, decided = report.cost(runs)
    assert met(decided) == wanted
    assert rows[0]["cpu_total"] == pytest.approx(cpu + 0.05, abs=1e-4) and rows[0]["runs"] == 3
    assert met(report.cost([cost_run("ours", 0.1)])[1]) == [True], "without a peer only the absolute target"


@pytest.mark.parametrize(("last_mb", "flat"), [(110.0, True), (110.2, False)])
def test_memory_is_held_against_what_it_was_after_ten_minutes(last_mb: float, flat: bool) -> None:
    lines = [{"minutes": 10, "memory_mb": 100.0}, {"minutes": 180, "memory_mb": last_mb}]
    skewed = {"skew_ppm": 100.0, "one_peer_ms": 40.0, "peers_ms": 80.1}
    rows, decided = report.memory([*lines, skewed], 3.0)
    assert [row["table"] for row in rows] == ["memory", "memory", "skewed clock"]
    assert met(decided) == [flat, True, False]
    assert report.memory(lines, 1.0)[1] == [], "a shorter run decides nothing"


@pytest.mark.parametrize(("with_ms", "wanted"), [(4.9, True), (5.0, False)])
def test_what_recording_adds_to_forwarding(with_ms: float, wanted: bool) -> None:
    rest = {"cpu": 0.2, "p50_ms": 1.0, "max_ms": 9.0, "late_p99_ms": 0.1, "pps": 9000.0, "loss": 0.0}
    runs = [{"recorded": False, "p99_ms": 3.0, **rest}, {"recorded": True, "p99_ms": with_ms, **rest}]
    assert met(report.forwarding(runs)[1]) == [wanted]
    assert report.forwarding(runs[:1])[1] == []


def test_beeps_and_numbers_tell_how_far_sound_and_picture_lie_apart() -> None:
    samples = np.zeros(48_000 * 3, np.float32)
    for at_s in (0.52, 1.53):
        samples[int(at_s * 48_000) : int((at_s + 0.08) * 48_000)] = 0.5
    assert lipsync.onsets(samples) == pytest.approx([0.52, 1.53])
    sound = lipsync.Track(np.array([10.0, 11.0, 12.0]), np.array([0.020, 0.020, 0.030]))
    times = np.arange(9.0, 13.0, 0.04)
    picture = lipsync.Track(times, np.full(len(times), 0.055))
    stretch = lipsync.Stretch("x", 9.5, 13.5)
    assert lipsync.apart(sound, picture, stretch) == pytest.approx([35.0, 25.0]), "the first beep is at the edge"


def test_the_rows_of_lip_sync_can_be_written_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    track = lipsync.Track(np.arange(0.0, 20.0, 1.0), np.full(20, 0.010))
    later = lipsync.Track(np.arange(0.0, 20.0, 0.04), np.full(500, 0.025))
    monkeypatch.setattr(lipsync, "beeps", lambda recorded, peer: track)
    monkeypatch.setattr(lipsync, "pictures", lambda recorded, peer: later)
    stretches = [lipsync.Stretch("first", 0.0, 10.0), lipsync.Stretch("nothing", 50.0, 60.0)]
    rows = lipsync.figures(None, ("a", "b"), stretches)  # type: ignore[arg-type]
    assert json.loads(json.dumps(rows)) == rows
    assert rows[0]["beeps_a"] == 9 and rows[0]["median_b_ms"] == 15.0 and rows[0]["peers_sounds_ms"] == 0.0
    assert rows[1]["beeps_a"] == 0 and rows[1]["worst_a_ms"] is None and rows[1]["peers_pictures_ms"] is None
    json.dumps(lipsync.targets(rows))


@pytest.mark.parametrize(("worst", "between", "wanted"), [(-40.0, 80.0, [True, True]), (40.1, -80.1, [False, False])])
def test_lip_sync_is_decided_by_the_worst_and_nothing_heard_is_no_success(
    worst: float, between: float, wanted: list[bool]
) -> None:
    row: dict[str, Any] = dict.fromkeys(("worst_a_ms", "worst_b_ms", "peers_sounds_ms", "peers_pictures_ms"), 1.0)
    assert met(lipsync.targets([row, {**row, "worst_b_ms": worst, "peers_sounds_ms": between}])) == wanted
    assert met(lipsync.targets([row, {**row, "worst_a_ms": None}])) == [False, True]


def test_an_alarm_that_did_not_come_or_came_late_is_missed() -> None:
    run = {"fault": "camera_black", "source": "page", "within_s": 5.0, "page_s": 3.1, "webhook_s": 4.9}
    rows, decided = alarms.summed([run, {**run, "page_s": 5.1, "webhook_s": 3.0}])
    assert (rows[0]["page_slowest_s"], rows[0]["webhook_slowest_s"]) == (5.1, 4.9)
    assert [one["met"] for one in decided] == [False, True]
    _, decided = alarms.summed([{**run, "page_s": None}])
    assert [(one["figure"], one["met"]) for one in decided] == [(None, False), (4.9, True)]
