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

GATHER_S, OFTEN_S = 0.008, 0.011
"""While batches come more often than every OFTEN_S on the average, media that comes sooner than GATHER_S after one
waits until that is over, and is taken together: a wake-up for each packet costs more than the packet. Where fewer come
there is nothing to gather, and to wait would be one more wake-up; what comes after a rest is taken at once."""
REMEMBERED = 64
"""Batches that the average is of, or so."""
_LOOKED_AT = 8
"""Files that a wait may tell of; one that is not the media port's is enough."""


class Relay:
    """Of one media port. `drain` takes what is at its file and never waits."""

    def __init__(self, loop: MediaLoop, file: int, drain: Callable[[], None]) -> None:
        self._loop, self._file, self._drain = loop, file, drain
        self._state: Any = loop
        self._poll: select.epoll | None = None
        self._drained_at = 0.0
        self._every_s = OFTEN_S
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
        media = [(self._file, select.EPOLLIN)]
        left = until - clock()
        while True:
            found = poll(left if left < 3600 else None, _LOOKED_AT)
            if found != media:
                return bool(found)
            before, now = self._drained_at, clock()
            if now - before < GATHER_S and self._every_s < OFTEN_S:
                time.sleep(before + GATHER_S - now)
            drain()
            self._drained_at = now = clock()
            self._every_s += (min(now - before, 4 * OFTEN_S) - self._every_s) / REMEMBERED
            if state._ready:
                return False
            if (timers := state._scheduled) and (first := timers[0].when()) < until:
                until = first
            left = until - clock()
            if left <= 0:
                return False
