# SPDX-License-Identifier: Apache-2.0
"""The recorders beside all media processes as one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from web.media.recorder_link import Answer, CopyState, RecorderAway, RecorderLink

_WORSE: Final = ("ok", "low", "full")


class RecorderPool:
    """Has the questions of `RecorderLink`."""

    def __init__(self, links: Sequence[RecorderLink]) -> None:
        self.links = list(links)

    async def open(self) -> None:
        """Get ready."""
        for link in self.links:
            await link.open()

    async def close(self) -> None:
        """End all connections."""
        for link in self.links:
            await link.close()

    @property
    def away(self) -> bool:
        """True while one of them has not answered for too long."""
        return any(link.away for link in self.links)

    @property
    def last(self) -> Answer | None:
        """What all of them said last, as one answer; None until every one has."""
        answers = [link.last for link in self.links]
        heard = [answer for answer in answers if answer is not None]
        return _one(heard) if len(heard) == len(answers) else None

    def hurry(self) -> None:
        """Ask all at once."""
        for link in self.links:
            link.hurry()

    async def poll(self, heard: Callable[[Answer | None], Awaitable[bool]]) -> None:
        """Ask until cancelled; `heard` gets the answers of each recorder by themselves."""
        async with asyncio.TaskGroup() as group:
            for link in self.links:
                group.create_task(link.poll(heard))

    async def is_there(self) -> bool:
        """True when all have answered lately, or do so now."""
        return all(await asyncio.gather(*(link.is_there() for link in self.links)))

    async def ask(self) -> Answer:
        """One question to all. Raises RecorderAway, RecorderSpeaksOtherwise."""
        return _one([await link.ask() for link in self.links])

    async def forget(self, session_id: str) -> None:
        """Tell whoever has it. Raises RecorderAway."""
        for link in self.links:
            if link.last is None:
                raise RecorderAway("not heard yet")
            if any(entry.session_id == session_id for entry in link.last.entries):
                await link.forget(session_id)


def _one(answers: Sequence[Answer]) -> Answer:
    """The worst of each."""
    return Answer(
        all(answer.store_ok for answer in answers),
        max((answer.disk_state for answer in answers), key=lambda state: _WORSE.index(state) if state in _WORSE else 0),
        min(answer.free_bytes for answer in answers),
        tuple(entry for answer in answers for entry in answer.entries),
        _one_copy([answer.copy for answer in answers if answer.copy is not None]),
    )


def _one_copy(states: Sequence[CopyState]) -> CopyState | None:
    if not states:
        return None
    waiting, waiting_bytes = sum(s.waiting for s in states), sum(s.waiting_bytes for s in states)
    return CopyState(all(s.ok for s in states), waiting, waiting_bytes)
