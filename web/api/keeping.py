# SPDX-License-Identifier: Apache-2.0
"""How long records are kept: classes and legal holds."""

from __future__ import annotations

from typing import Annotated

from aiohttp import web
from aiohttp_pydantic.oas.typing import r200
from pydantic import StringConstraints

from web.api.core import Body, answer
from web.api.session_shapes import Exact, SessionId, UtcMs
from web.api.sessions import SessionApiView
from web.casework.retention import KEEPERS
from web.sessions.keeping import described, overview

Reason = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]


class RetentionClass(Exact):
    """A class; `days` null: permanent."""

    name: str
    days: int | None


class KeepingShape(Exact):
    """One session's keeping. `kept_until_utc_ms` null: for ever; a hold goes before it."""

    session_id: str
    title: str
    retention_class: str
    classes: list[RetentionClass]
    kept_until_utc_ms: UtcMs | None
    held: bool
    hold_reason: str
    hold_by_name: str
    hold_utc_ms: UtcMs | None
    lock_mode: str
    locked_until_utc_ms: UtcMs | None
    store_held: bool
    expired_utc_ms: UtcMs | None


class CountedClass(RetentionClass):
    """With how many recordings it has."""

    sessions: int


class HoldShape(Exact):
    """A hold in force."""

    session_id: str
    title: str
    reason: str
    by_name: str
    utc_ms: UtcMs | None


class ExpiredShape(Exact):
    """A recording that was deleted at its time; `done_utc_ms` null: objects may be left."""

    session_id: str
    title: str
    retention_class: str
    begun_utc_ms: UtcMs
    done_utc_ms: UtcMs | None
    objects: int
    bytes: int
    manifest_sha256: str


class KeepingOverview(Exact):
    """The county at a glance."""

    classes: list[CountedClass]
    retention_default: str
    holds: list[HoldShape]
    expired: list[ExpiredShape]


class ClassBody(Body):
    """Another class."""

    retention_class: Annotated[str, StringConstraints(min_length=1, max_length=32)]
    reason: Reason = ""


class HoldBody(Body):
    """A hold is set or lifted, and why."""

    held: bool
    reason: Reason


class _OneKeeping(SessionApiView):
    """What the views of one session's keeping share."""

    async def keeping(self, session_id: str) -> web.Response:
        """Answer with the session's keeping."""
        rows = await self.rows(session_id)
        async with self.database.read() as db:
            return answer(await described(db, rows.session, self.settings))


class KeepingView(_OneKeeping):
    """One session's keeping."""

    ACCESS = {"GET": KEEPERS, "PATCH": KEEPERS}

    async def get(self, session_id: SessionId, /) -> r200[KeepingShape]:
        """Class, hold and lock: session_not_found."""
        return await self.keeping(session_id)

    async def patch(self, session_id: SessionId, /, body: ClassBody) -> r200[KeepingShape]:
        """Another class: session_not_found, retention_class_unknown {names}, recording_expired."""
        name, reason = body.retention_class, body.reason
        await self.running.keeping.set_class(self.viewer, self.actor, session_id, name, reason)
        return await self.keeping(session_id)


class HoldView(_OneKeeping):
    """Legal hold of one session."""

    ACCESS = {"PUT": KEEPERS}

    async def put(self, session_id: SessionId, /, body: HoldBody) -> r200[KeepingShape]:
        """Set or lift it: session_not_found, hold_reason_needed, hold_unchanged, recording_expired."""
        await self.running.keeping.set_hold(self.viewer, self.actor, session_id, body.held, body.reason)
        return await self.keeping(session_id)


class KeepingOverviewView(SessionApiView):
    """All of the county."""

    ACCESS = {"GET": KEEPERS}

    async def get(self) -> r200[KeepingOverview]:
        """Classes, holds and the newest deletions."""
        async with self.database.read() as db:
            return answer(await overview(db, self.settings))


def add_routes(app: web.Application) -> None:
    """/api/keeping, and keeping and hold of a session."""
    app.router.add_view("/api/keeping", KeepingOverviewView)
    app.router.add_view("/api/sessions/{session_id}/keeping", KeepingView)
    app.router.add_view("/api/sessions/{session_id}/hold", HoldView)
