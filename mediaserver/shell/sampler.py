# SPDX-License-Identifier: Apache-2.0
"""Has samples of what has no page (WHIP, IP cameras) looked into: one key frame and one second of sound of each, every
ten seconds, by one process of low priority. It starts with the first such source and ends with the last."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog

from mediaserver.sfu.troubles import picture_trouble, sound_trouble
from mediaserver.shell.camera_keeper import MAX_LINE_BYTES, child_environment
from mediaserver.shell.live_room import LiveRoom

log = structlog.get_logger(__name__)

EVERY_S: Final = 10.0
AGAIN_S: Final = 1.5
"""Until the next sample of a source that seems to change, or is in trouble. With a key frame every second or two an
alarm is there within EVERY_S + AGAIN_S + 2 key frames, that is 15 s."""
LOOK_EVERY_S: Final = 0.5
START_WITHIN_S: Final = 30.0
ANSWER_WITHIN_S: Final = 10.0
"""Both generous: it has the lowest priority."""
REST_S: Final = 10.0
"""After a process that ended or did not answer."""
Key = tuple[str, str, str]
"""Room, peer, source."""


@dataclass(slots=True)
class _Due:
    """When a source is looked into next, and the number of the packet up to which it was."""

    at_s: float
    number: int = 0


class Sampler:
    """Of all rooms of this process. `has_page` says of (room, peer id) whether its own page measures."""

    def __init__(self, rooms: Mapping[str, LiveRoom], has_page: Callable[[str, str], bool]) -> None:
        self._rooms, self._has_page = rooms, has_page
        self._due: dict[Key, _Due] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Work until `close`."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """End the work and its process."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._end()

    async def _run(self) -> None:
        while True:
            try:
                await self._look()
                await asyncio.sleep(LOOK_EVERY_S)
            except (OSError, ValueError, TimeoutError, asyncio.IncompleteReadError) as error:
                log.warning("sampler_failed", reason=type(error).__name__)
                await self._end()
                await asyncio.sleep(REST_S)

    async def _look(self) -> None:
        now = time.monotonic()
        wanted = {
            (room.room_id, flow.peer_id, flow.source)
            for room in self._rooms.values()
            for flow in room.flows(now)
            if flow.wanted and flow.live_s > 0 and not self._has_page(room.room_id, flow.peer_id)
        }
        self._due = {key: self._due.get(key) or _Due(now + AGAIN_S) for key in wanted}
        if not wanted:
            await self._end()
        for key, due in self._due.items():
            if due.at_s <= now:
                await self._sample(key, due)

    async def _sample(self, key: Key, due: _Due) -> None:
        room_id, peer_id, source = key
        room = self._rooms.get(room_id)
        sample = None if room is None else room.sample(peer_id, source, due.number)
        if room is None or sample is None:
            return  # no key frame since the last look: at the next turn
        codec, due.number, packets = sample
        measured = await self._ask({"codec": codec, "packets": [base64.b64encode(one).decode() for one in packets]})
        soon = False
        if measured:
            room.watch.sampled(peer_id, source, _trouble(measured))
            soon = room.watch.state.unsure(peer_id, source)
        due.at_s = time.monotonic() + (AGAIN_S if soon else EVERY_S)

    async def _ask(self, order: dict[str, Any]) -> dict[str, Any]:
        """Raises OSError, ValueError, TimeoutError, IncompleteReadError."""
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "mediaserver.cameras",
                "samples",  # for whoever looks at the list of processes
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=child_environment(),
                limit=MAX_LINE_BYTES,
                start_new_session=True,
            )
            assert self._process.stdin is not None
            self._process.stdin.write(b'{"task": "samples"}\n')
            async with asyncio.timeout(START_WITHIN_S):
                await self._answer(self._process)  # that it is ready
        process = self._process
        assert process.stdin is not None
        async with asyncio.timeout(ANSWER_WITHIN_S):
            process.stdin.write(json.dumps(order).encode() + b"\n")
            await process.stdin.drain()
            return await self._answer(process)

    @staticmethod
    async def _answer(process: asyncio.subprocess.Process) -> dict[str, Any]:
        assert process.stdout is not None
        found: dict[str, Any] = json.loads(await process.stdout.readuntil(b"\n"))
        return found

    async def _end(self) -> None:
        if self._process is None:
            return
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()  # it keeps nothing
        await self._process.wait()
        self._process = None


def _trouble(measured: dict[str, Any]) -> str | None:
    if "mean" in measured:
        return picture_trouble(float(measured["mean"]), float(measured["brightest"]))
    return sound_trouble(float(measured["peak"]), float(measured["clipped"]))
