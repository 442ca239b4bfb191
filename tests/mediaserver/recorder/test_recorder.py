# SPDX-License-Identifier: Apache-2.0
"""The recorder as a process: what a feed carries is in the store, whole, sealed and in time, whatever happens."""

from __future__ import annotations

import asyncio
import subprocess
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from mediaserver.recording.feed import SessionRef
from storage.cli.verify import run as verify_recording
from storage.manifest import Gap, Manifest, Track
from storage.objects import open_store
from tests.mediaserver.recorder.media import Stream, picture
from tests.mediaserver.recorder.studio import Publisher, Studio, decoded, entry, joined, until

pytestmark = pytest.mark.timeout(300)
PART_MS = 1_250
"""The most that one part holds: a second, and what the clock adds when a track goes quiet."""


def pair(studio: Studio, session: SessionRef) -> tuple[Publisher, Publisher]:
    """One peer's microphone and camera."""
    mic = Publisher(studio, session, Stream("audio"), "p1", "mic")
    return mic, Publisher(studio, session, Stream("video", ssrc=2), "p1", "cam")


def length_ms(studio: Studio, track: Track) -> float:
    """Sound or picture that decodes from the segments of a track, joined in order."""
    total = 0.0
    for epoch in track.epochs:
        times, length = decoded(joined(studio, epoch))
        assert times == sorted(times)
        # A picture lasts until the next one; the last of 25 in a second lasts 40 ms.
        total += length or times[-1] - times[0] + 40
    return total


def assert_good(studio: Studio, made: Manifest) -> None:
    """Verified from the store, and nothing is left in the spool but the journal."""
    assert verify_recording(studio.settings, made.session_id) == 0
    assert list(studio.settings.spool_dir.rglob("*.webm")) == []


def named(made: Manifest, track_id: str) -> Track:
    return next(track for track in made.tracks if track.track_id == track_id)


