# SPDX-License-Identifier: Apache-2.0
"""A disk without room: nothing crashes, what was refused or lost is listed, and the recording goes on by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from mediaserver.recorder.session import LiveSession
from mediaserver.recorder.spool import SessionSpool
from mediaserver.recording.feed import SessionOrder, SessionRef, TrackInfo
from mediaserver.recording.state import SessionState
from storage.cli.verify import run as verify_recording
from storage.ids import new_id
from tests.mediaserver.recorder.media import Stream
from tests.mediaserver.recorder.studio import Publisher, Studio, decoded, entry, joined
from tests.small_disk import fill, small_disk

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk.img", tmp_path / "data" / "spool") as mounted:
        yield mounted


@pytest.fixture
async def studio(tmp_path: Path, disk: Path, shared_store: Path) -> AsyncIterator[Studio]:
    (tmp_path / "data" / "store").symlink_to(shared_store)
    running = Studio(tmp_path / "data", disk_full_bytes="1000000", disk_low_bytes="3000000")
    await running.start()
    yield running
    await running.close()


async def test_a_full_disk_refuses_the_new_session_and_costs_the_running_one_nothing(
    studio: Studio, disk: Path
) -> None:
    running, late = studio.session(), studio.session()
    studio.order(running, "on")
    mic = Publisher(studio, running, Stream("audio"), "p1", "mic")
    cam = Publisher(studio, running, Stream("video", ssrc=2), "p1", "cam")
    await studio.play(4, mic, cam)
    ballast = fill(disk, leave_bytes=2_000_000)
    await studio.wait_status(lambda report: report["disk_state"] == "low")
    fill(disk)
    await studio.wait_status(lambda report: report["disk_state"] == "full")
    studio.order(late, "on")
    other = Publisher(studio, late, Stream("audio"), "p2", "mic")
    await studio.play(8, mic, cam, other)
    report = await studio.wait_status(lambda report: entry(report, running).get("error") == "disk_full")
    assert (entry(report, late)["state"], entry(report, late)["error"]) == ("error", "disk_full")
    assert entry(report, running)["state"] == "recording"
    ballast.unlink()
    await studio.wait_status(lambda report: entry(report, late)["state"] == "recording")
    await studio.play(4, mic, cam, other)
    studio.order(late, "stopped")
    studio.order(running, "stopped")
    made = await studio.sealed(running)
    assert made.gaps == () and made.complete
    for track in made.tracks:
        times, _ = decoded(joined(studio, track.epochs[0]))
        assert times[-1] - times[0] == pytest.approx(16_000, abs=200)
    made = await studio.sealed(late)
    (gap,) = made.gaps
    assert (gap.track_id, gap.from_ms, gap.cause) == (None, 0, "disk_full") and not made.complete
    assert verify_recording(studio.settings, made.session_id) == 0
    assert made.tracks[0].epochs[0].end_ms - made.tracks[0].epochs[0].start_ms >= 3_500


def live_session(spool_dir: Path, stream: Stream) -> LiveSession:
    reference = SessionRef("default", new_id(), "r")
    live = LiveSession(SessionSpool(spool_dir, "default", reference.session_id), SessionState())
    assert live.begin(reference, "boot", 1)
    live.order(SessionOrder(reference, "on", 1, 1_000_000), 1, 0, disk_full=False)
    info = TrackInfo("p-mic", "p", "所", "室", "mic", "audio", "opus", 48_000, 111, stream.ssrc)
    live.open_track(2, 1, info)
    return live


def play(live: LiveSession, stream: Stream, until_ms: int) -> None:
    while stream.at_ms < until_ms:
        at_ms = stream.at_ms
        for packet in stream.next():
            intake = live.intakes[1]
            live.packet(intake, intake.highest + 1, packet, (1_000_000 + at_ms) * 1000, at_ms * 1000)
    live.tick(until_ms * 1000)


def commit(live: LiveSession, limit_bytes: int) -> bool:
    """One attempt; True when the disk took everything."""
    result = live.spool.commit(list(live.steps))
    live.committed(result, limit_bytes)
    return result.fault is None


def test_beyond_the_memory_the_oldest_parts_become_a_gap(disk: Path) -> None:
    """Only what could neither be written nor kept is missing, and a restart finds the same."""
    stream = Stream("audio")
    live = live_session(disk, stream)
    play(live, stream, 3_010)
    assert commit(live, 20_000)
    ballast = fill(disk)
    for until_ms in range(5_010, 20_000, 1_000):
        play(live, stream, until_ms)
        assert not commit(live, 20_000)
        assert sum(len(step.data) for step in live.steps) <= 20_000
    assert live.fault == "disk_full" and len(live.steps) < 12
    ballast.unlink()
    assert commit(live, 20_000) and live.fault == ""
    play(live, stream, 22_010)
    live.finish_tracks(22_010_000)
    assert commit(live, 20_000)
    (hole,) = live.state.holes
    assert hole.cause == "disk_full" and 3_000 <= hole.from_ms <= 6_000 and hole.to_ms <= 18_000
    epoch = live.state.tracks["p-mic"].epochs[0]
    parts = [part for segment in epoch.segments for part in segment.parts]
    assert sum(part.packets for part in parts) + hole.packets == stream.index
    assert live.state.feed[1].acknowledged == stream.index
    assert all(not (part.start_ms < hole.to_ms and part.end_ms > hole.from_ms) for part in parts)
    data = b"".join(
        live.spool.path("p-mic", 1, segment.number).read_bytes()[segment.header_bytes * (segment.number > 0) :]
        for segment in epoch.segments
    )
    assert len(decoded(data)[0]) == sum(part.packets for part in parts)
    again = SessionSpool(disk, live.spool.county, live.spool.session_id).load()
    assert again.holes == live.state.holes and again.tracks == live.state.tracks


@pytest.mark.parametrize("leave_bytes", [1_000, 4_000, 9_000])
def test_a_write_that_stops_half_way_leaves_no_trace(disk: Path, leave_bytes: int) -> None:
    stream = Stream("audio")
    live = live_session(disk, stream)
    play(live, stream, 2_010)
    assert commit(live, 1 << 20)
    ballast = fill(disk, leave_bytes)
    play(live, stream, 9_010)
    while commit(live, 1 << 20):
        play(live, stream, stream.at_ms + 3_000)
    state = SessionSpool(disk, live.spool.county, live.spool.session_id).load()
    assert state.tracks == live.state.tracks
    for segment in state.tracks["p-mic"].epochs[0].segments:
        assert live.spool.path("p-mic", 1, segment.number).stat().st_size == segment.bytes
    ballast.unlink()
    live.finish_tracks(stream.at_ms * 1000)
    assert commit(live, 1 << 20) and live.state.holes == []
    assert live.state.tracks["p-mic"].packets == stream.index
