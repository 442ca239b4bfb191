# SPDX-License-Identifier: Apache-2.0
"""A recording from a script, with the recorder in this process and its clock in the script's hand."""

from __future__ import annotations

import asyncio
import io
import itertools
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from mediaserver.recorder import core
from mediaserver.recording import feed
from storage import disk, manifest, uploads
from storage.cli.verify import run as verify_recording
from storage.keyed_format import MAGIC
from storage.layout import manifest_key, own_key_key, session_folder
from storage.objects.keyed import Elsewhere, KeyedStore, nowhere
from storage.settings import Settings
from tests.faults.disk_log import Entry, LoggedDisk
from tests.faults.store import FolderStore
from tests.mediaserver.recorder.media import Stream

COUNTY, SESSION = "default", "0" * 26
REFERENCE = feed.SessionRef(COUNTY, SESSION, SESSION)
COMMIT_MS = 200
UTC_MS = 1_700_000_000_000
LENGTH_MS, PAUSE_MS, RESUME_MS = 13_000, 4_000, 5_000
PART_MS = 1_250
"""The most that one part holds, and what waits for its commit."""


@dataclass
class Sent:
    """What the script gave to the recorder of one track: number in the feed, time, and whether it was to be kept."""

    packets: list[tuple[int, int, bool]] = field(default_factory=list)

    def kept(self, to_number: int) -> int:
        """Packets that must be in the record when the feed was acknowledged up to this number."""
        return sum(kept for number, _, kept in self.packets if number <= to_number)

    def lost_ms(self, from_number: int, to_number: int) -> int:
        """From the first to the last packet that was to be kept after one number and up to another."""
        times = [at_ms for number, at_ms, kept in self.packets if kept and from_number < number <= to_number]
        return times[-1] - times[0] if times else 0


class Clock:
    """The recorder's clock."""

    def __init__(self) -> None:
        self.ms = 0

    def now_us(self) -> int:
        """As core's own."""
        return self.ms * 1000


