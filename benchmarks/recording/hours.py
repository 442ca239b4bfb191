# SPDX-License-Identifier: Apache-2.0
"""The recorder's memory over hours, in virtual time: `python -m benchmarks.recording.hours HOURS PARTICIPANTS`.

The recorder's own session, spool and digests take thin streams (memory goes by parts and segments, and these by time,
not by bytes) as fast as the machine can; each segment goes as soon as it has its digest, as when the store is there.
Prints one JSON line for each ten minutes. Sockets and the store's client are not in it.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import tempfile
from pathlib import Path

from benchmarks.recording.streams import FPS, Stream, picture, sound
from mediaserver.recorder.session import LiveSession
from mediaserver.recorder.spool import SessionSpool
from mediaserver.recording.feed import SessionOrder, SessionRef
from mediaserver.recording.state import SessionState
from storage.files import digests_of_file
from storage.ids import new_id

STEP_MS = 200
"""As often as the recorder commits."""
AUDIO_STEP_MS, VIDEO_STEP_MS = 100, 200
REPORT_MS = 1000
TOLD_EVERY_MS = 600_000
ORIGIN_UTC_MS = 1_780_000_000_000


def memory_bytes() -> int:
    """Resident memory of this process."""
    with Path("/proc/self/statm").open() as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Session:
    """One session that is recorded, fed by a clock that stands in no relation to the world's."""

    def __init__(self, folder: Path, participants: int) -> None:
        session_id = new_id()
        reference = SessionRef("c", session_id, session_id)
        self.live = LiveSession(SessionSpool(folder, "c", session_id), SessionState())
        self.live.begin(reference, "boot", 1)
        self.live.order(SessionOrder(reference, "on", 1, ORIGIN_UTC_MS), 1, 0, disk_full=False)
        small = picture(2, 64, 48, 20_000)[:: FPS * VIDEO_STEP_MS // 1000]
        self.streams: list[Stream] = []
        for number in range(participants):
            self.streams.append(Stream("audio", number, number, sound(), AUDIO_STEP_MS))
            self.streams.append(Stream("video", number, number, small, VIDEO_STEP_MS))
        self.numbers = dict.fromkeys(range(1, len(self.streams) + 1), 0)
        for feed, stream in enumerate(self.streams, 1):
            self.live.open_track(1 + feed, feed, stream.info())
        self.segments = 0

    def advance(self, at_ms: int) -> None:
        """Everything up to `at_ms`: packets and reports in, parts out and durable, whole segments digested and gone."""
        now_us = at_ms * 1000
        for feed, stream in enumerate(self.streams, 1):
            intake = self.live.intakes[feed]
            arrival_utc_us = (ORIGIN_UTC_MS + at_ms) * 1000
            for packet in stream.take(at_ms):
                self.numbers[feed] += 1
                self.live.packet(intake, self.numbers[feed], packet, arrival_utc_us, now_us)
            if at_ms % REPORT_MS == 0:
                self.numbers[feed] += 1
                pair = (3_900_000_000 + at_ms / 1000, stream.timestamp(at_ms))
                self.live.report(intake, self.numbers[feed], pair, arrival_utc_us)
        self.live.tick(now_us)
        if self.live.steps:
            result = self.live.spool.commit(list(self.live.steps))
            if result.fault is not None:
                raise result.fault
            self.live.committed(result, 1 << 20)
        for name, path in list(self.live.sealable()):
            found = digests_of_file(path)
            self.live.add_seal(name, found.sha256, found.sm3)
            path.unlink()
            self.live.uploaded.add(self.live.spool.key(*name))
            self.segments += 1


def main(hours: float, participants: int) -> None:
    """Play and tell. Raises OSError when the disk does not take it."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="videohome-hours-", dir=shared if shared.is_dir() else None) as folder:
        session = Session(Path(folder), participants)
        for at_ms in range(STEP_MS, round(hours * 3_600_000) + STEP_MS, STEP_MS):
            session.advance(at_ms)
            if at_ms % TOLD_EVERY_MS == 0:
                gc.collect()
                told = {"minutes": at_ms // 60_000, "memory_mb": memory_bytes() / 1e6, "segments": session.segments}
                print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
