# SPDX-License-Identifier: Apache-2.0
"""Limits of wrong passwords, counted in memory: a restart forgets them, an attacker cannot cause one."""

from __future__ import annotations

import math
import time
from typing import Final

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

WINDOW_S: Final = 300
FAILURES: Final = 10
"""Wrong passwords for one user name from one address within the window; then that pair must wait."""
FAILURES_PER_ADDRESS: Final = 100
"""Wrong passwords from one address for whatever names: a station shares one address, a guesser tries many names."""


class TooManyAttempts(Exception):
    """The pair of user name and address, or the address, must wait."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(retry_after_s)
        self.retry_after_s: Final = retry_after_s


class Attempts:
    """Counts failures; successes are never counted."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._pair = RateLimitItemPerSecond(FAILURES, WINDOW_S, namespace="pair")
        self._address = RateLimitItemPerSecond(FAILURES_PER_ADDRESS, WINDOW_S, namespace="address")

    async def check(self, username: str, address: str) -> None:
        """Raises TooManyAttempts, also for the right password: a guesser must not learn which it was."""
        for item, names in self._counted(username, address):
            if not await self._limiter.test(item, *names):
                window = await self._limiter.get_window_stats(item, *names)
                raise TooManyAttempts(max(1, math.ceil(window.reset_time - time.time())))

    async def failed(self, username: str, address: str) -> None:
        """One more wrong password."""
        for item, names in self._counted(username, address):
            await self._limiter.hit(item, *names)

    def _counted(self, username: str, address: str) -> tuple[tuple[RateLimitItem, tuple[str, ...]], ...]:
        return (self._pair, (username, address)), (self._address, (address,))
