# SPDX-License-Identifier: Apache-2.0
"""What was or is being made of a sealed recording: rows of the database, for pages and for ordering."""

from __future__ import annotations

from typing import Any, Final, Literal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from storage.database.models import Derivative
from storage.ids import new_id

Kind = Literal["composite", "overview"]
UNDER_WAY: Final = frozenset({"queued", "running"})


async def derivative_of(db: AsyncSession, session_id: str, kind: Kind) -> Derivative | None:
    """The session's derivative of that kind, in whatever state."""
    query = select(Derivative).where(Derivative.session_id == session_id, Derivative.kind == kind)
    return (await db.scalars(query)).one_or_none()


def order_composite(db: AsyncSession, row: Derivative | None, county: str, session_id: str, now_ms: int) -> Derivative:
    """Queue the making of a composite video, for the first time or again."""
    if row is None:
        row = Derivative(id=new_id(), county=county, session_id=session_id, kind="composite")
        db.add(row)
    row.state, row.progress, row.error_code, row.options = "queued", 0.0, None, {}
    row.created_utc_ms, row.finished_utc_ms = now_ms, None
    return row


def view(row: Derivative) -> dict[str, Any]:
    """As the page gets it."""
    return {
        "id": row.id,
        "state": row.state,
        "progress": row.progress,
        "error_code": row.error_code,
        "bytes": row.bytes,
        "finished_utc_ms": row.finished_utc_ms,
    }
