# SPDX-License-Identifier: Apache-2.0
"""The queue: an event is put into it by the transaction that made it true: neither is there without the other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from storage.database.models import Session, WebhookDelivery
from storage.ids import new_id
from web.casework import breaks

_TYPES: Final = {
    "peer_joined": "peer.joined",
    "peer_left": "peer.left",
    "session_ended": "session.ended",
    **{f"recording_{word}": f"recording.{word}" for word in ("started", "paused", "resumed", "stopped")},
    **{f"recording_{word}": f"recording.{word}" for word in ("sealed", "error", "not_ordered")},
    **{
        word: f"moderation.{word}"
        for word in (
            "muted",
            "unmuted",
            "unmute_asked",
            "removed",
            "allowed",
            "locked",
            "unlocked",
            "waiting_room_on",
            "waiting_room_off",
            "knocked",
            "admitted",
            "denied",
            "hand_raised",
            "hand_lowered",
            "host_changed",
            "spotlight",
        )
    },
}
"""Events of a session that are told outside, by their names there. What people agreed to stays inside."""


class Outbox:
    """Where events are left for the sender."""

    def __init__(self, urls: Sequence[str], county: str) -> None:
        self.urls, self._county = tuple(urls), county
        self.wake = asyncio.Event()
        self._last_id = ""

    def happened(self, db: AsyncSession, session: Session, kind: str, data: Mapping[str, Any], utc_ms: int) -> None:
        """An event of a session; one that is nobody's business outside is passed over, and so is a reason that
        somebody wrote."""
        if kind in (breaks.PAUSED, breaks.RESUMED) and breaks.word_of(str(data.get("reason", ""))) is None:
            data = {name: value for name, value in data.items() if name != "reason"}
        if kind in _TYPES:
            self.put(db, _TYPES[kind], session, data, utc_ms)

    def put(self, db: AsyncSession, kind: str, session: Session | None, data: Mapping[str, Any], utc_ms: int) -> None:
        """Leave one event for every address; none of a private talk. It goes out after `db` has committed, and not when
        that fails."""
        if not self.urls or (session is not None and session.caucus_of is not None):
            return
        event_id = new_id()
        about = None if session is None else {"id": session.id, "title": session.title}
        event = {"id": event_id, "type": kind, "utc_ms": utc_ms, "county": self._county, "session": about}
        body = json.dumps({**event, "data": dict(data)}, ensure_ascii=False, separators=(",", ":"))
        for url in self.urls:
            db.add(
                WebhookDelivery(
                    id=self._next_id(),
                    county=self._county,
                    url=url,
                    event_id=event_id,
                    body=body,
                    created_utc_ms=utc_ms,
                )
            )
        self.wake.set()

    def _next_id(self) -> str:
        """Later ones sort after earlier ones also within a millisecond, where ids are otherwise by chance."""
        made = new_id()
        while made <= self._last_id:
            made = new_id()
        self._last_id = made
        return made
