# SPDX-License-Identifier: Apache-2.0
"""The recorder: all sessions, the commit loop, sealing and uploading.

Records are taken in the event loop; disk and store are used from threads. Nothing is acknowledged that a kill could
undo.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import AsyncIterator, Callable

import structlog

from mediaserver.recorder.sealing import Sealer
from mediaserver.recorder.session import ABANDONED_S, LiveSession
from mediaserver.recorder.spool import Committed, SessionSpool, clear_up, find_sessions, read_feed, write_feed
from mediaserver.recorder.stamping import Stamper, at_work
from mediaserver.recording import straight
from mediaserver.recording.feed import (
    CONTROL_TRACK,
    FeedFault,
    Kind,
    Record,
    SessionRef,
    decode_overflow,
    decode_packet,
    decode_report,
    parse_order,
    parse_session,
    parse_track,
)
from mediaserver.recording.intake import Intake
from mediaserver.recording.state import JournalFault, SessionState
from storage.layout import KeyFault
from storage.objects import ObjectStore, StoreRefused, open_copy, open_store
from storage.second_store import Copier
from storage.settings import Settings
from storage.uploads import Uploader

log = structlog.get_logger(__name__)

COMMIT_EVERY_S = 0.2
RETRY_S = 1.0
"""Pause after the disk took nothing."""
DISK_EVERY_S = 1.0
BACKLOG_LIMIT_BYTES = 64 << 20
"""Media waiting in memory for the disk; beyond it the feed is not read, and the mediaserver's own bound counts."""


