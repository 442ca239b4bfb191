# SPDX-License-Identifier: Apache-2.0
"""Private talks: begun by the host, over with their own session, and the main session at rest in between.

The order that lets the main room rest is obeyed before anybody gets a token of the talk's own room. It is part of the
room's state: a mediaserver that restarts is told it with the room, before anybody can come in.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from storage.access import EventOrder
from storage.database.models import Attendee, Participant, Session
from storage.ids import new_id
from web.casework import caucus as rules
from web.casework.breaks import CAUCUS
from web.casework.consent import missing_consents
from web.casework.moderation import Admission
from web.casework.refusal import Refused
from web.casework.sessions import RecordingOrder, SessionState
from web.casework.visibility import Viewer, check_may_lead
from web.media.mediaserver_link import MediaAway
from web.sessions.audit import SYSTEM, Actor, note
from web.sessions.delivery import Delivery, Step
from web.sessions.rows import SessionRows, load


class CaucusDesk:
    """Beginning of private talks, and what time does to them."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    async def start(self, viewer: Viewer, actor: Actor, session_id: str, peer_ids: Sequence[str]) -> str:
        """Begin one with these endpoints of the session and one's own; the id of its session.

        Raises Refused `session_not_found`, `forbidden`, `session_ended`, `not_host`, `caucus_running`, `peer_needed`,
        `peer_not_found`, `peer_not_in_room`, and MediaAway: nothing has begun then.
        """
        delivery = self._delivery
        async with delivery.locked(session_id):
            async with delivery.rows(session_id, viewer) as step:
                talk, people = _begun(step, viewer, actor, peer_ids)
                step.db.add(talk)
                await step.db.flush()
                for one in people:
                    step.db.add(one)
                    await step.db.flush()
            failed = await delivery.give(step.rows.session)
            if failed is not None:
                await self._take_back(session_id, talk.id)
                raise MediaAway(str(failed))
            await delivery.tell_record(step.told)
        delivery.changed(session_id)
        delivery.changed(talk.id)
        return talk.id

    async def _take_back(self, session_id: str, talk_id: str) -> None:
        """The host is told that it failed; a recording that was paused for it stays paused, as after a failed start."""
        async with self._delivery.rows(session_id, None) as step:
            session, talk = step.rows.session, await step.db.get(Session, talk_id)
            assert talk is not None, "made in the step before"
            talk.state, talk.ended_utc_ms = SessionState.ENDED.value, step.now_ms
            session.caucus_id, session.caucus_since_utc_ms = None, None
            session.moderation_version += 1
            step.happened(rules.ENDED, {})

    async def over(self, lost: set[str]) -> list[str]:
        """Talks whose time is up, because one side of them is not there any more or their main session has ended.
        `lost`: sessions whose people were lost with the mediaserver. Lifts the rest of what has ended already."""
        delivery = self._delivery
        async with delivery.database.read() as db:
            running = Session.caucus_of.is_not(None) & (Session.state != SessionState.ENDED.value)
            talks = await load(db, list(await db.scalars(select(Session.id).where(running))))
            resting = list(await db.scalars(select(Session).where(Session.caucus_id.is_not(None))))
            known = [main.caucus_id for main in resting]
            done = set(
                await db.scalars(
                    select(Session.id).where(Session.id.in_(known), Session.state == SessionState.ENDED.value)
                )
            )
        for main in resting:
            if main.caucus_id in done:
                await lift(delivery, SYSTEM, main.id, main.caucus_id or "")
        waited_for = {main.caucus_id for main in resting if main.state != SessionState.ENDED.value}
        now_ms = delivery.now_ms()
        return [
            talk.session.id
            for talk in talks
            if talk.session.id not in waited_for or _is_over(talk, now_ms, lost=talk.session.id in lost)
        ]


async def lift(delivery: Delivery, actor: Actor, session_id: str, talk_id: str) -> None:
    """The talk is over: the main room wakes up, and its recording goes on where it was paused for the talk alone.
    Once is enough; a second call changes nothing."""
    async with delivery.step(session_id, None) as step:
        rows, session = step.rows, step.rows.session
        if session.caucus_id != talk_id:
            return
        session.caucus_id, session.caucus_since_utc_ms = None, None
        session.moderation_version += 1
        if session.last_left_utc_ms is not None:
            session.last_left_utc_ms = step.now_ms  # those who come back from the talk have their time
        _told(step, rules.ENDED)
        paused_for_it = rows.order is RecordingOrder.PAUSED and session.recording_reason == CAUCUS
        if paused_for_it and not missing_consents(rows.endpoints()):
            step.set_recording(RecordingOrder.ON, "", actor)


