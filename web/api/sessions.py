# SPDX-License-Identifier: Apache-2.0
"""Sessions: finding, opening, who is there, consent, joining, recording, ending."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from aiohttp import web
from aiohttp_pydantic.oas.typing import r200
from sqlalchemy import ColumnElement, or_, select

from storage.access import RoomToken, mint_room_token
from storage.database.models import Attendee, Participant, Place, Session
from web.api.core import SIGNED_IN, ApiFault, ApiView, Caller, actor_of, answer
from web.api.session_shapes import (
    AttendeesBody,
    ConsentBody,
    ConsentText,
    JoinAnswer,
    NewSession,
    RecordingBody,
    SessionChange,
    SessionDetail,
    SessionId,
    SessionList,
)
from web.api.viewings import VIEWINGS, Viewings, note_viewing
from web.casework.consent_text import CURRENT
from web.casework.refusal import Refused
from web.casework.sessions import RecordingStep
from web.casework.visibility import JOINING_ROLES, Viewer, may_see
from web.media.mediaserver_link import MediaAway, MediaRefused
from web.sessions.audit import Actor
from web.sessions.desk import ConsentWord, PersonHere
from web.sessions.rows import SessionRows, load, load_one, visible
from web.sessions.running import RUNNING, Running
from web.sessions.views import detail, summary

MOST_LISTED: Final = 100
USUALLY_LISTED: Final = 50
LONGEST_QUESTION: Final = 80
MAY_RENAME: Final = JOINING_ROLES | {"clerk", "administrator"}


class SessionApiView(ApiView):
    """What all views of sessions share."""

    @property
    def running(self) -> Running:
        """The parts that work in the background."""
        return self.request.app[RUNNING]

    @property
    def viewer(self) -> Viewer:
        """The caller, as the rules see them."""
        return viewer_of(self.caller)

    @property
    def actor(self) -> Actor:
        """The caller, as rows keep them."""
        return actor_of(self.caller)

    async def rows(self, session_id: str) -> SessionRows:
        """A session that exists for the caller; of a private talk every look is audited.

        Raises Refused `session_not_found`.
        """
        async with self.database.read() as db:
            rows = await load_one(db, session_id)
        if rows is None or not may_see(self.viewer, rows.facts(self.viewer)):
            raise Refused("session_not_found")
        if rows.session.caucus_of is not None:
            await note_viewing(self.request, session_id, "caucus.view")
        return rows

    async def detail(self, session_id: str) -> web.Response:
        """Answer with the whole session."""
        rows = await self.rows(session_id)
        return answer(detail(rows, self.viewer, self.running.alarms.watch(session_id)))


def viewer_of(caller: Caller) -> Viewer:
    """The caller, as the rules see them."""
    return Viewer(caller.kind, caller.id, caller.role, caller.county, caller.place_id)


@contextmanager
def needing_media() -> Iterator[None]:
    """What needs the mediaserver answers 503 media_away while it restarts."""
    try:
        yield
    except (MediaAway, MediaRefused):
        raise ApiFault(503, "media_away") from None


class SessionsView(SessionApiView):
    """The list of sessions."""

    ACCESS = {"GET": SIGNED_IN, "POST": JOINING_ROLES}

    async def get(
        self,
        q: str = "",
        place_id: str = "",
        state: str = "",
        from_utc_ms: int | None = None,
        to_utc_ms: int | None = None,
        before: str = "",
        limit: int = USUALLY_LISTED,
    ) -> r200[SessionList]:
        """The sessions that the caller may see, the newest first. `q` looks into titles and names of people.

        `state` is open, live or ended, or several of them with commas; the times bound when a session was opened.
        """
        most = max(1, min(limit, MOST_LISTED))
        query = select(Session.id).where(visible(self.viewer))
        for condition in (_about(q[:LONGEST_QUESTION].strip()), _in_states(state)):
            if condition is not None:
                query = query.where(condition)
        if place_id:
            query = query.where(Session.place_id == place_id)
        if from_utc_ms is not None:
            query = query.where(Session.created_utc_ms >= from_utc_ms)
        if to_utc_ms is not None:
            query = query.where(Session.created_utc_ms < to_utc_ms)
        if before:
            query = query.where(Session.id < before)  # ids sort by the time of making
        async with self.database.read() as db:
            ids = list(await db.scalars(query.order_by(Session.id.desc()).limit(most + 1)))
            found = await load(db, ids[:most])
        watch = self.running.alarms.watch
        sessions = [summary(rows, self.viewer, watch(rows.session.id)) for rows in found]
        return answer({"sessions": sessions, "next": ids[most - 1] if len(ids) > most else None})

    async def post(self, body: NewSession) -> r200[SessionDetail]:
        """Open a session at the caller's place."""
        language = body.language or self.settings.language
        return await self.detail(await self.running.desk.create(self.viewer, self.actor, body.title, language))


class SessionView(SessionApiView):
    """One session."""

    ACCESS = {"GET": SIGNED_IN, "PATCH": MAY_RENAME}

    async def get(self, session_id: SessionId, /) -> r200[SessionDetail]:
        """Everything about it: session_not_found."""
        return await self.detail(session_id)

    async def patch(self, session_id: SessionId, /, body: SessionChange) -> r200[SessionDetail]:
        """Another title: session_not_found."""
        await self.running.desk.rename(self.viewer, self.actor, session_id, body.title)
        return await self.detail(session_id)


