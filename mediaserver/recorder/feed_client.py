# SPDX-License-Identifier: Apache-2.0
"""The recorder's end of the feed: connects, says what it has, and hands every record on."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import structlog

from mediaserver.recorder.core import Recorder
from mediaserver.recording.feed import (
    CONTROL_TRACK,
    FEED_VERSION,
    FeedFault,
    Kind,
    Record,
    RecordReader,
    encode,
    encode_json,
)

log = structlog.get_logger(__name__)

READ_BYTES = 256 << 10
RETRY_FIRST_S = 0.05
RETRY_LAST_S = 1.0


class FeedClient:
    """Keeps one connection to the mediaserver beside it."""

    def __init__(self, path: Path, recorder: Recorder) -> None:
        self._path = path
        self._recorder = recorder
        self._writer: asyncio.StreamWriter | None = None
        self.connected = False
        recorder.on_acknowledge = self._acknowledge
        recorder.on_keyframe = self._ask_keyframe

    async def run(self) -> None:
        """Connect again and again until cancelled."""
        pause_s = RETRY_FIRST_S
        while True:
            try:
                reader, self._writer = await asyncio.open_unix_connection(str(self._path))
            except OSError:
                await asyncio.sleep(pause_s)
                pause_s = min(RETRY_LAST_S, pause_s * 2)
                continue
            try:
                if await self._serve(reader):
                    pause_s = RETRY_FIRST_S
            except (OSError, FeedFault) as error:
                log.warning("feed_broken", reason=str(error))
            finally:
                self.connected = False
                await self._hang_up()
            await asyncio.sleep(pause_s)
            pause_s = min(RETRY_LAST_S, pause_s * 2)

    async def _serve(self, reader: asyncio.StreamReader) -> bool:
        """Read until the mediaserver hangs up. True when it welcomed us. Raises FeedFault, OSError."""
        records = RecordReader()
        while data := await reader.read(READ_BYTES):
            if self.connected:
                records.pour(data, self._recorder.receive)
            else:
                self._welcomed(records.feed(data))
            await self._recorder.room_in_memory()
        return self.connected

    def _welcomed(self, found: list[Record]) -> None:
        for record in found:
            if self.connected:
                self._recorder.take(record)
                continue
            welcome = record.json()
            if record.kind is not Kind.WELCOME or welcome.get("version") != FEED_VERSION:
                raise FeedFault("the mediaserver speaks another version of the feed")
            self._hello(str(welcome.get("boot_id", "")))

    def _hello(self, boot_id: str) -> None:
        acknowledged = self._recorder.welcome(boot_id)
        body = {"version": FEED_VERSION, "boot_id": boot_id, "acknowledged": _named(acknowledged)}
        self._send(encode_json(Kind.HELLO, CONTROL_TRACK, 0, body))
        self.connected = True
        log.info("feed_connected", boot_id=boot_id, tracks=len(acknowledged) - 1)

    def _acknowledge(self, numbers: dict[int, int]) -> None:
        if self.connected:
            self._send(encode_json(Kind.ACK, CONTROL_TRACK, 0, {"acknowledged": _named(numbers)}))

    def _ask_keyframe(self, track: int) -> None:
        if self.connected:
            self._send(encode(Kind.KEYFRAME, track, 0, b""))

    def _send(self, data: bytes) -> None:
        assert self._writer is not None
        self._writer.write(data)

    async def _hang_up(self) -> None:
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()
            self._writer = None


def _named(numbers: dict[int, int]) -> dict[str, int]:
    return {str(track): number for track, number in numbers.items()}
