# SPDX-License-Identifier: Apache-2.0
"""What lies in the store is forgotten by the running recorder, in whatever order it came; the seal still has it."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.recording import hours
from mediaserver.recorder.session import LiveSession, SegmentName
from mediaserver.recorder.spool import SessionSpool
from mediaserver.recording import summary
from mediaserver.recording.feed import SessionOrder, SessionRef

SEGMENTS = 7
PLAYED_MS = 65_000


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory where that is to be had: thousands of commits, of which none is asked for after a power cut."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="videohome-", dir=shared if shared.is_dir() else None) as name:
        yield Path(name)


class Session(hours.Session):
    """One of two participants, whose files go to the store when a test says so."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, 2)
        self.waiting: list[SegmentName] = []

    def play(self, to_ms: int) -> None:
        for at_ms in range(hours.STEP_MS, to_ms + hours.STEP_MS, hours.STEP_MS):
            self.advance(at_ms)

    def _settle(self) -> None:
        result = self.live.spool.commit(list(self.live.steps))
        assert result.fault is None
        self.live.committed(result, 1 << 20)
        for name, path in self.live.sealable():
            found = hours.digests_of_file(path)
            self.live.add_seal(name, found.sha256, found.sm3)
        self.waiting += sorted(self.live.to_upload)
        self.live.to_upload.clear()

    def store(self, name: SegmentName) -> None:
        """The store takes this file."""
        self.waiting.remove(name)
        self.live.spool.path(*name).unlink()
        self.live.stored(self.live.spool.key(*name))

    def kept(self) -> dict[str, list[int]]:
        """Numbers of the files that the recorder still knows, of each track."""
        tracks = self.live.state.tracks.values()
        return {track.track_id: [segment.number for _, segment in track.segments()] for track in tracks}

    def stored_to_ms(self) -> dict[str, int]:
        return {name: self.live.uploaded_to_ms(track) for name, track in self.live.state.tracks.items()}


def test_files_go_in_any_order_and_what_is_kept_begins_with_the_first_that_is_missing(folder: Path) -> None:
    session = Session(folder)
    session.play(PLAYED_MS)
    one, other = sorted(session.live.state.tracks)[:2]
    whole = list(range(SEGMENTS))
    assert session.kept()[one] == whole == session.kept()[other]
    files = [name for name in session.waiting if name[0] == one]
    assert [name[2] for name in files] == whole[:-1], "the last one still grows"
    for name in (files[1], files[2], files[4]):
        session.store(name)
    assert session.kept()[one] == whole and session.stored_to_ms()[one] == 0
    third_ends_ms = session.live.state.tracks[one].epochs[0].segments[2].end_ms
    session.store(files[0])
    assert session.kept()[one] == whole[3:] and session.kept()[other] == whole
    assert session.stored_to_ms()[one] == third_ends_ms
    session.store(files[3])
    assert session.kept()[one] == whole[5:]


@pytest.mark.parametrize("seed", range(2))
def test_the_manifest_is_whole_whatever_was_forgotten_also_after_a_new_start(seed: int, folder: Path) -> None:
    chance = random.Random(seed)
    session = Session(folder)
    session.play(PLAYED_MS)
    for name in chance.sample(session.waiting, 11):
        session.store(name)
    before, waiting, stored_to_ms = session.kept(), set(session.waiting), session.stored_to_ms()
    spool = SessionSpool(folder, "c", session.live.spool.session_id)
    session.live = LiveSession(spool, spool.load())
    assert session.kept() == before and session.stored_to_ms() == stored_to_ms, "a new start forgets the same"
    assert session.live.to_upload == waiting
    session.live.to_upload.clear()
    for name in chance.sample(sorted(waiting), len(waiting)):
        session.store(name)
    assert set(map(len, session.kept().values())) == {1}, "what still grew"
    made = session.finish(PLAYED_MS)
    epochs = [epoch for track in made.tracks for epoch in track.epochs]
    assert made.complete and [len(epoch.segments) for epoch in epochs] == [SEGMENTS] * 4
    packets = sum(segment.packets for epoch in epochs for segment in epoch.segments)
    assert packets == sum(track.packets for track in session.live.state.tracks.values()) > 1_800


def test_holes_and_sender_reports_are_on_disk_alone(folder: Path) -> None:
    session = Session(folder)
    session.play(20_000)
    stream, intake = session.streams[0], session.live.intakes[1]
    for second in (20, 21, 22):  # of the packets of this second only the last one comes
        *_, last = stream.take(second * 1000.0 + 500)
        session.numbers[1] += 1
        session.live.packet(intake, session.numbers[1], last, (hours.ORIGIN_UTC_MS + second * 1000 + 500) * 1000, 0)
    for at_ms in range(23_000, 30_000, hours.STEP_MS):
        session.advance(at_ms)
    tracks = session.live.state.tracks.values()
    assert sum(track.lost for track in tracks) > 10 and len(session.live.state.holes) <= 1
    assert not any(epoch.reports for track in tracks for epoch in track.epochs)
    reference = SessionRef("c", session.live.spool.session_id, session.live.spool.session_id)
    stop = SessionOrder(reference, "stopped", 2, hours.ORIGIN_UTC_MS + 30_000)
    session.live.order(stop, 99, 30_000_000, disk_full=False)
    while not session.live.recorded_out:
        session._settle()
    state = session.live.spool.read()
    made = summary.build(state, "test", session.live.spool.key)
    assert len(state.holes) >= 3 and sum(gap.packets or 0 for gap in made.gaps) == sum(t.lost for t in tracks)
    assert all(epoch.clock.sender_reports > 10 for track in made.tracks for epoch in track.epochs)
