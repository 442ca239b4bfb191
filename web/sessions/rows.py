# SPDX-License-Identifier: Apache-2.0
"""What the database holds of a session, read together: a fixed number of queries however many sessions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import ColumnElement, and_, false, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from storage.database.models import (
    Attendee,
    Consent,
    Participant,
    Place,
    Session,
    SessionEvent,
    Tombstone,
    Transcript,
)
from web.casework import breaks as break_rules
from web.casework import consent as rules
from web.casework import marks as mark_rules
from web.casework import moderation
from web.casework.doors import WATCHER
from web.casework.refusal import Refused
from web.casework.sessions import RecordingOrder, SessionState
from web.casework.visibility import JOINING_ROLES, READING_ROLES, SessionFacts, Viewer

RECORDING_EVENTS: Final = ("recording_started", "recording_paused", "recording_resumed", "recording_stopped")
_MOST_EVENTS: Final = 500


@dataclass(slots=True)
class SessionRows:
    """One session with everything that hangs on it."""

    session: Session
    place: Place | None
    participants: list[Participant]
    attendees: dict[str, list[Attendee]]
    """By participant id, those who have not left the room, in their order."""
    transcript: Transcript | None
    recording_since_utc_ms: int | None
    """When the recording order last changed."""
    consents: dict[str, Consent] = field(default_factory=dict)
    """Each attendee's newest word, by attendee id."""
    events: list[SessionEvent] = field(default_factory=list)
    """Only read for one session's page."""
    expired_utc_ms: int | None = None
    """When the recording began to be deleted at the end of its time; None while it is kept."""
    mark_events: list[SessionEvent] = field(default_factory=list)
    """All that were ever written of markers and sections; only read for one session's page, too."""
    break_events: list[SessionEvent] = field(default_factory=list)
    """All that were ever written of the recording's breaks; only read for one session's page, too."""
    caucuses: list[SessionRows] = field(default_factory=list)
    """Private talks beside it, the first one first; only read for one session's page, too."""

    def facts(self, viewer: Viewer) -> SessionFacts:
        """What the rules of visibility need."""
        session, mine = self.session, self.own(viewer)
        me = None if mine is None else person(mine)
        admission = moderation.Admission.NONE if me is None else me.admission
        return SessionFacts(
            session.county,
            session.place_id,
            session.created_by,
            SessionState(session.state),
            took_part=me is not None and admission is not moderation.Admission.DENIED,
            admission=admission,
            let_in=moderation.is_let_in(me, waiting_room=session.waiting_room),
            private=session.caucus_of is not None,
        )

    def is_host(self, viewer: Viewer) -> bool:
        """True for the endpoint that leads; before it is known, for whoever opened the session."""
        if self.session.host_peer_id is None:
            return self.session.created_by == viewer.id
        mine = self.own(viewer)
        return mine is not None and mine.id == self.session.host_peer_id

    def host_present(self) -> bool:
        """True while the one who leads is in the room."""
        return any(p.id == self.session.host_peer_id and p.present for p in self.participants)

    def participant(self, peer_id: str) -> Participant:
        """One endpoint. Raises Refused `peer_not_found`."""
        for participant in self.participants:
            if participant.id == peer_id:
                return participant
        raise Refused("peer_not_found")

    def own(self, viewer: Viewer) -> Participant | None:
        """The viewer's endpoint."""
        return next((p for p in self.participants if p.kind == viewer.kind and p.subject_id == viewer.id), None)

    def endpoint(self, participant: Participant) -> rules.Endpoint:
        """As the rules of consent see it."""
        people = tuple(rules.Person(a.name, a.agreed) for a in self.attendees.get(participant.id, []))
        return rules.Endpoint(participant.id, participant.name, participant.present, people)

    def endpoints(self) -> list[rules.Endpoint]:
        """All endpoints with people, present or not. A camera shows people of one of them: their consent covers it.
        Who only watches is neither seen nor heard."""
        return [self.endpoint(p) for p in self.participants if p.kind not in ("camera", WATCHER)]

    def marks(self) -> mark_rules.Marks:
        """Markers and sections as they stand; times are UTC ms."""
        return mark_rules.told((event.type, event.data, event.utc_ms) for event in self.mark_events)

    def breaks(self) -> list[break_rules.Break]:
        """Breaks of the recording; times are UTC ms."""
        return break_rules.told((event.type, event.data, event.utc_ms) for event in self.break_events)

    @property
    def order(self) -> RecordingOrder:
        """The recording order in force."""
        return RecordingOrder(self.session.recording)


def person(row: Participant) -> moderation.Person:
    """As the rules of moderation see it."""
    return moderation.Person(row.id, moderation.Admission(row.admission), row.joined_utc_ms is not None, row.present)


