# SPDX-License-Identifier: Apache-2.0
"""The Python plane waits in the event loop's place, as the compiled one does: while nothing but media comes, it is
taken without a turn of the loop, which costs more than what a batch does in Python.

What the loop is asked for meanwhile shows in its two lists, of what is ready and of timers; where a loop has none, as
others than asyncio's may, this is not used.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from typing import Any

import structlog

from mediaserver.shell.media_loop import MediaLoop

log = structlog.get_logger(__name__)

GATHER_S = 0.033
"""While it gathers, media that comes sooner than this after a batch waits until that is over, and is taken together: a
wake-up finds the caches empty, and for each packet costs more than the packet. This is the time of one picture, so
that sound hardly ever wakes alone. What comes after a rest is taken at once."""
BEGINS_S, ENDS_S = 0.014, 0.016
"""It gathers once batches have come more often than every BEGINS_S on the average, until packets come more rarely than
every ENDS_S: where few come there is nothing to gather, a microphone alone sends one every 20 ms."""
REMEMBERED = 64
"""Batches that the averages are of, or so."""
_LOOKED_AT = 8
"""Files that a wait may tell of; one that is not the media port's is enough."""


class Relay:
    """Of one media port. `drain` takes what is at its file, at most `most` packets, says how many, and never waits."""

    def __init__(self, loop: MediaLoop, file: int, drain: Callable[[], int], most: int) -> None:
        self._loop, self._file, self._drain, self._most = loop, file, drain, most
        self._state: Any = loop
        self._poll: select.epoll | None = None
        self._drained_at = self._rests_until = 0.0
        self._every_s, self._gathers = ENDS_S, False
        self.hurries_until = 0.0
        """Until then nothing is gathered."""
        if hasattr(loop, "_ready") and hasattr(loop, "_scheduled"):
            # A second name of the loop's own epoll: its object is the selector's.
            self._poll = select.epoll.fromfd(os.dup(loop.media.fileno()))
            loop.media.relay = self.wait

    def close(self) -> None:
        """The loop waits by itself again."""
        if self._poll is not None:
            self._loop.media.relay = None
            self._poll.close()
            self._poll = None

    def wait(self, _: int, seconds: float) -> bool:
        """As MediaSelector says."""
        try:
            return self._wait(time.monotonic() + seconds)
        except Exception:  # a fault of ours must not end the event loop
            log.exception("relay")
            self.close()
            return True

    def _wait(self, until: float) -> bool:
        assert self._poll is not None
        poll, drain, state, clock = self._poll.poll, self._drain, self._state, time.monotonic
        media, file = [(self._file, select.EPOLLIN)], self._file
        now = clock()
        while now < until:  # a poll for less than nothing would have no end
            if self._gathers and (rest := self._rests_until - now) > 0 and now >= self.hurries_until:
                self._poll.modify(file, 0)  # looked at afterwards: to be told of it and wait then is to be woken twice
                try:
                    if poll(min(rest, until - now), _LOOKED_AT):
                        return True
                finally:
                    self._poll.modify(file, select.EPOLLIN)
                now = clock()
                continue
            found = poll(min(until - now, 3600.0), _LOOKED_AT)
            if found != media:
                return bool(found)
            packets = drain()
            self._count(packets, now := clock())
            if state._ready:
                return False
            if (timers := state._scheduled) and (first := timers[0].when()) < until:
                until = first
        return False

    def _count(self, packets: int, now: float) -> None:
        """A batch of so many was taken."""
        every_s = min(now - self._drained_at, 4 * ENDS_S)
        if self._gathers and packets:
            every_s /= packets
        self._every_s += (every_s - self._every_s) / REMEMBERED
        self._gathers = self._every_s < (ENDS_S if self._gathers else BEGINS_S)
        self._drained_at = now
        self._rests_until = now + GATHER_S if packets < self._most else now  # more waits already
