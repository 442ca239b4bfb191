# SPDX-License-Identifier: Apache-2.0
"""Copies that were asked for, in the database: every step is a rule first, then a row, and always an audit row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from storage.database.engine import Database
from storage.database.models import ExportRequest, Session
from storage.ids import new_id
from web.casework import copies as rules
from web.casework.copies import CopyState
from web.casework.refusal import Refused
from web.casework.visibility import Viewer
from web.sessions.audit import SYSTEM, Actor, note
from web.sessions.rows import visible

MOST_LISTED: Final = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asks for."""

    purpose: str
    recipient: str
    track_ids: list[str] | None
    from_ms: int | None
    to_ms: int | None
    formats: list[str]
    language: str


async def ask(db: AsyncSession, actor: Actor, session: Session, wanted: Wanted, now_ms: int) -> ExportRequest:
    """Keep the request. Raises Refused, see `web.casework.copies`."""
    rules.check_span(wanted.from_ms, wanted.to_ms)
    row = ExportRequest(
        id=new_id(),
        county=session.county,
        session_id=session.id,
        state=CopyState.ASKED.value,
        purpose=wanted.purpose,
        recipient=wanted.recipient,
        track_ids=wanted.track_ids,
        from_ms=wanted.from_ms,
        to_ms=wanted.to_ms,
        formats=wanted.formats,
        language=wanted.language,
        asked_by=actor.id,
        asked_by_name=actor.name,
        asked_utc_ms=now_ms,
    )
    db.add(row)
    _note(db, row, actor, "export.ask", now_ms, {"purpose": wanted.purpose, "recipient": wanted.recipient})
    return row


async def decide(
    db: AsyncSession, actor: Actor, row: ExportRequest, now_ms: int, *, approve: bool, reason: str
) -> None:
    """Approve or refuse. Raises Refused."""
    after = rules.check_decision(CopyState(row.state), row.asked_by, actor.id, approve=approve, reason=reason)
    row.state, row.reason = after.value, reason
    row.decided_by, row.decided_by_name, row.decided_utc_ms = actor.id, actor.name, now_ms
    _note(db, row, actor, "export.approve" if approve else "export.refuse", now_ms, {"reason": reason})


async def cancel(db: AsyncSession, actor: Actor, row: ExportRequest, now_ms: int) -> None:
    """Take the request back, whatever became of it. Raises Refused."""
    rules.check_cancel(CopyState(row.state), row.asked_by, actor.id)
    row.state = CopyState.CANCELLED.value
    _note(db, row, actor, "export.cancel", now_ms, {})


async def retry(db: AsyncSession, actor: Actor, row: ExportRequest, now_ms: int) -> None:
    """Make it again. Raises Refused."""
    rules.check_retry(CopyState(row.state), row.asked_by, actor.id)
    row.state, row.error_code = CopyState.APPROVED.value, ""
    _note(db, row, actor, "export.retry", now_ms, {})


async def fetched(db: AsyncSession, actor: Actor, row: ExportRequest, now_ms: int) -> None:
    """Somebody takes it away. Raises Refused `copy_not_found`."""
    if not rules.may_fetch(CopyState(row.state), row.asked_by, actor.id, row.expires_utc_ms, now_ms):
        raise Refused("copy_not_found")
    row.downloads += 1
    _note(db, row, actor, "export.download", now_ms, {"sha256": row.sha256})


async def finish(database: Database, copy_id: str, now_ms: int, size: int, sha256: str) -> bool:
    """The file is there. False when it was cancelled meanwhile: then nobody must get it."""
    async with database.begin() as db:
        row = await load(db, copy_id)
        if row is None or row.state != CopyState.APPROVED.value:
            return False
        row.state, row.bytes, row.sha256 = CopyState.READY.value, size, sha256
        row.made_utc_ms, row.expires_utc_ms = now_ms, now_ms + rules.KEPT_MS
        _note(db, row, SYSTEM, "export.ready", now_ms, {"sha256": sha256, "bytes": size})
    return True


async def fail(database: Database, copy_id: str, now_ms: int, code: str) -> None:
    """It could not be made."""
    async with database.begin() as db:
        row = await load(db, copy_id)
        if row is not None and row.state == CopyState.APPROVED.value:
            row.state, row.error_code = CopyState.FAILED.value, code
            _note(db, row, SYSTEM, "export.fail", now_ms, {"code": code})


async def expire(database: Database, county: str, now_ms: int) -> list[str]:
    """What was not fetched in time is over; the ids whose files may go."""
    async with database.begin() as db:
        query = select(ExportRequest).where(
            ExportRequest.county == county,
            ExportRequest.state == CopyState.READY.value,
            ExportRequest.expires_utc_ms <= now_ms,
        )
        rows = (await db.scalars(query)).all()
        for row in rows:
            row.state = CopyState.EXPIRED.value
            _note(db, row, SYSTEM, "export.expire", now_ms, {})
    return [row.id for row in rows]


async def end_all(db: AsyncSession, session_id: str, now_ms: int) -> None:
    """The recording is deleted: nothing more is made of it, and what was not fetched goes in the maker's next round."""
    states = [state.value for state in rules.OPEN]
    query = select(ExportRequest).where(ExportRequest.session_id == session_id, ExportRequest.state.in_(states))
    for row in await db.scalars(query):
        row.state = CopyState.EXPIRED.value
        _note(db, row, SYSTEM, "export.expire", now_ms, {})


async def load(db: AsyncSession, copy_id: str) -> ExportRequest | None:
    """One row, no other writer's until the transaction ends."""
    query = select(ExportRequest).where(ExportRequest.id == copy_id)
    return (await db.scalars(query.with_for_update())).one_or_none()


async def ids_in(database: Database, county: str, state: CopyState) -> Sequence[str]:
    """Ids of all copies in this state, the oldest first."""
    async with database.read() as db:
        query = select(ExportRequest.id).where(ExportRequest.county == county, ExportRequest.state == state.value)
        return (await db.scalars(query.order_by(ExportRequest.id))).all()


async def listed(db: AsyncSession, viewer: Viewer, session_id: str) -> list[tuple[ExportRequest, str]]:
    """The newest copies of the sessions that the viewer may see, each with its session's title."""
    query = (
        select(ExportRequest, Session.title)
        .join(Session, Session.id == ExportRequest.session_id)
        .where(ExportRequest.county == viewer.county, visible(viewer))
    )
    if session_id:
        query = query.where(ExportRequest.session_id == session_id)
    found = await db.execute(query.order_by(ExportRequest.id.desc()).limit(MOST_LISTED))
    return [(row, title) for row, title in found]


async def one(db: AsyncSession, viewer: Viewer, copy_id: str) -> ExportRequest:
    """A copy of a session that the viewer may see. Raises Refused `copy_not_found`."""
    row = await load(db, copy_id)
    if row is not None and row.county == viewer.county:
        seen = select(Session.id).where(Session.id == row.session_id, visible(viewer))
        if (await db.scalar(seen)) is not None:
            return row
    raise Refused("copy_not_found")


def _note(db: AsyncSession, row: ExportRequest, actor: Actor, action: str, now_ms: int, data: dict[str, Any]) -> None:
    note(db, row.county, actor, action, row.session_id, now_ms, {"copy": row.id, **data})
