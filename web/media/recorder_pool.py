# SPDX-License-Identifier: Apache-2.0
"""The recorders beside all media processes as one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from web.media.recorder_link import Answer, CopyState, RecorderAway, RecorderLink

_WORSE: Final = ("ok", "low", "full")


class RecorderPool:
    """Has the questions of `RecorderLink`."""

    def __init__(self, links: Mapping[str, RecorderLink], node_of: Callable[[str], str | None]) -> None:
        """`node_of` gives the media process that has a room; its recorder has the room's recording."""
        self._by_node, self._node_of = dict(links), node_of
        self.links = list(links.values())

    async def open(self) -> None:
        """Get ready."""
        for link in self.links:
            await link.open()

    async def close(self) -> None:
        """End all connections."""
        for link in self.links:
            await link.close()

    @property
    def away(self) -> frozenset[str]:
        """The media processes whose recorders have not answered for too long."""
        return frozenset(node_id for node_id, link in self._by_node.items() if link.away)

    def away_for(self, room: str) -> bool:
        """True while the room's recorder does not answer; for a room without a place, while none does."""
        link = self._link_of(room)
        return all(one.away for one in self.links) if link is None else link.away

    def _link_of(self, room: str) -> RecorderLink | None:
        return self._by_node.get(self._node_of(room) or "")

    @property
    def last(self) -> Answer | None:
        """What all that answer said last, as one answer; None until every one of them has, and while none does."""
        answers = [link.last for link in self.links if not link.away]
        heard = [answer for answer in answers if answer is not None]
        return _one(heard) if heard and len(heard) == len(answers) else None

    def hurry(self) -> None:
        """Ask all at once."""
        for link in self.links:
            link.hurry()

    async def poll(self, heard: Callable[[Answer | None], Awaitable[bool]]) -> None:
        """Ask until cancelled; `heard` gets the answers of each recorder by themselves."""
        async with asyncio.TaskGroup() as group:
            for link in self.links:
                group.create_task(link.poll(heard))

    async def is_there(self, room: str) -> bool:
        """True when the room's recorder has answered lately, or does so now; without a place, when any does."""
        link = self._link_of(room)
        asked = self.links if link is None else [link]
        return any(await asyncio.gather(*(one.is_there() for one in asked)))

    def has_full_disk(self, room: str) -> bool:
        """True when the room's recorder said so last; without a place, when one of all did."""
        link = self._link_of(room)
        last = self.last if link is None else link.last
        return last is not None and last.disk_state == "full"

    async def ask(self) -> Answer:
        """One question to all. Raises RecorderAway, RecorderSpeaksOtherwise."""
        return _one([await link.ask() for link in self.links])

    async def forget(self, session_id: str) -> None:
        """Tell whoever has it. Raises RecorderAway."""
        heard = [(link, link.last) for link in self.links if link.last is not None]
        having = [link for link, last in heard if any(entry.session_id == session_id for entry in last.entries)]
        for link in having:
            await link.forget(session_id)
        if not having and len(heard) < len(self.links):
            raise RecorderAway("not heard yet")


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