@contextmanager
def surroundings(store: FolderStore, clock: Clock, door: disk.Disk | None = None) -> Iterator[None]:
    """The recorder with this store, clock and disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(core, "open_store", lambda settings, elsewhere: keyed(settings, store, elsewhere))
        patch.setattr(core, "_now_us", clock.now_us)
        patch.setattr(uploads, "RETRY_FIRST_S", 0.002)
        patch.setattr(uploads, "RETRY_LAST_S", 0.01)
        if door is not None:
            patch.setattr(disk, "door", door)
        yield


def keyed(settings: Settings, store: FolderStore, elsewhere: Elsewhere = nowhere) -> KeyedStore:
    """The door that everybody goes through."""
    return KeyedStore(store, settings.secrets_dir, elsewhere)  # type: ignore[arg-type]


def settings_of(folder: Path) -> Settings:
    """Of a recorder that minds no full disk."""
    return Settings(data_dir=folder, disk_low_bytes=0, disk_full_bytes=0)


class Script:
    """One call of a microphone and a camera, with a pause in it."""

    def __init__(self, recorder: core.Recorder, clock: Clock, log: LoggedDisk | None, *, own_key: bool = False) -> None:
        self.recorder, self.clock, self.log, self.own_key = recorder, clock, log, own_key
        self.streams = {1: Stream("audio"), 2: Stream("video", ssrc=2)}
        self.sent = {1: Sent(), 2: Sent()}
        self.numbers: Counter[int] = Counter()
        self.control = itertools.count(1)
        self.version = 0
        self._reader = feed.RecordReader()

    def take(self, data: bytes) -> None:
        """Give the recorder one record."""
        self._reader.pour(data, self.recorder.receive)

    def order(self, recording: str, *, version: int = 0) -> None:
        """What web orders."""
        self.version = version or self.version + 1
        facts = {"recording": recording, "version": self.version, "utc_ms": UTC_MS + self.clock.ms, "reason": ""}
        facts["own_key"] = self.own_key
        body = {"session": feed.session_json(REFERENCE), **facts}
        self.take(feed.encode_json(feed.Kind.ORDER, feed.CONTROL_TRACK, next(self.control), body))

    def open(self, number: int) -> None:
        """A track begins."""
        kind = self.streams[number].kind
        source, codec, rate, payload_type = {
            "audio": ("mic", "opus", 48_000, 111), "video": ("cam", "vp8", 90_000, 96),
        }[kind]  # fmt: skip
        track = {
            "track_id": f"p-{source}", "peer_id": "p", "peer_name": "所", "place": "室", "source": source,
            "kind": kind, "codec": codec, "clock_rate": rate, "payload_type": payload_type,
            "ssrc": self.streams[number].ssrc, "cname": "", "extensions": {},
        }  # fmt: skip
        body = {"session": feed.session_json(REFERENCE), "number": number, "track": track}
        self.take(feed.encode_json(feed.Kind.OPEN, feed.CONTROL_TRACK, next(self.control), body))

    def media(self, to_ms: int, *, recorded: bool) -> None:
        """Everything that is due until then."""
        for number, stream in self.streams.items():
            while stream.at_ms < to_ms:
                at_ms = stream.at_ms
                for packet in stream.next():
                    self.numbers[number] += 1
                    self.sent[number].packets.append((self.numbers[number], at_ms, recorded))
                    arrival_us = (UTC_MS + at_ms) * 1000
                    self.take(feed.encode_packet(number, self.numbers[number], packet, arrival_us))
        if self.log is not None:
            self.log.note("taken", dict(self.numbers))

    async def play(self, commit_every_ms: int) -> None:
        """The whole call, up to the order to stop."""
        self.order("on")
        recorded = True
        self.open(1)
        self.open(2)
        while self.clock.ms < LENGTH_MS:
            if self.clock.ms == PAUSE_MS:
                self.order("paused")
                recorded = False
            elif self.clock.ms == RESUME_MS:
                self.order("on")
                recorded = True
                self.streams[2].seek(self.clock.ms)
            self.clock.ms += COMMIT_MS
            self.media(self.clock.ms, recorded=recorded)
            if self.clock.ms % commit_every_ms == 0:
                await self.recorder.commit()
                await self.recorder.sealer.work()
        self.order("stopped")


async def finish(recorder: core.Recorder, clock: Clock, rounds: int = 2_000) -> None:
    """Go on until the session is sealed and forgotten, or there is nothing of it."""
    for _ in range(rounds):
        clock.ms += COMMIT_MS
        await recorder.commit()
        await recorder.sealer.work()
        live = recorder.sessions.get(SESSION)
        if live is None or (live.state.done and not live.steps) or (live.state.recording == "off" and not live.steps):
            break
        await asyncio.sleep(0.002)
    else:
        raise AssertionError(f"never sealed: {live and live.fault}, {live and live.state.recording}")
    if live is not None:
        assert await recorder.forget(SESSION)


def begun(settings: Settings, log: LoggedDisk | None = None) -> core.Recorder:
    """A recorder that runs, and to which a mediaserver has spoken. What it acknowledges stands in the log."""
    recorder = core.Recorder(settings)
    if log is not None:
        recorder.on_acknowledge = lambda numbers: log.note("acknowledged", dict(numbers))
    recorder.start()
    recorder.welcome("boot-1")
    return recorder


async def record(
    folder: Path,
    store: FolderStore,
    log: LoggedDisk | None = None,
    every_ms: int = COMMIT_MS,
    *,
    own_key: bool = False,
) -> Script:
    """One recording from beginning to end."""
    clock = Clock()
    settings = settings_of(folder)
    settings.spool_dir.mkdir(parents=True, exist_ok=True)
    with surroundings(store, clock, log):
        recorder = begun(settings, log)
        script = Script(recorder, clock, log, own_key=own_key)
        await script.play(every_ms)
        await finish(recorder, clock)
        await recorder.close()
    return script


def assert_nothing_left(folder: Path) -> None:
    """The spool holds its two queues' files and no more."""
    spool = settings_of(folder).spool_dir
    files = {path.relative_to(spool).as_posix() for path in spool.rglob("*") if path.is_file()}
    assert files <= {"feed.json", uploads.JOURNAL}, files
    sessions = [path for path in spool.glob("*/sessions/*")]
    assert sessions == [], sessions


def assert_green(folder: Path, store: FolderStore, *, own_key: bool = False) -> manifest.Manifest:
    """The stored recording verifies, and is encrypted where it has a key of its own; returns its manifest."""
    settings, out = settings_of(folder), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("storage.cli.verify.open_store", lambda settings: keyed(settings, store))
        status = verify_recording(settings, SESSION, console=Console(file=out, width=300))
    assert status == 0, out.getvalue()
    stored = {item.key: store.read_bytes(item.key) for item in store.list(session_folder(COUNTY, SESSION))}
    assert (own_key_key(COUNTY, SESSION) in stored) == own_key
    for key, data in stored.items():
        assert data.startswith(MAGIC) == (own_key and key != own_key_key(COUNTY, SESSION)), key
    return manifest.from_bytes(keyed(settings, store).read_bytes(manifest_key(COUNTY, SESSION)))


def packets_of(made: manifest.Manifest, track_id: str) -> int:
    """Packets in the record of one track."""
    return sum(s.packets for track in made.tracks if track.track_id == track_id for s in track.segments())


def last(entries: list[Entry], what: str) -> Any:
    """The newest note of this kind."""
    found: dict[int, int] = {}
    for entry in entries:
        if entry.what == what:
            found |= entry.facts
    return found
