# SPDX-License-Identifier: Apache-2.0
"""The line to one recorder, here or on a media node: what became of each recording."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import structlog

from web.casework.progress import RecorderReport, report_from_json
from web.media.line import Line

log = structlog.get_logger(__name__)

BUSY_EVERY_S: Final = 0.5
"""Between two questions while something is recorded or uploaded; the pages show it within a second."""
IDLE_EVERY_S: Final = 3.0
ANSWER_WITHIN_S: Final = 2.0
AWAY_AFTER_S: Final = IDLE_EVERY_S + ANSWER_WITHIN_S + 1.0
"""A recorder that restarts is back sooner; after this the pages say that it is away. Longer than the pause between two
questions, or a quiet recorder would count as dead."""


class RecorderAway(Exception):
    """The recorder does not answer. The world's fault."""


class RecorderSpeaksOtherwise(Exception):
    """The recorder's answer does not have the agreed form: two versions run beside each other. Our fault."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The recorder's word on one session, as it came (to be kept) and as it is understood."""

    session_id: str
    raw: dict[str, Any]
    report: RecorderReport
    duration_ms: int | None


@dataclass(frozen=True, slots=True)
class CopyState:
    """How the second store is, and what it has not got yet."""

    ok: bool
    waiting: int
    waiting_bytes: int


@dataclass(frozen=True, slots=True)
class Answer:
    """All sessions that the recorder knows, and how its disk and store are."""

    store_ok: bool
    disk_state: str
    free_bytes: int
    entries: tuple[Entry, ...]
    copy: CopyState | None = None
    """None: no second store is configured."""


def answer_from_json(value: Mapping[str, Any]) -> Answer:
    """Read an answer of `/sessions`. Raises RecorderSpeaksOtherwise."""
    try:
        entries = tuple(_entry(item) for item in value["sessions"])
        disk = str(value["disk_state"]), int(value["free_bytes"])
        return Answer(bool(value["store_ok"]), *disk, entries, _copy(value.get("copy")))
    except (KeyError, TypeError, ValueError) as error:
        raise RecorderSpeaksOtherwise(repr(error)) from None


def _copy(item: Mapping[str, Any] | None) -> CopyState | None:
    return None if item is None else CopyState(bool(item["ok"]), int(item["waiting"]), int(item["waiting_bytes"]))


def _entry(item: Mapping[str, Any]) -> Entry:
    duration = item["duration_ms"]
    return Entry(
        str(item["session_id"]), dict(item), report_from_json(item), None if duration is None else int(duration)
    )


class RecorderLink:
    """Asks again and again; keeps the last answer."""

    def __init__(self, line: Line, count: Callable[[str], None]) -> None:
        self._line, self._count = line, count
        self._http: aiohttp.ClientSession | None = None
        self._seen_s = time.monotonic()
        self._soon = asyncio.Event()
        self.last: Answer | None = None

    async def open(self) -> None:
        """Get ready. Connects to nothing yet."""
        timeout = aiohttp.ClientTimeout(total=ANSWER_WITHIN_S)
        self._http = aiohttp.ClientSession(connector=self._line.connector(), timeout=timeout)

    async def close(self) -> None:
        """End all connections."""
        if self._http is not None:
            await self._http.close()

    @property
    def away(self) -> bool:
        """True when it has not answered for AWAY_AFTER_S."""
        return time.monotonic() - self._seen_s >= AWAY_AFTER_S

    def hurry(self) -> None:
        """Ask at once: something was just ordered."""
        self._soon.set()

    async def poll(self, heard: Callable[[Answer | None], Awaitable[bool]]) -> None:
        """Ask until cancelled. `heard` gets each answer (None: no answer) and says whether to ask again soon."""
        while True:
            self._soon.clear()
            busy = True
            try:
                busy = await heard(await self._asked())
            except Exception:
                log.exception("recorder_report_failed")
                self._count("recorder_report_failed")
            try:
                async with asyncio.timeout(BUSY_EVERY_S if busy else IDLE_EVERY_S):
                    await self._soon.wait()
                await asyncio.sleep(BUSY_EVERY_S / 5)  # a burst of orders is one question
            except TimeoutError:
                pass

    async def is_there(self) -> bool:
        """True when it has answered lately, or does so now."""
        return not self.away or await self._asked() is not None

    async def _asked(self) -> Answer | None:
        try:
            self.last = await self.ask()
        except RecorderAway:
            return None
        except RecorderSpeaksOtherwise as error:
            log.error("recorder_speaks_otherwise", reason=str(error))
            self._count("recorder_speaks_otherwise")
            return None
        self._seen_s = time.monotonic()
        return self.last

    async def ask(self) -> Answer:
        """One question. Raises RecorderAway, RecorderSpeaksOtherwise."""
        assert self._http is not None, "open() comes first"
        try:
            async with self._http.get(f"{self._line.base}/sessions") as response:
                if response.status != 200:
                    raise RecorderAway(f"status {response.status}")
                value = await response.json()
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise RecorderAway(type(error).__name__) from None
        return answer_from_json(value)

    async def forget(self, session_id: str) -> None:
        """Tell it that the sealed state of this session is noted. Raises RecorderAway; it is told again then."""
        assert self._http is not None, "open() comes first"
        try:
            async with self._http.delete(f"{self._line.base}/sessions/{session_id}") as response:
                await response.read()
                if response.status >= 400 and response.status != 404:
                    raise RecorderAway(f"status {response.status}")
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise RecorderAway(type(error).__name__) from None