class Recorder:
    """Everything the recorder knows. `on_acknowledge` and `on_keyframe` lead to the mediaserver, when there is one."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.sessions: dict[str, LiveSession] = {}
        self.on_acknowledge: Callable[[dict[int, int]], None] = lambda numbers: None
        self.on_keyframe: Callable[[int], None] = lambda track: None
        self.boot_id, self._control_durable = read_feed(settings.spool_dir)
        self._control = self._control_durable
        self._heard: set[int] = set()
        """Tracks of which something came since the feed was connected last."""
        self._told: dict[int, int] = {}
        self._roomy = asyncio.Event()
        self.free_bytes = 0
        loop = asyncio.get_running_loop()
        self.copier = _copier(settings)
        self.uploader = Uploader(
            settings.spool_dir,
            lambda: open_store(settings, self._own_key),
            on_uploaded=lambda key: _call_soon(loop, self._uploaded, key),
            on_stored=lambda *order: self.copier.add(*order) if self.copier is not None else None,
        )
        self.sealer = Sealer(self, self.uploader)
        self.stamper = Stamper(settings, self.uploader)
        self._by_feed: dict[int, LiveSession] = {}
        self._recorded: dict[int, Intake] = {}
        """Tracks of which a packet was taken and recorded just now; whatever may change what is recorded empties it."""

    def start(self) -> None:
        """Take up what the spool holds. Raises OSError when the spool cannot be used."""
        self.settings.spool_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._look_at_disk()
        clear_up(self.settings.spool_dir)
        for spool in find_sessions(self.settings.spool_dir):
            try:
                state = spool.load()
            except (OSError, JournalFault, KeyFault) as error:
                log.error("spooled_session_unreadable", folder=str(spool.folder), reason=str(error))
                continue
            if not state.session_id or _abandoned(state):
                spool.remove()
                continue
            live = LiveSession(spool, state)
            self.sessions[state.session_id] = live
            if live.boot == self.boot_id:
                self._by_feed.update(dict.fromkeys(live.intakes, live))
            else:
                live.forget_boot(_now_us())
        if self.copier is not None:
            self.copier.start()
        self.uploader.start()
        log.info("recorder_recovered", sessions=len(self.sessions), boot_id=self.boot_id)

    async def run(self, stop: asyncio.Event) -> None:
        """Commit, seal and finish until `stop`. Not to be cancelled: a commit that is under way must be heard out."""
        disk_at = 0.0
        async with at_work(self.stamper), self._sealing() as sealing:
            while not stop.is_set():
                if sealing.done():
                    sealing.result()  # a fault of ours
                now = time.monotonic()
                if now >= disk_at:
                    disk_at = now + DISK_EVERY_S
                    self._look_at_disk()
                fault = await self.commit()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), RETRY_S if fault else COMMIT_EVERY_S)

    @contextlib.asynccontextmanager
    async def _sealing(self) -> AsyncIterator[asyncio.Task[None]]:
        """Seal beside whatever is done inside: a long session's seal may hold up no commit of another."""

        async def work() -> None:
            while True:
                await self.sealer.work()
                await asyncio.sleep(COMMIT_EVERY_S)

        task = asyncio.create_task(work())
        try:
            yield task
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def close(self) -> None:
        """Write down everything that was taken. The tracks stay open: the next start continues them."""
        now_us = _now_us()
        for live in self.sessions.values():
            for intake in live.intakes.values():
                intake.flush(now_us)
        await self.commit()
        await asyncio.to_thread(self.uploader.close)
        if self.copier is not None:
            await asyncio.to_thread(self.copier.close)

    # The feed

    def welcome(self, boot_id: str) -> dict[int, int]:
        """A mediaserver answered. Returns what of its records is durable here."""
        self._heard.clear()
        self._recorded.clear()
        if boot_id != self.boot_id:
            now_us = _now_us()
            for live in self.sessions.values():
                live.forget_boot(now_us)
            self._by_feed.clear()
            self._told.clear()
            self.boot_id, self._control, self._control_durable = boot_id, 0, 0
            try:
                write_feed(self.settings.spool_dir, boot_id, 0)
            except OSError as error:
                log.error("spool_cannot_be_written", reason=str(error))
        return {CONTROL_TRACK: self._control_durable, **self._acknowledged()}

    def _acknowledged(self) -> dict[int, int]:
        return {
            number: feed.acknowledged
            for live in self.sessions.values()
            if live.state.boot == self.boot_id
            for number, feed in live.state.feed.items()
        }

    def receive(self, data: bytes) -> int:
        """Take the records that are whole at the beginning of what the mediaserver sent; how many bytes they were.

        Raises FeedFault at the first that is none of this protocol's.
        """
        return straight.take(data, self._recorded, _now_us(), self._take)

    def take(self, record: Record) -> None:
        """One record from the mediaserver. Raises FeedFault when it is none of this protocol's."""
        self._take(record, _now_us())

    def _take(self, record: Record, now_us: int) -> None:
        if record.kind in (Kind.ORDER, Kind.EVENT, Kind.OPEN, Kind.CLOSE):
            self._recorded.clear()
            if record.number > self._control:
                self._control = record.number
                self._take_control(record)
            return
        live = self._by_feed.get(record.track)
        intake = live.intakes.get(record.track) if live is not None else None
        if live is None or intake is None:
            return  # of a session that was sealed and forgotten
        if record.kind is Kind.PACKET:
            arrival_utc_us, packet = decode_packet(record.body)
            if live.packet(intake, record.number, packet, arrival_utc_us, now_us):
                self._recorded[record.track] = intake
        elif record.kind is Kind.REPORT:
            ntp_seconds, rtp_timestamp, arrival_utc_us = decode_report(record.body)
            live.report(intake, record.number, (ntp_seconds, rtp_timestamp), arrival_utc_us)
        elif record.kind is Kind.OVERFLOW:
            overflow = decode_overflow(record)
            # What fell out before we could hear of it did so while nobody was here.
            cause = "feed_overflow" if record.track in self._heard else "recorder_down"
            live.overflow(intake, overflow, cause, now_us)
        else:
            raise FeedFault("the mediaserver sent a record that only the recorder sends")
        self._heard.add(record.track)

    def _take_control(self, record: Record) -> None:
        body, now_us = record.json(), _now_us()
        try:
            if record.kind is Kind.CLOSE:
                live = self._by_feed.pop(int(body["number"]), None)
                if live is not None:
                    live.close_track(record.number, int(body["number"]), now_us)
                return
            reference = parse_session(body.get("session", {}))
            found = self._session(reference)
            if found is None or not found.begin(reference, self.boot_id, record.number):
                return
            if record.kind is Kind.ORDER:
                found.order(parse_order(body), record.number, now_us, disk_full=self.disk_state == "full")
            elif record.kind is Kind.EVENT:
                found.event(record.number, body)
            else:
                number = int(body["number"])
                found.open_track(record.number, number, parse_track(body.get("track", {})))
                self._by_feed[number] = found
        except (KeyError, TypeError, ValueError) as error:
            raise FeedFault(f"a control record lacks or garbles {error}") from error

    def _session(self, reference: SessionRef) -> LiveSession | None:
        live = self.sessions.get(reference.session_id)
        if live is None:
            try:
                spool = SessionSpool(self.settings.spool_dir, reference.county, reference.session_id)
            except KeyFault as error:
                log.error("session_with_impossible_name", reason=str(error))
                return None
            live = self.sessions[reference.session_id] = LiveSession(spool, SessionState())
        return live

    # Disk

    async def commit(self) -> bool:
        """Make durable what was taken so far, and acknowledge it. True when the disk did not take all of it."""
        now_us, control, whole = _now_us(), self._control, True
        for live in list(self.sessions.values()):
            live.tick(now_us)
            for number, intake in live.intakes.items():
                if intake.wants_keyframe(now_us):
                    self.on_keyframe(number)
            if live.steps:
                result: Committed = await asyncio.to_thread(live.spool.commit, list(live.steps))
                live.committed(result, BACKLOG_LIMIT_BYTES // 2 // len(self.sessions))
                whole = whole and result.fault is None
        if whole and control > self._control_durable:
            try:
                await asyncio.to_thread(write_feed, self.settings.spool_dir, self.boot_id, control)
                self._control_durable = control
            except OSError as error:
                log.error("spool_cannot_be_written", reason=str(error))
                whole = False
        self._acknowledge()
        self._roomy.set()
        return not whole

    def _acknowledge(self) -> None:
        numbers = {CONTROL_TRACK: self._control_durable, **self._acknowledged()}
        fresh = {track: number for track, number in numbers.items() if number > self._told.get(track, 0)}
        if fresh:
            self._told |= fresh
            self.on_acknowledge(fresh)

    async def room_in_memory(self) -> None:
        """Returns once the media that wait for the disk are within their bound."""
        while sum(len(step.data) for live in self.sessions.values() for step in live.steps) > BACKLOG_LIMIT_BYTES:
            self._roomy.clear()
            await self._roomy.wait()

    @property
    def disk_state(self) -> str:
        """ok, low or full, by the settings' thresholds."""
        if self.free_bytes < self.settings.disk_full_bytes:
            return "full"
        return "low" if self.free_bytes < self.settings.disk_low_bytes else "ok"

    def _look_at_disk(self) -> None:
        with contextlib.suppress(OSError):
            self.free_bytes = shutil.disk_usage(self.settings.spool_dir).free
        if self.disk_state != "full":
            self._recorded.clear()
            for live in self.sessions.values():
                if live.suspended and live.wanted != "stopped":
                    live.suspend(False, time.time_ns() // 1_000_000)

    # Store

    def _own_key(self, county: str, session_id: str) -> bytes | None:
        """A session's own key as the journal holds it: whatever becomes of the store's copy, nothing goes there in
        plain. Called in the upload's threads."""
        live = self.sessions.get(session_id)
        return live.state.own_key.encode() or None if live is not None and live.state.county == county else None

    def _uploaded(self, key: str) -> None:
        """Called in the event loop once the store was seen to hold an object."""
        parts = key.split("/")
        live = self.sessions.get(parts[2]) if len(parts) > 2 else None
        if live is None:
            return
        live.stored(key)
        if key == live.spool.manifest_key:
            live.add_done()

    async def forget(self, session_id: str) -> bool:
        """The pages have noted how it ended. False while it is still being recorded, uploaded or sealed."""
        live = self.sessions[session_id]
        if live.steps or not (live.state.done or live.state.recording == "off"):
            return False
        self._recorded.clear()
        del self.sessions[session_id]
        await asyncio.to_thread(live.spool.remove)
        return True


def _copier(settings: Settings) -> Copier | None:
    """The way to the second store, where one is configured."""
    if not settings.s3_copy_endpoint:
        return None

    def opened() -> ObjectStore:
        found = open_copy(settings)
        if found is None:
            raise StoreRefused("No second store is configured.")
        return found

    return Copier(settings.spool_dir, lambda: open_store(settings), opened)


def _abandoned(state: SessionState) -> bool:
    """True for a session that was spoken of long ago and never recorded."""
    if state.orders:
        return False
    last_utc_ms = max((event["utc_ms"] for event in state.events), default=0)
    return time.time_ns() // 1_000_000 - last_utc_ms > ABANDONED_S * 1000


def _call_soon(loop: asyncio.AbstractEventLoop, call: Callable[[str], None], key: str) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended; the next start finds the file gone
        loop.call_soon_threadsafe(call, key)


def _now_us() -> int:
    return time.monotonic_ns() // 1000