def visible(viewer: Viewer) -> ColumnElement[bool]:
    """`web.casework.visibility.may_see` as a condition on `Session`; a test holds the two together."""
    county, private = Session.county == viewer.county, Session.caucus_of.is_not(None)
    if viewer.role in READING_ROLES:
        return and_(county, ~private)
    if viewer.role not in JOINING_ROLES:
        return false()
    took_part = (
        select(Participant.id)
        .where(
            Participant.session_id == Session.id,
            Participant.kind == viewer.kind,
            Participant.subject_id == viewer.id,
            Participant.admission != moderation.Admission.DENIED.value,
        )
        .exists()
    )
    made, over = Session.created_by == viewer.id, Session.state == SessionState.ENDED.value
    ways = [took_part, made]
    if viewer.place_id is not None:
        ways.append(Session.place_id == viewer.place_id)
    if viewer.role == "hq_officer":
        ways.append(~over)
    return and_(county, or_(and_(~private, or_(*ways)), and_(private, or_(made, and_(took_part, ~over)))))


async def load_one(db: AsyncSession, session_id: str, *, lock: bool = False) -> SessionRows | None:
    """One session with its events. `lock` keeps other writers of PostgreSQL away until the transaction ends."""
    if lock:
        await db.execute(select(Session.id).where(Session.id == session_id).with_for_update())
    found = await load(db, [session_id])
    if not found:
        return None
    events = select(SessionEvent).where(SessionEvent.session_id == session_id)
    newest = events.order_by(SessionEvent.utc_ms.desc(), SessionEvent.id.desc()).limit(_MOST_EVENTS)
    found[0].events = list(reversed((await db.scalars(newest)).all()))
    kept = SessionEvent.type.in_((*mark_rules.EVENTS, *break_rules.EVENTS))
    for event in await db.scalars(events.where(kept).order_by(SessionEvent.utc_ms, SessionEvent.id)):
        into = found[0].break_events if event.type in break_rules.EVENTS else found[0].mark_events
        into.append(event)
    beside = select(Session.id).where(Session.caucus_of == session_id).order_by(Session.id)
    found[0].caucuses = await load(db, list(await db.scalars(beside)))
    return found[0]


async def load(db: AsyncSession, ids: Sequence[str]) -> list[SessionRows]:
    """These sessions, in the order of `ids`; unknown ones are left out."""
    sessions = {row.id: row for row in await db.scalars(select(Session).where(Session.id.in_(ids)))}
    place_ids = {row.place_id for row in sessions.values() if row.place_id is not None}
    places = {row.id: row for row in await db.scalars(select(Place).where(Place.id.in_(place_ids)))}
    participants = await _grouped_participants(db, ids)
    attendees = await _attendees(db, [p.id for group in participants.values() for p in group])
    since = await _recording_since(db, ids)
    consents = await _consents(db, ids)
    transcripts = await _transcripts(db, ids)
    expired = await _expired(db, ids)
    return [
        SessionRows(
            session=sessions[session_id],
            place=places.get(sessions[session_id].place_id or ""),
            participants=participants.get(session_id, []),
            attendees=attendees,
            transcript=transcripts.get(session_id),
            recording_since_utc_ms=since.get(session_id),
            consents=consents,
            expired_utc_ms=expired.get(session_id),
        )
        for session_id in ids
        if session_id in sessions
    ]


async def _grouped_participants(db: AsyncSession, ids: Iterable[str]) -> dict[str, list[Participant]]:
    grouped: dict[str, list[Participant]] = defaultdict(list)
    query = select(Participant).where(Participant.session_id.in_(ids)).order_by(Participant.id)
    for row in await db.scalars(query):
        grouped[row.session_id].append(row)
    return grouped


async def _attendees(db: AsyncSession, participant_ids: Iterable[str]) -> dict[str, list[Attendee]]:
    grouped: dict[str, list[Attendee]] = defaultdict(list)
    query = select(Attendee).where(Attendee.participant_id.in_(participant_ids), Attendee.removed_utc_ms.is_(None))
    for row in await db.scalars(query.order_by(Attendee.position, Attendee.id)):
        grouped[row.participant_id].append(row)
    return grouped


async def _recording_since(db: AsyncSession, ids: Iterable[str]) -> dict[str, int]:
    query = (
        select(SessionEvent.session_id, func.max(SessionEvent.utc_ms))
        .where(SessionEvent.session_id.in_(ids), SessionEvent.type.in_(RECORDING_EVENTS))
        .group_by(SessionEvent.session_id)
    )
    return {str(session_id): int(utc_ms) for session_id, utc_ms in await db.execute(query)}


async def _consents(db: AsyncSession, ids: Iterable[str]) -> dict[str, Consent]:
    query = select(Consent).where(Consent.session_id.in_(ids)).order_by(Consent.utc_ms, Consent.id)
    return {row.attendee_id: row for row in await db.scalars(query)}  # the newest comes last and stays


async def _expired(db: AsyncSession, ids: Iterable[str]) -> dict[str, int]:
    query = select(Tombstone.session_id, Tombstone.begun_utc_ms).where(Tombstone.session_id.in_(ids))
    return {str(session_id): int(utc_ms) for session_id, utc_ms in await db.execute(query)}


async def _transcripts(db: AsyncSession, ids: Iterable[str]) -> dict[str, Transcript]:
    query = select(Transcript).where(Transcript.session_id.in_(ids)).order_by(Transcript.id)
    return {row.session_id: row for row in await db.scalars(query)}  # the newest comes last and stays
