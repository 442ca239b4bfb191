# SPDX-License-Identifier: Apache-2.0
"""The recorder's memory over hours, in virtual time: `python -m benchmarks.recording.hours HOURS PARTICIPANTS`.

The recorder's own session, spool and digests take thin streams (memory goes by parts and segments, and these by time,
not by bytes) as fast as the machine can; each segment goes as soon as it has its digest, as when the store is there.
Prints one JSON line for each ten minutes; sockets and the store's client are not in it. The last line says how far the
manifest puts the sound and the picture of a participant whose clocks run fast from each other, and from those of one
whose clocks are right.
"""

from __future__ import annotations

import gc
import json
import os
import random
import sys
import tempfile
from pathlib import Path

from benchmarks.recording.streams import FPS, Stream, picture, sound
from mediaserver.recorder.session import LiveSession
from mediaserver.recorder.spool import SessionSpool
from mediaserver.recording import summary
from mediaserver.recording.feed import SessionOrder, SessionRef
from mediaserver.recording.state import SessionState
from storage import manifest
from storage.files import digests_of_file
from storage.ids import new_id

STEP_MS = 200
"""As often as the recorder commits."""
AUDIO_STEP_MS, VIDEO_STEP_MS = 100, 200
REPORT_MS = 1000
TOLD_EVERY_MS = 600_000
ORIGIN_UTC_MS = 1_780_000_000_000
SKEW_PPM = 100.0
"""Of the first participant."""
JITTER_MS = 20
"""Packets and reports come up to so much late."""
SEED = 5


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
            skew = 0.0 if number else SKEW_PPM
            self.streams.append(Stream("audio", number, number, sound(), AUDIO_STEP_MS, skew))
            self.streams.append(Stream("video", number, number, small, VIDEO_STEP_MS, skew))
        self.numbers = dict.fromkeys(range(1, len(self.streams) + 1), 0)
        for feed, stream in enumerate(self.streams, 1):
            self.live.open_track(1 + feed, feed, stream.info())
        self.segments = 0
        self.state = SessionState()
        """What the journal says in the end."""
        self._chance = random.Random(SEED)
        self._reference = reference

    def advance(self, at_ms: int) -> None:
        """Everything up to `at_ms`: packets and reports in, parts out and durable, whole segments digested and gone."""
        now_us = at_ms * 1000
        for feed, stream in enumerate(self.streams, 1):
            intake = self.live.intakes[feed]
            arrival_utc_us = (ORIGIN_UTC_MS + at_ms + self._chance.randrange(JITTER_MS)) * 1000
            for packet in stream.take(at_ms):
                self.numbers[feed] += 1
                self.live.packet(intake, self.numbers[feed], packet, arrival_utc_us, now_us)
            if at_ms % REPORT_MS == 0:
                self.numbers[feed] += 1
                pair = stream.ntp_s(at_ms), stream.timestamp(at_ms)
                self.live.report(intake, self.numbers[feed], pair, arrival_utc_us)
        self.live.tick(now_us)
        self._settle()

    def _settle(self) -> None:
        if self.live.steps:
            result = self.live.spool.commit(list(self.live.steps))
            if result.fault is not None:
                raise result.fault
            self.live.committed(result, 1 << 20)
        for name, path in list(self.live.sealable()):
            found = digests_of_file(path)
            self.live.add_seal(name, found.sha256, found.sm3)
            path.unlink()
            self.segments += 1
        for name in sorted(self.live.to_upload):
            self.live.to_upload.discard(name)
            self.live.stored(self.live.spool.key(*name))

    def finish(self, at_ms: int) -> manifest.Manifest:
        """Stop, and say what the record is. Raises OSError, ManifestFault."""
        stop = SessionOrder(self._reference, "stopped", 2, ORIGIN_UTC_MS + at_ms)
        self.live.order(stop, 2 + len(self.streams), at_ms * 1000, disk_full=False)
        while not self.live.recorded_out:
            self._settle()
        self.state = self.live.spool.read()
        return summary.build(self.state, "benchmark", self.live.spool.key)

    def late_ms(self, made: manifest.Manifest, feed: int, at_ms: float) -> float:
        """How much later than it was a moment of a stream lies on the session clock of the manifest."""
        stream = self.streams[feed - 1]
        track = next(track for track in made.tracks if track.track_id == stream.info().track_id)
        (epoch,) = track.epochs
        scale = self.state.tracks[track.track_id].epochs[0].scale
        whole = round((at_ms - stream.phase_ms) * stream.pace * stream.rate / 1000) + (1 << 32)
        return epoch.clock.session_ms(scale.exact_ms(whole), epoch.origin_ms) - at_ms


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
        print(json.dumps(_apart(session, at_ms)), flush=True)


def _apart(session: Session, end_ms: int) -> dict[str, float]:
    """The worst over the whole length, ms."""
    made = session.finish(end_ms)
    one, peers = 0.0, 0.0
    for at_ms in range(1000, end_ms, 10_000):
        late = [session.late_ms(made, feed, at_ms) for feed in (1, 2, 3, 4)]
        one = max(one, abs(late[0] - late[1]), abs(late[2] - late[3]))
        peers = max(peers, max(late) - min(late))
    return {"skew_ppm": SKEW_PPM, "one_peer_ms": round(one, 2), "peers_ms": round(peers, 2)}


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
