# SPDX-License-Identifier: Apache-2.0
"""Who looked into a record, once a sitting."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Final

from aiohttp import web

from web.api.core import CALLER, DATABASE, NOW_MS, Caller, actor_of
from web.sessions.audit import note

ONE_VIEWING_S: Final = 600.0
"""Reads of the same person within this time after the one before are one sitting."""
MOST_VIEWINGS: Final = 2_000


class Viewings:
    """Who looks at what: the first read of a sitting is noted, the many that follow are not.

    A sitting lasts as long as reads follow each other within `ONE_VIEWING_S`.
    """

    def __init__(self) -> None:
        self._seen_s: OrderedDict[tuple[str, str, str, str], float] = OrderedDict()

    def is_new(self, caller: Caller, action: str, session_id: str) -> bool:
        """True when this read begins a sitting."""
        key, now_s = (caller.kind, caller.id, action, session_id), time.monotonic()
        seen_s = self._seen_s.get(key)
        self._seen_s[key] = now_s
        self._seen_s.move_to_end(key)
        while len(self._seen_s) > MOST_VIEWINGS:
            self._seen_s.popitem(last=False)
        return seen_s is None or now_s - seen_s >= ONE_VIEWING_S

    def forget(self, caller: Caller, action: str, session_id: str) -> None:
        """The sitting could not be noted: the next read tries again."""
        self._seen_s.pop((caller.kind, caller.id, action, session_id), None)


VIEWINGS: Final = web.AppKey("viewings", Viewings)


async def note_viewing(request: web.Request, session_id: str, action: str = "session.play") -> None:
    """Audit the sitting before the first byte goes out; without the row nothing goes out."""
    caller, viewings = request[CALLER], request.app[VIEWINGS]
    if not viewings.is_new(caller, action, session_id):
        return
    try:
        async with request.app[DATABASE].begin() as db:
            now_ms = request.app[NOW_MS]()
            note(db, caller.county, actor_of(caller), action, session_id, now_ms, {})
    except BaseException:
        viewings.forget(caller, action, session_id)
        raise
