# SPDX-License-Identifier: Apache-2.0
"""Markers and sections of the record, set while the session runs."""

from __future__ import annotations

from aiohttp import web
from aiohttp_pydantic.oas.typing import r200

from web.api.core import answer
from web.api.session_shapes import MarkBody, MarkLabel, MarkPut, SessionDetail, SessionId
from web.api.sessions import SessionApiView, needing_media
from web.casework.visibility import JOINING_ROLES
from web.sessions.views import detail


class MarksView(SessionApiView):
    """The buttons that set them."""

    ACCESS = {"POST": JOINING_ROLES}

    async def post(self, session_id: SessionId, /, body: MarkBody) -> r200[MarkPut]:
        """Mark this moment, or begin a section here: session_not_found, session_ended, forbidden, peer_not_in_room,
        not_host, nothing_recorded, marks_full, media_away.
        """
        with needing_media():
            mark_id = await self.running.marks.put(self.viewer, self.actor, session_id, body.kind, body.label)
        rows = await self.rows(session_id)
        return answer({"id": mark_id, "session": detail(rows, self.viewer, self.running.alarms.watch(session_id))})


class RunningSectionView(SessionApiView):
    """The section that goes on."""

    ACCESS = {"DELETE": JOINING_ROLES}

    async def delete(self, session_id: SessionId, /) -> r200[SessionDetail]:
        """End it; what comes now belongs to none: as putting one, and mark_not_found where none goes on."""
        with needing_media():
            await self.running.marks.end_section(self.viewer, self.actor, session_id)
        return await self.detail(session_id)


class MarkView(SessionApiView):
    """One marker or section."""

    ACCESS = {"PATCH": JOINING_ROLES, "DELETE": JOINING_ROLES}

    async def patch(self, session_id: SessionId, mark_id: SessionId, /, body: MarkLabel) -> r200[SessionDetail]:
        """Call it something else: as putting one, and mark_not_found."""
        with needing_media():
            await self.running.marks.label(self.viewer, self.actor, session_id, mark_id, body.label)
        return await self.detail(session_id)

    async def delete(self, session_id: SessionId, mark_id: SessionId, /) -> r200[SessionDetail]:
        """Take it back: as putting one, and mark_not_found. The sealed record keeps that it was set and taken back."""
        with needing_media():
            await self.running.marks.remove(self.viewer, self.actor, session_id, mark_id)
        return await self.detail(session_id)


def add_routes(app: web.Application) -> None:
    """/api/sessions/{session_id}/marks and what lies below it."""
    app.router.add_view("/api/sessions/{session_id}/marks", MarksView)
    app.router.add_view("/api/sessions/{session_id}/marks/section", RunningSectionView)
    app.router.add_view("/api/sessions/{session_id}/marks/{mark_id}", MarkView)
