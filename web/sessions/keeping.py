# SPDX-License-Identifier: Apache-2.0
"""What people decide about how long a record is kept: its class and legal holds, audited with their reason."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from storage.database.models import Session, SessionKeeping, Tombstone
from storage.settings import Settings
from web.casework.refusal import Refused
from web.casework.retention import Keeping, check_class, check_hold, kept_until_utc_ms
from web.casework.visibility import Viewer
from web.sessions.audit import Actor, note
from web.sessions.custody import Custody, new_keeping
from web.sessions.delivery import Delivery, Step

MOST_LISTED = 200


class KeepingDesk:
    """Steps of clerks and administrators."""

    def __init__(self, delivery: Delivery, custody: Custody, settings: Settings) -> None:
        self._delivery, self._custody, self._settings = delivery, custody, settings

    async def set_class(self, viewer: Viewer, actor: Actor, session_id: str, name: str, reason: str) -> None:
        """Another class. A time that the store was given already stays.

        Raises Refused `session_not_found`, `retention_class_unknown`, `recording_expired`.
        """
        check_class(name, self._settings.retention_classes)
        async with self._delivery.rows(session_id, viewer) as step:
            row = await self._row(step)
            before = row.retention_class
            for each in [row, *await self._talks(step)]:
                each.retention_class, each.lock_pending = name, True
            data = {"from": before, "to": name, "reason": reason}
            note(step.db, row.county, actor, "session.retention_class", session_id, step.now_ms, data)
        self._custody.hurry()

    async def set_hold(self, viewer: Viewer, actor: Actor, session_id: str, held: bool, reason: str) -> None:
        """Set or lift a hold.

        Raises Refused `session_not_found`, `hold_reason_needed`, `hold_unchanged`, `recording_expired`.
        """
        async with self._delivery.rows(session_id, viewer) as step:
            row = await self._row(step)
            check_hold(held=row.held, wanted=held, reason=reason)
            for each in [row, *await self._talks(step)]:
                each.held, each.lock_pending = held, True
                each.hold_reason, each.hold_by_name = (reason, actor.name) if held else ("", "")
                each.hold_utc_ms = step.now_ms if held else None
            action = "session.hold" if held else "session.hold_lifted"
            note(step.db, row.county, actor, action, session_id, step.now_ms, {"reason": reason})
        self._custody.hurry()

    async def _talks(self, step: Step) -> list[SessionKeeping]:
        """The records of private talks are kept as long as the main one, by people who may not look into them."""
        talks = [talk for talk in step.rows.caucuses if talk.expired_utc_ms is None]
        recorded = [talk.session.id for talk in talks if talk.session.recording_started_utc_ms is not None]
        return [await self._row(step, session_id) for session_id in recorded]

    async def _row(self, step: Step, session_id: str = "") -> SessionKeeping:
        session_id = session_id or step.rows.session.id
        if await step.db.get(Tombstone, session_id) is not None:
            raise Refused("recording_expired")
        row = await step.db.get(SessionKeeping, session_id, with_for_update=True)
        if row is None:
            row = new_keeping(session_id, self._settings)
            step.db.add(row)
        return row


async def is_expired(db: AsyncSession, session_id: str) -> bool:
    """True once its deletion began."""
    return await db.get(Tombstone, session_id) is not None


async def described(db: AsyncSession, session: Session, settings: Settings) -> dict[str, Any]:
    """One session's keeping, for the pages."""
    row = await db.get(SessionKeeping, session.id) or new_keeping(session.id, settings)
    stone = await db.get(Tombstone, session.id)
    until = None
    if session.ended_utc_ms is not None:
        keeping = Keeping(row.retention_class, session.ended_utc_ms, row.held, row.locked_until_utc_ms)
        until = kept_until_utc_ms(keeping, settings.retention_classes)
    return {
        "session_id": session.id,
        "title": session.title,
        "retention_class": row.retention_class,
        "classes": classes(settings),
        "kept_until_utc_ms": until,
        "held": row.held,
        "hold_reason": row.hold_reason,
        "hold_by_name": row.hold_by_name,
        "hold_utc_ms": row.hold_utc_ms,
        "lock_mode": row.lock_mode,
        "locked_until_utc_ms": row.locked_until_utc_ms,
        "store_held": row.store_held,
        "expired_utc_ms": None if stone is None else stone.begun_utc_ms,
    }


def classes(settings: Settings) -> list[dict[str, Any]]:
    """The classes as they are set; `days` None: permanent."""
    found = settings.retention_classes.items()
    return [{"name": name, "days": days if isinstance(days, int) else None} for name, days in found]


async def overview(db: AsyncSession, settings: Settings) -> dict[str, Any]:
    """The county at a glance: classes with how many recordings each has, what is held, what was deleted last."""
    county = settings.county
    counted = select(SessionKeeping.retention_class, func.count()).where(SessionKeeping.county == county)
    counts = {str(name): int(n) for name, n in await db.execute(counted.group_by(SessionKeeping.retention_class))}
    held = select(SessionKeeping, Session).join(Session).where(SessionKeeping.county == county, SessionKeeping.held)
    held = held.where(Session.caucus_of.is_(None))  # a private talk is held with its main session
    stones = select(Tombstone, Session).join(Session).where(Tombstone.county == county, Session.caucus_of.is_(None))
    newest = stones.order_by(Tombstone.begun_utc_ms.desc()).limit(MOST_LISTED)
    return {
        "classes": [{**item, "sessions": counts.get(item["name"], 0)} for item in classes(settings)],
        "retention_default": settings.retention_default,
        "holds": [
            {
                "session_id": session.id,
                "title": session.title,
                "reason": row.hold_reason,
                "by_name": row.hold_by_name,
                "utc_ms": row.hold_utc_ms,
            }
            for row, session in await db.execute(held.order_by(SessionKeeping.hold_utc_ms).limit(MOST_LISTED))
        ],
        "expired": [
            {
                "session_id": session.id,
                "title": session.title,
                "retention_class": stone.retention_class,
                "begun_utc_ms": stone.begun_utc_ms,
                "done_utc_ms": stone.done_utc_ms,
                "objects": stone.objects,
                "bytes": stone.bytes,
                "manifest_sha256": stone.manifest_sha256,
            }
            for stone, session in await db.execute(newest)
        ],
    }