async def test_a_call_is_recorded_uploaded_and_sealed(studio: Studio, tmp_path: Path) -> None:
    session = studio.session()
    studio.order(session, "on")
    mic, cam = pair(studio, session)
    await studio.play(26, mic, cam)
    studio.order(session, "stopped", "hang-up")
    made = await studio.sealed(session)
    assert_good(studio, made)
    assert made.complete and made.gaps == ()
    assert [event.type for event in made.events] == ["recording_started", "recording_stopped"]
    for track in made.tracks:
        assert [segment.end_ms - segment.start_ms for segment in track.segments()][:2] == [10_000, 10_000]
        assert length_ms(studio, track) == pytest.approx(26_000, abs=200)
        path = tmp_path / f"{track.track_id}.webm"
        path.write_bytes(joined(studio, track.epochs[0]))
        show = ["ffprobe", "-v", "error", "-count_packets", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0"]
        probe = subprocess.run([*show, str(path)], capture_output=True, text=True, check=True)
        assert probe.stderr == ""
        assert int(probe.stdout) == sum(segment.packets for segment in track.segments())
        for segment in track.segments():
            data = studio.read(segment.key)
            assert data[segment.header_bytes :][:4] == b"\x1f\x43\xb6\x75"
            assert segment.parts[0].offset == segment.header_bytes
            ends = [part.offset + part.bytes for part in segment.parts]
            assert [part.offset for part in segment.parts[1:]] == ends[:-1] and ends[-1] == len(data)
    assert_changes_are_found(studio, made)


def assert_changes_are_found(studio: Studio, made: Manifest) -> None:
    """In the store, too: another bit, a missing segment, one too many."""
    store = open_store(studio.settings)
    first, second = made.tracks[0].segments()[:2]
    data = store.read_bytes(first.key)
    for change, words in (
        (lambda: store.put_bytes(first.key, data[:-1] + bytes([data[-1] ^ 1])), "was changed"),
        (lambda: store.put_bytes(first.key, store.read_bytes(second.key)), first.key),
        (lambda: store.delete(first.key), "is missing from the store"),
        (lambda: store.put_bytes(first.key.replace("s00000", "s00009"), data), "does not list it"),
    ):
        store.put_bytes(first.key, data)
        change()
        out = StringIO()
        assert verify_recording(studio.settings, made.session_id, console=Console(file=out, width=400)) == 1
        assert words in out.getvalue()


async def test_the_report_and_the_forgetting(studio: Studio) -> None:
    session = studio.session()
    studio.feed.session_event(session, "peer_joined", {"peer_id": "p1", "name": "永安所", "place": "调解室"}, 5)
    studio.order(session, "on")
    mic, cam = pair(studio, session)
    await studio.play(14, mic, cam)
    report = await studio.wait_status(
        lambda report: all(t["uploaded_to_ms"] >= 10_000 for t in entry(report, session)["tracks"])
    )
    found = entry(report, session)
    assert (found["state"], found["error"], found["manifest_key"]) == ("recording", None, None)
    assert await studio.delete(session) == 409
    assert report["store_ok"] and report["disk_state"] == "ok" and report["free_bytes"] > 0
    track = next(t for t in found["tracks"] if t["kind"] == "audio")
    assert 12_000 <= track["sealed_to_ms"] <= 14_100 and track["lost"] == 0 and track["packets"] > 590
    studio.order(session, "stopped")
    made = await studio.sealed(session)
    assert made.peers[0].name == "所 p1" and made.events[0].type == "peer_joined" and made.events[0].at_ms < 0
    await studio.kill_recorder()
    await studio.start_recorder()
    found = entry(await studio.status(), session)
    assert (found["state"], found["complete"]) == ("sealed", True) and found["duration_ms"] >= 13_900
    assert await studio.delete(session) == 200
    assert (await studio.status())["sessions"] == []
    assert await studio.delete(session) == 404
    assert list(studio.settings.spool_dir.rglob("journal.jsonl")) == []


@pytest.mark.parametrize("after_s", [0.4, 3.3, 10.05, 14.7])
async def test_a_killed_recorder_goes_on_where_it_was(studio: Studio, after_s: float) -> None:
    """It comes back within the feed's memory, so nothing at all is missing."""
    session = studio.session()
    studio.order(session, "on")
    mic, cam = pair(studio, session)
    await studio.play(after_s, mic, cam)
    await studio.kill_recorder()
    await studio.play(2, mic, cam)
    await studio.start_recorder()
    await studio.play(16, mic, cam, speed=4)
    await studio.kill_recorder()
    studio.order(session, "stopped")
    await studio.start_recorder()
    made = await studio.sealed(session)
    assert_good(studio, made)
    assert made.gaps == ()
    for publisher, track in ((cam, named(made, "p1-cam")), (mic, named(made, "p1-mic"))):
        assert [epoch.epoch for epoch in track.epochs] == [1]
        assert sum(segment.packets for segment in track.segments()) == publisher.sent
        assert length_ms(studio, track) == pytest.approx(publisher.stream.at_ms, abs=200)


async def test_a_stopped_recorder_leaves_nothing_open(studio: Studio) -> None:
    """SIGTERM in the middle: it ends at once and cleanly, what it took is on disk, and the next one goes on."""
    session = studio.session()
    studio.order(session, "on")
    mic, cam = pair(studio, session)
    await studio.play(4.3, mic, cam)
    assert studio.recorder is not None
    studio.recorder.terminate()
    assert await asyncio.wait_for(studio.recorder.wait(), 8) == 0
    await studio.play(1, mic, cam)
    await studio.start_recorder()
    await studio.play(3, mic, cam)
    studio.order(session, "stopped")
    made = await studio.sealed(session)
    assert_good(studio, made)
    assert made.complete and made.gaps == ()
    for publisher, track in ((cam, named(made, "p1-cam")), (mic, named(made, "p1-mic"))):
        assert sum(segment.packets for segment in track.segments()) == publisher.sent
        assert length_ms(studio, track) == pytest.approx(publisher.stream.at_ms, abs=200)


async def test_a_killed_recorder_at_the_end_and_a_dead_mediaserver_cost_one_part(studio: Studio) -> None:
    """Both die at once: what was received and not yet durable is gone, and that is at most one part."""
    session = studio.session()
    studio.order(session, "on")
    mic, cam = pair(studio, session)
    await studio.play(7.7, mic, cam, speed=1.0)
    await studio.kill_recorder()
    await studio.new_boot()
    studio.order(session, "stopped", again=True)
    await studio.start_recorder()
    made = await studio.sealed(session)
    assert_good(studio, made)
    for track in made.tracks:
        assert 7_700 - 2 * PART_MS <= track.epochs[-1].end_ms <= 7_800
    (gap,) = made.gaps
    assert gap.cause == "mediaserver_down" and not made.complete


async def test_a_killed_mediaserver_is_a_listed_gap(studio: Studio) -> None:
    session = studio.session()
    studio.order(session, "on")
    mic, cam = pair(studio, session)
    await studio.play(5, mic, cam)
    await asyncio.sleep(0.5)
    await studio.new_boot()
    await studio.play(3)
    studio.order(session, "on", again=True)
    await studio.play(1)
    mic, cam = pair(studio, session)
    mic.stream.seek(studio.media_ms + 40)
    cam.stream.seek(studio.media_ms + 40)
    await studio.play(4, mic, cam)
    studio.order(session, "stopped")
    made = await studio.sealed(session)
    assert_good(studio, made)
    general = [gap for gap in made.gaps if gap.track_id is None]
    assert [(gap.cause, round(gap.from_ms, -2), round(gap.to_ms, -2)) for gap in general] == [
        ("mediaserver_down", 5000, 8000)
    ]
    for track in made.tracks:
        assert len(track.epochs) == 2
        own = [gap for gap in made.gaps if gap.track_id == track.track_id]
        assert [(gap.cause, round(gap.from_ms, -2), round(gap.to_ms, -2)) for gap in own] == [
            ("mediaserver_down", 8000, 9000)
        ]
        assert length_ms(studio, track) == pytest.approx(9_000, abs=250)
    assert not made.complete and len(made.server_boots) == 2


async def test_a_pause_writes_nothing(studio: Studio) -> None:
    session = studio.session()
    studio.order(session, "on")
    mic, cam = pair(studio, session)
    await studio.play(3, mic, cam)
    studio.order(session, "paused", "withdrawn")
    report = await studio.wait_status(lambda report: entry(report, session)["state"] == "paused")
    await until(lambda: not list(studio.settings.spool_dir.rglob("*.webm")))  # what came before is in the store
    before = spooled(studio)
    await studio.play(6, mic, cam)
    assert spooled(studio) == before
    report = await studio.status()
    assert all(track["sealed_to_ms"] <= 3_100 for track in entry(report, session)["tracks"])
    studio.order(session, "on")
    cam.stream.seek(studio.media_ms + 40)
    await studio.play(3, mic, cam)
    studio.order(session, "stopped")
    made = await studio.sealed(session)
    assert_good(studio, made)
    assert [(gap.track_id, gap.from_ms, gap.to_ms, gap.cause) for gap in made.gaps][:1] == [
        (None, pytest.approx(3_000, abs=20), pytest.approx(9_000, abs=20), "paused")
    ]
    assert made.complete
    for track in made.tracks:
        for epoch in track.epochs:
            assert not (epoch.start_ms < 8_980 and epoch.end_ms > 3_060)
        assert length_ms(studio, track) == pytest.approx(6_000, abs=300)


def spooled(studio: Studio) -> dict[str, bytes]:
    """Everything of the sessions that lies in the spool."""
    folder = studio.settings.spool_dir / "default"
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def test_lost_packets_are_listed_exactly(studio: Studio) -> None:
    session = studio.session()
    studio.order(session, "on")
    mic, cam = pair(studio, session)
    cam.stream.clip = picture(30, key_every=1_000)
    await studio.play(2, mic, cam)
    holes = {65_530, 65_531, 65_535, 0, 1}
    mic.lose = lambda sequence: sequence in holes
    asked: list[int] = []

    def keyframe(track: int) -> None:
        asked.append(track)
        cam.stream.seek(cam.stream.at_ms)

    studio.feed.on_keyframe_request = keyframe
    cam_lost = {(cam.stream.sequence + 7) & 0xFFFF}
    cam.lose = lambda sequence: sequence in cam_lost
    await studio.play(10, mic, cam, speed=3)
    studio.order(session, "stopped")
    made = await studio.sealed(session)
    assert_good(studio, made)
    losses = [gap for gap in made.gaps if gap.track_id == "p1-mic"]
    assert [(gap.cause, gap.rtp_from, gap.rtp_to, gap.packets) for gap in losses] == [
        ("loss", 65_530, 65_531, 2),
        ("loss", 65_535, 65_537, 3),
    ]
    assert losses[0].to_ms - losses[0].from_ms == 60 and losses[0].from_ms == pytest.approx(2_580, abs=30)
    assert asked == [cam.number]
    sent = {part.keyframe for segment in named(made, "p1-cam").segments() for part in segment.parts[2:]}
    assert True in sent  # the key frame that was asked for
    assert [segment.lost for segment in named(made, "p1-mic").segments()] == [5, 0]
    assert not made.complete


async def test_a_recorder_that_was_away_too_long_says_so(studio: Studio) -> None:
    """More than the feed's memory is lost; the numbers say how much, and the recording goes on."""
    session = studio.session()
    studio.order(session, "on")
    mic, cam = pair(studio, session)
    await studio.play(4, mic, cam)
    await studio.kill_recorder()
    await studio.play(30, mic, cam, speed=30)
    await studio.start_recorder()
    await studio.play(5, mic, cam)
    studio.order(session, "stopped")
    made = await studio.sealed(session)
    assert_good(studio, made)
    for publisher, track in ((cam, named(made, "p1-cam")), (mic, named(made, "p1-mic"))):
        gaps = [gap for gap in made.gaps if gap.track_id == track.track_id and gap.cause == "recorder_down"]
        assert len(gaps) == 1 and 10_000 < gaps[0].to_ms - gaps[0].from_ms < 17_000
        assert sum(segment.packets for segment in track.segments()) >= publisher.sent - gaps[0].packets - 60
    mic_gap = next(gap for gap in made.gaps if gap.track_id == "p1-mic")
    assert sum(segment.packets for segment in named(made, "p1-mic").segments()) == mic.sent - mic_gap.packets


async def test_the_store_is_away_for_a_while(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    await asyncio.gather(studio.start(), studio.start_store())
    try:
        await away_for_a_while(studio)
    finally:
        await studio.close()


async def away_for_a_while(studio: Studio) -> None:
    session = studio.session()
    studio.order(session, "on")
    mic, cam = pair(studio, session)
    await studio.play(2, mic, cam)
    await studio.stop_store()
    await studio.play(22, mic, cam)
    report = await studio.wait_status(lambda report: entry(report, session)["waiting_uploads"] >= 4)
    await studio.wait_status(lambda report: not report["store_ok"])
    assert entry(report, session)["state"] == "recording"
    assert all(track["uploaded_to_ms"] == 0 for track in entry(report, session)["tracks"])
    studio.order(session, "stopped")
    await studio.wait_status(lambda report: entry(report, session)["state"] == "uploading")
    await studio.start_store()
    made = await studio.sealed(session)
    assert_good(studio, made)
    assert made.complete
    for track in made.tracks:
        assert length_ms(studio, track) == pytest.approx(24_000, abs=200)


async def test_a_session_that_cannot_be_sealed_says_so_and_is_tried_again(studio: Studio) -> None:
    session = studio.session()
    studio.order(session, "on")
    mic, _ = pair(studio, session)
    await studio.play(2, mic)
    key = studio.settings.secrets_dir / "seal.key"
    key.parent.mkdir(exist_ok=True)
    key.write_bytes(b"no key")
    studio.order(session, "stopped")
    report = await studio.wait_status(lambda report: entry(report, session)["state"] == "error")
    assert entry(report, session)["error"] == "seal_failed"
    key.unlink()
    made = await studio.sealed(session)
    assert_good(studio, made)
    assert entry(await studio.status(), session)["error"] is None


async def test_a_publisher_that_comes_back_is_another_epoch(studio: Studio) -> None:
    session = studio.session()
    studio.order(session, "on")
    mic, cam = pair(studio, session)
    await studio.play(3, mic, cam)
    mic.close()
    await studio.play(2, cam)
    mic.stream.seek(studio.media_ms + 20)
    mic.open()
    await studio.play(3, mic, cam)
    studio.order(session, "stopped")
    made = await studio.sealed(session)
    assert_good(studio, made)
    assert made.complete
    (gap,) = made.gaps
    assert isinstance(gap, Gap) and (gap.track_id, gap.cause) == ("p1-mic", "publisher_away")
    assert (gap.from_ms, gap.to_ms) == (pytest.approx(3_000, abs=40), pytest.approx(5_000, abs=40))
    assert len(named(made, "p1-mic").epochs) == 2 and len(named(made, "p1-cam").epochs) == 1