def _is_over(talk: SessionRows, now_ms: int, *, lost: bool) -> bool:
    sides = {
        one.id: rules.Side(one.present, one.joined_utc_ms is not None, one.left_utc_ms) for one in talk.participants
    }
    mediator = sides.pop(talk.session.host_peer_id or "")
    return rules.ends_by_itself(mediator, sides.values(), talk.session.created_utc_ms, now_ms, lost=lost)


def _told(step: Step, kind: str) -> None:
    """Kept, and told to the record: that it took place, nothing else."""
    step.happened(kind, {})
    step.told.append(EventOrder(step.rows.session.id, kind, {}, step.now_ms))


def _begun(
    step: Step, viewer: Viewer, actor: Actor, peer_ids: Sequence[str]
) -> tuple[Session, list[Participant | Attendee]]:
    """The rows of the talk, after its rules; the main session rests, and its recording pauses."""
    rows, session = step.rows, step.rows.session
    check_may_lead(viewer, rows.facts(viewer))
    mine = rows.own(viewer)
    rules.check_may_start(
        SessionState(session.state),
        is_private=session.caucus_of is not None,
        is_host=rows.is_host(viewer),
        running=session.caucus_id is not None,
        host_here=mine is not None and mine.present,
    )
    assert mine is not None, "checked"
    guests = [rows.participant(peer_id) for peer_id in dict.fromkeys(peer_ids) if peer_id != mine.id]
    rules.check_guests([rules.Guest(one.kind, one.present, Admission(one.admission)) for one in guests])
    talk = Session(
        id=new_id(),
        county=session.county,
        place_id=session.place_id,
        title=session.title,
        language=session.language,
        created_by=viewer.id,
        created_utc_ms=step.now_ms,
        state=SessionState.OPEN.value,
        recording=RecordingOrder.OFF.value,
        recording_version=0,
        caucus_of=session.id,
    )
    people = _seats(rows, talk, [mine, *guests])
    talk.host_peer_id, talk.moderation_version = people[0].id, 1
    session.caucus_id, session.caucus_since_utc_ms = talk.id, step.now_ms
    session.moderation_version += 1
    _told(step, rules.STARTED)
    if rows.order is RecordingOrder.ON:
        step.set_recording(RecordingOrder.PAUSED, CAUCUS, actor)
    note(step.db, session.county, actor, "caucus.start", session.id, step.now_ms, {})
    data = {"beside": session.id, "names": [one.name for one in guests]}  # with whom stands with the talk alone
    note(step.db, session.county, actor, "caucus.start", talk.id, step.now_ms, data)
    return talk, people


def _seats(rows: SessionRows, talk: Session, endpoints: Sequence[Participant]) -> list[Participant | Attendee]:
    """The same endpoints with the same people before them, none of whom has agreed to anything in the talk yet."""
    made: list[Participant | Attendee] = []
    for one in endpoints:
        seat = Participant(
            id=new_id(),
            session_id=talk.id,
            kind=one.kind,
            subject_id=one.subject_id,
            role=one.role,
            name=one.name,
            place_name=one.place_name,
            present=False,
            admission=Admission.ADMITTED.value,
        )
        made.append(seat)
        for person in rows.attendees.get(one.id, []):
            seated = Attendee(id=new_id(), participant_id=seat.id, name=person.name, kind=person.kind)
            seated.position = person.position
            made.append(seated)
    return made


async def check_may_enter(delivery: Delivery, rows: SessionRows) -> None:
    """Nobody comes into a talk whose main room is not known to rest.

    Raises Refused `session_ended`, and MediaAway.
    """
    talk = rows.session
    if talk.caucus_of is None:
        return
    async with delivery.database.read() as db:
        main = await db.get(Session, talk.caucus_of)
    if main is None or main.caucus_id != talk.id:
        raise Refused("session_ended")
    if main.id in delivery.undelivered:
        raise MediaAway("the main room is not known to rest")
