# SPDX-License-Identifier: Apache-2.0
"""Whether the object store answers, asked all the time: a quiet recorder would notice only at its next upload."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from storage.objects import ObjectMissing, StoreError

EVERY_S: Final = 1.0
AGAIN_S: Final = 0.25
"""Pause after an answer that differs from what is believed."""
WITHIN_S: Final = 1.5
"""No answer for so long counts as none. A store that went is told EVERY_S + 2 * WITHIN_S + AGAIN_S later at most."""
THE_SAME: Final = 2
"""So many answers one after the other must say the same before it is believed, in both directions."""
KEY: Final = ".status/none"


class StoreProbe:
    """`ask` raises ObjectMissing when the store answers as it should. At most one question is on its way: a store that
    hangs gets no second one."""

    def __init__(self, ask: Callable[[str], Awaitable[Any]], within_s: float = WITHIN_S) -> None:
        self._ask, self._within_s = ask, within_s
        self._question: asyncio.Future[bool] | None = None
        self._other = 0
        self.away = False

    @property
    def unsure(self) -> bool:
        """The newest answer differs from what is believed."""
        return self._other > 0

    async def look(self) -> bool:
        """Ask, or wait on for the answer. True when `away` has changed."""
        if self._question is None:
            self._question = asyncio.ensure_future(self._answers())
        done, _ = await asyncio.wait({self._question}, timeout=self._within_s)
        well = bool(done) and self._question.result()
        if done:
            self._question = None
        self._other = self._other + 1 if well == self.away else 0
        if self._other < THE_SAME:
            return False
        self.away, self._other = not self.away, 0
        return True

    async def _answers(self) -> bool:
        try:
            await self._ask(KEY)
        except ObjectMissing:
            return True
        except (StoreError, OSError):
            return False
        return True

    async def run(self, changed: Callable[[], Awaitable[None]]) -> None:
        """Ask until cancelled."""
        try:
            while True:
                if await self.look():
                    await changed()
                await asyncio.sleep(AGAIN_S if self.unsure else EVERY_S)
        finally:
            if self._question is not None:
                self._question.cancel()
