# SPDX-License-Identifier: Apache-2.0
"""Private talks beside a session: the host begins one; it ends as every session does."""

from __future__ import annotations

from aiohttp import web
from aiohttp_pydantic.oas.typing import r200

from web.api.core import answer
from web.api.session_shapes import CaucusBegun, CaucusBody, SessionId
from web.api.sessions import SessionApiView, needing_media
from web.casework.visibility import JOINING_ROLES
from web.sessions.views import detail


class CaucusView(SessionApiView):
    """The host's button."""

    ACCESS = {"POST": JOINING_ROLES}

    async def post(self, session_id: SessionId, /, body: CaucusBody) -> r200[CaucusBegun]:
        """Begin one: session_not_found, forbidden, session_ended, not_host, caucus_running, peer_needed,
        peer_not_found, peer_not_in_room, media_away.
        """
        with needing_media():
            talk = await self.running.caucus.start(self.viewer, self.actor, session_id, body.peer_ids)
        self.running.recorder.hurry()
        rows = await self.rows(session_id)
        told = detail(rows, self.viewer, self.running.alarms.watch(session_id))
        return answer({"session_id": talk, "session": told})


def add_routes(app: web.Application) -> None:
    """/api/sessions/{session_id}/caucus."""
    app.router.add_view("/api/sessions/{session_id}/caucus", CaucusView)
