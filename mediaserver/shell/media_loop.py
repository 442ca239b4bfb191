# SPDX-License-Identifier: Apache-2.0
"""The event loop of the mediaserver: while it waits, ordinary media passes through the compiled plane without its help.

To wake Python, find the callback and come back costs several times what the compiled plane does with the packets.
"""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Callable


class MediaSelector(selectors.EpollSelector):
    """`relay(epoll's number, seconds)` waits in its place, and returns when the loop has something to do: True when it
    may be that a file is ready, False when the time is over or a call is to be made."""

    relay: Callable[[int, float], bool] | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """As the base class says."""
        if self.relay is None or (timeout is not None and timeout <= 0):
            return super().select(timeout)
        ready = self.relay(self.fileno(), math.inf if timeout is None else timeout)
        return super().select(0) if ready else []


class MediaLoop(asyncio.SelectorEventLoop):
    """An ordinary loop, but for its selector."""

    def __init__(self) -> None:
        self.media = MediaSelector()
        super().__init__(self.media)
