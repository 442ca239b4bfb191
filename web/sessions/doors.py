# SPDX-License-Identifier: Apache-2.0
"""Doors of a session: opened for one program or device, closed by a person, or with the session.

A door is a participant; that it was opened and closed stands among the session's events, which are only ever added to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from storage.access import DoorRight, DoorToken
from storage.database.models import Participant, SessionEvent
from storage.ids import new_id
from web.casework import consent as consent_rules
from web.casework.doors import DOOR, KINDS, MAX_OPEN, WATCHER, check_may_open
from web.casework.refusal import Refused
from web.casework.sessions import SessionState, was_recorded
from web.casework.visibility import Viewer
from web.sessions.audit import Actor, note
from web.sessions.delivery import Delivery
from web.sessions.desk import PersonHere, seated
from web.sessions.rows import SessionRows, load_one

_OPENED, _CLOSED = "door_opened", "door_closed"


@dataclass(frozen=True, slots=True)
class Door:
    """One door as it stands."""

    peer_id: str
    name: str
    right: DoorRight
    present: bool
    opened_utc_ms: int
    expires_utc_ms: int


class Doors:
    """All steps with doors."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    async def open(
        self,
        viewer: Viewer,
        actor: Actor,
        session_id: str,
        name: str,
        right: DoorRight,
        life_ms: int,
        people: Sequence[PersonHere],
    ) -> DoorToken:
        """A new door; what its token is to say. `people` are before the camera of a door that publishes.

        Raises Refused `session_not_found`, `forbidden`, `session_ended`, `too_many_doors`.
        """
        async with self._delivery.step(session_id, viewer) as step:
            rows, session = step.rows, step.rows.session
            check_may_open(viewer, rows.facts(viewer))
            if len(await _open_doors(step.db, rows, step.now_ms)) >= MAX_OPEN:
                raise Refused("too_many_doors", {"max": MAX_OPEN})
            kind, door_id = KINDS[right], new_id()
            place_name = rows.place.name if rows.place is not None else ""
            step.db.add(
                Participant(
                    id=door_id,
                    session_id=session_id,
                    kind=kind,
                    subject_id=door_id,
                    role=kind,
                    name=name,
                    place_name=place_name,
                    present=False,
                )
            )
            await step.db.flush()
            seated(step.db, [], door_id, people, step.now_ms)
            data = {"peer_id": door_id, "name": name, "right": right, "expires_utc_ms": step.now_ms + life_ms}
            step.happened(_OPENED, {**data, "by": actor.named()})
            note(step.db, session.county, actor, "door.open", session_id, step.now_ms, data)
            return DoorToken(session.county, session_id, session_id, door_id, name, place_name, right)

    async def close(self, viewer: Viewer, actor: Actor, session_id: str, peer_id: str) -> None:
        """Close one for good, and show its device out. Closing twice changes nothing.

        Raises Refused `session_not_found`, `forbidden`, `session_ended`, `door_not_found`.
        """
        async with self._delivery.step(session_id, viewer) as step:
            check_may_open(viewer, step.rows.facts(viewer))
            if _participant(step.rows, peer_id) is None:
                raise Refused("door_not_found")
            if peer_id in await _closed(step.db, session_id):
                return
            step.happened(_CLOSED, {"peer_id": peer_id, "by": actor.named()})
            data = {"peer_id": peer_id}
            note(step.db, step.rows.session.county, actor, "door.close", session_id, step.now_ms, data)
        await self._delivery.remove(session_id, peer_id)

    async def listed(self, viewer: Viewer, session_id: str) -> list[Door]:
        """The doors that are open. Raises Refused as `open`."""
        async with self._delivery.rows(session_id, viewer) as step:
            check_may_open(viewer, step.rows.facts(viewer))
            return await _open_doors(step.db, step.rows, step.now_ms)

    async def check_may_enter(self, token: DoorToken) -> SessionRows:
        """The session that a genuine token leads into.

        Raises Refused `session_not_found`, `session_ended`, `door_closed`, `consent_required` {names}.
        """
        async with self._delivery.database.read() as db:
            rows = await load_one(db, token.session)
            participant = None if rows is None else _participant(rows, token.peer_id)
            if rows is None or participant is None:
                raise Refused("session_not_found")
            if rows.session.state == SessionState.ENDED.value:
                raise Refused("session_ended")
            if token.peer_id in await _closed(db, token.session):
                raise Refused("door_closed")
        if participant.kind == DOOR:
            recorded = was_recorded(rows.order, rows.session.recording_started_utc_ms)
            consent_rules.check_may_join(rows.endpoint(participant), recorded)
        return rows


def _participant(rows: SessionRows, peer_id: str) -> Participant | None:
    return next((p for p in rows.participants if p.id == peer_id and p.kind in (DOOR, WATCHER)), None)


async def _events(db: AsyncSession, session_id: str, kind: str) -> list[tuple[int, dict[str, Any]]]:
    query = select(SessionEvent.utc_ms, SessionEvent.data).where(
        SessionEvent.session_id == session_id, SessionEvent.type == kind
    )
    return [(int(utc_ms), data) for utc_ms, data in await db.execute(query.order_by(SessionEvent.id))]


async def _closed(db: AsyncSession, session_id: str) -> set[str]:
    return {str(data["peer_id"]) for _, data in await _events(db, session_id, _CLOSED)}


async def _open_doors(db: AsyncSession, rows: SessionRows, now_ms: int) -> list[Door]:
    closed = await _closed(db, rows.session.id)
    present = {participant.id for participant in rows.participants if participant.present}
    return [
        Door(data["peer_id"], data["name"], data["right"], data["peer_id"] in present, utc_ms, data["expires_utc_ms"])
        for utc_ms, data in await _events(db, rows.session.id, _OPENED)
        if data["peer_id"] not in closed and (data["expires_utc_ms"] > now_ms or data["peer_id"] in present)
    ]
