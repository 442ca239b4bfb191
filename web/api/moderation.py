# SPDX-License-Identifier: Apache-2.0
"""Moderation of a session: what the host does, and the state of the running room."""

from __future__ import annotations

from typing import Final

from aiohttp import web
from aiohttp_pydantic.oas.typing import r200

from web.api.core import SIGNED_IN, ApiFault, answer
from web.api.session_shapes import LiveModeration, ModerationBody, SessionDetail, SessionId
from web.api.sessions import SessionApiView, needing_media
from web.casework.moderation import Action
from web.casework.visibility import JOINING_ROLES
from web.media.mediaserver_link import MediaRefused
from web.sessions.moderation import Wanted

_FOR_WEB_ALONE: Final = ("barred", "version")


class ModerationView(SessionApiView):
    """The host's buttons."""

    ACCESS = {"GET": SIGNED_IN, "POST": JOINING_ROLES}

    async def get(self, session_id: SessionId, /) -> r200[LiveModeration]:
        """The running room: session_not_found, media_away, room_not_running (nobody is in it)."""
        rows = await self.rows(session_id)
        with needing_media():
            try:
                room = await self.running.media.room(session_id)
            except MediaRefused:
                raise ApiFault(404, "room_not_running") from None
        state = {name: value for name, value in room["moderation"].items() if name not in _FOR_WEB_ALONE}
        if not rows.is_host(self.viewer):
            state["knocking"] = []
        return answer(state)

    async def post(self, session_id: SessionId, /, body: ModerationBody) -> r200[SessionDetail]:
        """One act: session_not_found, session_ended, forbidden, not_host, host_present, peer_needed, peer_not_found,
        peer_not_in_room, not_oneself, media_away.
        """
        wanted = Wanted(Action(body.action), body.peer_id, body.source, body.on)
        with needing_media():
            await self.running.moderator.act(self.viewer, self.actor, session_id, wanted)
        return await self.detail(session_id)


def add_routes(app: web.Application) -> None:
    """/api/sessions/{session_id}/moderation."""
    app.router.add_view("/api/sessions/{session_id}/moderation", ModerationView)
