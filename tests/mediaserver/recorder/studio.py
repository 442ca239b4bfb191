# SPDX-License-Identifier: Apache-2.0
"""A recorder process between a real feed and a real store, for tests.

Media may be played faster than life: the feed carries the times at which packets would have arrived.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import av

from mediaserver.recording.feed import SessionOrder, SessionRef, TrackInfo
from mediaserver.recording.ring import FeedRing
from mediaserver.shell.feed_server import FeedServer
from storage import manifest
from storage.embedded import StoreNotStarted, read_access
from storage.ids import new_id
from storage.objects import StoreError, open_store
from storage.settings import Settings
from tests.mediaserver.recorder.media import Stream

SPEED = 6.0
"""Seconds of media in a second of the test; the feed's memory of 15 s must outlast the recorder's second."""
COUNTY = "default"


async def until(check: Callable[[], Any], within_s: float = 60.0) -> Any:
    """Wait until `check` gives something true."""
    end = time.monotonic() + within_s
    while not (found := check()):
        assert time.monotonic() < end, "not in time"
        await asyncio.sleep(0.05)
    return found


class Publisher:
    """One track of one session."""

    def __init__(self, studio: Studio, session: SessionRef, stream: Stream, peer: str, source: str) -> None:
        self.studio, self.session, self.stream, self.peer, self.source = studio, session, stream, peer, source
        self.number = 0
        self.sent = 0
        self.sent_at_ms: list[int] = []
        self.next_report_ms = 0
        self.lose: Callable[[int], bool] = lambda sequence: False
        self.open()

    def open(self) -> None:
        """A new epoch."""
        audio = self.stream.kind == "audio"
        info = TrackInfo(
            f"{self.peer}-{self.source}",
            self.peer,
            f"所 {self.peer}",
            "调解室",
            self.source,
            "audio" if audio else "video",
            "opus" if audio else "vp8",
            self.stream.rate,
            111 if audio else 96,
            self.stream.ssrc,
        )
        self.number = self.studio.feed.open_track(self.session, info)

    def close(self) -> None:
        """The publisher went away."""
        self.studio.feed.close_track(self.number)

    def send_due(self) -> None:
        """Give the feed what is due by now."""
        while self.stream.at_ms <= self.studio.media_ms:
            arrival = self.studio.arrival_us(self.stream.at_ms)
            if self.stream.at_ms >= self.next_report_ms:
                self.next_report_ms += 1000
                ntp = 3_900_000_000 + self.stream.at_ms / 1000
                self.studio.feed.sender_report(
                    self.number, ntp, self.stream.timestamp(self.stream.at_ms), arrival + random.randrange(500, 8000)
                )
            for packet in self.stream.next():
                if not self.lose(packet[2] << 8 | packet[3]):
                    self.studio.feed.packet(self.number, packet, arrival)
                    self.sent += 1
                    self.sent_at_ms.append(self.stream.at_ms)


class PlayedRing(FeedRing):
    """Media are played faster than life: only the packets behind let go what is too old, however slow the machine."""

    def expire(self, steady_us: int) -> None:
        """See above."""

    def unacknowledged(self, track: int) -> int:
        """Records of a track that are not yet on disk."""
        kept = self._tracks[track]
        return kept.last_number - kept.acknowledged


class Studio:
    """Folder, store, feed and recorder of one test."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        self.data_dir = data_dir
        self.environment = {
            **os.environ,
            "VIDEOHOME_DATA_DIR": str(data_dir),
            "VIDEOHOME_DISK_LOW_BYTES": "0",
            "VIDEOHOME_DISK_FULL_BYTES": "0",
            **{f"VIDEOHOME_{name.upper()}": value for name, value in settings.items()},
        }
        self.settings = Settings(data_dir=data_dir)
        self.ring = PlayedRing()
        self.feed = FeedServer(ring=self.ring)
        self.recorder: asyncio.subprocess.Process | None = None
        self.store: asyncio.subprocess.Process | None = None
        self.media_ms = 0
        self.started_utc_us = 0
        self.version = 0
        self.own_key = False
        """What is ordered gets a key of its own."""

    # The programs

    async def start(self) -> None:
        """Feed and recorder."""
        await self.feed.start(self.settings.run_dir / "feed.sock")
        await self.start_recorder()

    async def start_store(self) -> None:
        """The embedded store, ready."""
        environment = {**self.environment, "VIDEOHOME_DATA_DIR": str(self.settings.data_dir)}
        self.store = await self._run("storage.embedded", environment)
        await until(self._store_answers, 60)

    def _store_answers(self) -> bool:
        assert self.store is not None and self.store.returncode is None, "the store ended"
        with contextlib.suppress(StoreError, StoreNotStarted):
            open_store(self.settings).ensure_bucket()
            return True
        return False

    async def stop_store(self) -> None:
        """As if its machine were gone."""
        assert self.store is not None
        self.store.kill()
        await self.store.wait()

    async def start_recorder(self) -> None:
        """The recorder; ready when it answers."""
        self.recorder = await self._run("mediaserver.recorder", self.environment)
        await self.wait_status(lambda report: True)

    async def kill_recorder(self) -> None:
        """SIGKILL."""
        assert self.recorder is not None
        self.recorder.send_signal(signal.SIGKILL)
        await self.recorder.wait()

    async def _run(self, module: str, environment: dict[str, str]) -> asyncio.subprocess.Process:
        with (self.data_dir / f"{module}.log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                sys.executable, "-m", module, env=environment, stdout=log, stderr=log
            )

    async def new_boot(self) -> None:
        """The mediaserver dies and comes back."""
        await self.feed.close()
        self.ring = PlayedRing()
        self.feed = FeedServer(ring=self.ring)
        await self.feed.start(self.settings.run_dir / "feed.sock")

    async def close(self) -> None:
        """End everything."""
        await self.feed.close()
        for process in (self.recorder, self.store):
            if process is not None and process.returncode is None:
                process.kill()
                await process.wait()

    # The call

    def session(self) -> SessionRef:
        """A new session's name."""
        session_id = new_id()
        return SessionRef(COUNTY, session_id, session_id)

    def order(self, session: SessionRef, recording: Any, reason: str = "", *, again: bool = False) -> None:
        """What web would order, at this moment of the played time."""
        if not self.started_utc_us:
            self.started_utc_us = time.time_ns() // 1000
        self.version += 0 if again else 1
        utc_ms = self.arrival_us(self.media_ms) // 1000
        self.feed.session_order(SessionOrder(session, recording, self.version, utc_ms, reason, self.own_key))

    def arrival_us(self, media_ms: float) -> int:
        """When media of that time arrive at the server."""
        return self.started_utc_us + round(media_ms * 1000)

    async def play(self, seconds: float, *publishers: Publisher, speed: float = SPEED) -> None:
        """Let the publishers send for so long."""
        started, from_ms = time.monotonic(), self.media_ms
        length_ms = round(seconds * 1000)
        while self.media_ms - from_ms < length_ms:
            await asyncio.sleep(0.01)
            self.media_ms = from_ms + min(length_ms, round((time.monotonic() - started) * speed * 1000))
            for publisher in publishers:
                publisher.send_due()

    # What came of it

    async def status(self) -> dict[str, Any]:
        """The recorder's word."""
        async with self._http() as http, http.get("http://recorder/sessions") as answer:
            return dict(await answer.json())

    async def delete(self, session: SessionRef) -> int:
        """Web has noted how the session ended; the answer's status."""
        async with self._http() as http, http.delete(f"http://recorder/sessions/{session.session_id}") as answer:
            return answer.status

    def _http(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(self.settings.run_dir / "recorder.sock")))

    async def wait_status(self, check: Callable[[dict[str, Any]], Any], within_s: float = 120.0) -> dict[str, Any]:
        """Wait until the recorder's report is as `check` wants it."""
        end = time.monotonic() + within_s
        report: dict[str, Any] = {}
        while time.monotonic() < end:
            with contextlib.suppress(aiohttp.ClientError, OSError):
                report = await self.status()
                if check(report):
                    return report
            assert self.recorder is not None and self.recorder.returncode is None, "the recorder ended"
            await asyncio.sleep(0.05)
        raise AssertionError(f"not in time: {report}")

    async def sealed(self, session: SessionRef, within_s: float = 120.0) -> manifest.Manifest:
        """Wait for the end and read the manifest from the store."""
        key = await self.wait_status(lambda report: _entry(report, session).get("state") == "sealed", within_s)
        return manifest.from_bytes(self.read(_entry(key, session)["manifest_key"]))

    def read(self, key: str) -> bytes:
        """An object."""
        return open_store(self.settings).read_bytes(key)


def _entry(report: dict[str, Any], session: SessionRef) -> dict[str, Any]:
    found = [entry for entry in report["sessions"] if entry["session_id"] == session.session_id]
    return found[0] if found else {}


def entry(report: dict[str, Any], session: SessionRef) -> dict[str, Any]:
    """One session's part of the recorder's report."""
    return _entry(report, session)


def joined(studio: Studio, epoch: manifest.Epoch) -> bytes:
    """All segments of an epoch as one file: the first whole, of the others their clusters."""
    return b"".join(
        studio.read(segment.key)[0 if index == 0 else segment.header_bytes :]
        for index, segment in enumerate(epoch.segments)
    )


def decoded(data: bytes) -> tuple[list[float], float]:
    """Times of all decoded frames (ms), and the length of the sound or of the picture's steps together (ms)."""
    times, length = [], 0.0
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams[0]
        for frame in container.decode(stream):
            assert frame.time is not None
            times.append(frame.time * 1000)
            length += frame.samples * 1000 / frame.sample_rate if isinstance(frame, av.AudioFrame) else 0
    return times, length


__all__ = ["Publisher", "Studio", "decoded", "entry", "joined", "read_access", "until"]