class AttendeesView(SessionApiView):
    """Who sits before the caller's camera."""

    ACCESS = {"PUT": JOINING_ROLES}

    async def put(self, session_id: SessionId, /, body: AttendeesBody) -> r200[SessionDetail]:
        """Name them: session_not_found, session_ended, attendee_not_found. Somebody new pauses a running recording."""
        people = [PersonHere(person.id or "", person.name, person.kind) for person in body.people]
        desk = self.running.desk
        await desk.set_attendees(self.viewer, self.actor, self.caller.place_name, session_id, people)
        return await self.detail(session_id)


class ConsentsView(SessionApiView):
    """Consents and withdrawals."""

    ACCESS = {"POST": JOINING_ROLES}

    async def post(self, session_id: SessionId, /, body: ConsentBody) -> r200[SessionDetail]:
        """Note one: attendee_not_found, consent_text_changed, session_ended. A withdrawal pauses the recording."""
        word = ConsentWord(body.attendee_id, body.agreed, body.text_version, self.caller.language)
        await self.running.desk.consent(self.viewer, self.actor, session_id, word)
        return await self.detail(session_id)


class ConsentTextView(SessionApiView):
    """What people agree to."""

    ACCESS = {"GET": SIGNED_IN}

    async def get(self) -> r200[ConsentText]:
        """The version in force."""
        return answer({"version": CURRENT.version, "texts": CURRENT.texts})


class JoinView(SessionApiView):
    """The way into the room."""

    ACCESS = {"POST": JOINING_ROLES}

    async def post(self, session_id: SessionId, /) -> r200[JoinAnswer]:
        """A token for a minute: consent_required {names}, session_ended, session_not_found, media_away, session_locked,
        removed_from_session, entry_denied.
        """
        with needing_media():
            place_name = self.caller.place_name
            joining = await self.running.desk.join(self.viewer, self.actor, place_name, session_id)
        room = joining.session_id
        token = RoomToken(
            joining.county,
            room,
            room,
            joining.peer_id,
            joining.name,
            joining.place_name,
            admitted=joining.admitted,
        )
        signed = mint_room_token(self.settings.secrets_dir, token)
        return answer({"token": signed, "ws_path": f"/api/sessions/{room}/ws", "peer_id": joining.peer_id})


class RecordingView(SessionApiView):
    """The recording buttons."""

    ACCESS = {"POST": JOINING_ROLES}

    async def post(self, session_id: SessionId, /, body: RecordingBody) -> r200[SessionDetail]:
        """Start, pause or resume: consent_missing {names}, nobody_present, recording_not_on, session_ended, disk_full,
        recorder_away, media_away.
        """
        step = RecordingStep(body.step)
        if step is not RecordingStep.PAUSE:
            await self._check_recorder(session_id)
        with needing_media():
            await self.running.desk.step_recording(self.viewer, self.actor, session_id, step, body.reason)
        self.running.recorder.hurry()
        return await self.detail(session_id)

    async def _check_recorder(self, session_id: str) -> None:
        """A red dot without a recorder behind it would be a lie."""
        if not await self.running.recorder.is_there(session_id):
            raise ApiFault(503, "recorder_away")
        full = self.running.recorder.has_full_disk(session_id)
        if full or shutil.disk_usage(self.settings.data_dir).free < self.settings.disk_full_bytes:
            raise ApiFault(507, "disk_full")


class EndView(SessionApiView):
    """The end of a session."""

    ACCESS = {"POST": JOINING_ROLES}

    async def post(self, session_id: SessionId, /) -> r200[SessionDetail]:
        """End it for everybody: session_not_found, forbidden, caucus_running."""
        await self.running.desk.end(self.viewer, self.actor, session_id, "ended_by_person")
        self.running.recorder.hurry()
        return await self.detail(session_id)


def _about(text: str) -> ColumnElement[bool] | None:
    """Title, place, or somebody's name holds the text."""
    if not text:
        return None
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    like: Any = f"%{escaped}%"
    endpoints = select(Participant.session_id).where(Participant.name.ilike(like, escape="\\"))
    people = (
        select(Participant.session_id)
        .join(Attendee, Attendee.participant_id == Participant.id)
        .where(Attendee.name.ilike(like, escape="\\"))
    )
    places = select(Place.id).where(Place.name.ilike(like, escape="\\"))
    return or_(
        Session.title.ilike(like, escape="\\"),
        Session.id.in_(endpoints),
        Session.id.in_(people),
        Session.place_id.in_(places),
    )


def _in_states(states: str) -> ColumnElement[bool] | None:
    wanted = [state for state in states.split(",") if state]
    return Session.state.in_(wanted) if wanted else None


def add_routes(app: web.Application) -> None:
    """/api/sessions and what lies below it."""
    app[VIEWINGS] = Viewings()
    app.router.add_view("/api/sessions", SessionsView)
    app.router.add_view("/api/sessions/{session_id}", SessionView)
    app.router.add_view("/api/sessions/{session_id}/attendees", AttendeesView)
    app.router.add_view("/api/sessions/{session_id}/consents", ConsentsView)
    app.router.add_view("/api/sessions/{session_id}/join", JoinView)
    app.router.add_view("/api/sessions/{session_id}/recording", RecordingView)
    app.router.add_view("/api/sessions/{session_id}/end", EndView)
    app.router.add_view("/api/consent-text", ConsentTextView)
