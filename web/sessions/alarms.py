# SPDX-License-Identifier: Apache-2.0
"""What the technician must know of at once: raised when it begins, cleared when it is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Set
from typing import Final

from web.media.pool import MediaPool
from web.media.recorder_pool import RecorderPool
from web.sessions.delivery import Delivery

MEDIA_AWAY_AFTER_S: Final = 10.0
"""A mediaserver that restarts is back sooner."""


class Alarms:
    """Looks at the links; nothing is kept: after a restart what is still wrong is raised again."""

    def __init__(
        self,
        delivery: Delivery,
        media: MediaPool,
        recorder: RecorderPool,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._delivery, self._media, self._recorder, self._monotonic_s = delivery, media, recorder, monotonic_s
        self._media_up_s = monotonic_s()
        self.raised: frozenset[str] = frozenset()

    def found(self) -> Set[str]:
        """Names of all alarms that are on at this moment."""
        now_s = self._monotonic_s()
        if self._media.all_up:
            self._media_up_s = now_s
        last = self._recorder.last
        wrong = {
            "mediaserver_away": now_s - self._media_up_s >= MEDIA_AWAY_AFTER_S,
            "recorder_away": bool(self._recorder.away),
            "disk_full": last is not None and last.disk_state == "full",
            "disk_low": last is not None and last.disk_state == "low",
            "store_away": last is not None and not last.store_ok,
        }
        return {name for name, on in wrong.items() if on}

    async def look(self) -> None:
        """Tell outside what changed since the last look."""
        now = frozenset(self.found())
        changes = [("alarm.raised", name) for name in sorted(now - self.raised)]
        changes += [("alarm.cleared", name) for name in sorted(self.raised - now)]
        if changes:
            utc_ms = self._delivery.now_ms()
            async with self._delivery.database.begin() as db:
                for kind, name in changes:
                    self._delivery.outbox.put(db, kind, None, {"name": name}, utc_ms)
        self.raised = now
