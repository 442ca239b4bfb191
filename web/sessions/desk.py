# SPDX-License-Identifier: Apache-2.0
"""What people do with a session: first the rule, then the database, then the order (`web.sessions.delivery`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from storage.database.models import Attendee, Consent, Participant, Session
from storage.ids import new_id
from web.casework import consent as consent_rules
from web.casework.breaks import CONSENT_MISSING, WITHDRAWN
from web.casework.caucus import ENDED as CAUCUS_ENDED
from web.casework.caucus import check_none_runs
from web.casework.consent_text import is_current
from web.casework.doors import DOOR
from web.casework.moderation import comes_in_at_once
from web.casework.refusal import Refused
from web.casework.sessions import (
    RecordingOrder,
    RecordingStep,
    SessionState,
    SessionStep,
    next_recording_order,
    next_session_state,
    was_recorded,
)
from web.casework.visibility import JOINING_ROLES, Viewer, check_may_join, check_may_lead, may_lead
from web.media.mediaserver_link import MediaAway
from web.sessions.audit import SYSTEM, Actor, note
from web.sessions.caucus import check_may_enter, lift
from web.sessions.delivery import Delivery, Step
from web.sessions.rows import person as person_of


@dataclass(frozen=True, slots=True)
class PersonHere:
    """One person before a camera, as the page lists them. `id` is empty for somebody new."""

    id: str
    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class ConsentWord:
    """What somebody said, to which text, read in which language."""

    attendee_id: str
    agreed: bool
    text_version: str
    language: str


@dataclass(frozen=True, slots=True)
class Joining:
    """What a room token says about the endpoint that may come in."""

    county: str
    session_id: str
    peer_id: str
    name: str
    place_name: str
    admitted: bool
    """Comes in at once also where newcomers wait."""


class Desk:
    """All steps that a person takes."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    # Making and naming

    async def create(self, viewer: Viewer, actor: Actor, title: str, language: str) -> str:
        """A new session at the viewer's place; its id."""
        now_ms, session_id = self._delivery.now_ms(), new_id()
        async with self._delivery.database.begin() as db:
            db.add(
                Session(
                    id=session_id,
                    county=viewer.county,
                    place_id=viewer.place_id,
                    title=title,
                    language=language,
                    created_by=viewer.id,
                    created_utc_ms=now_ms,
                    state=SessionState.OPEN.value,
                    recording=RecordingOrder.OFF.value,
                    recording_version=0,
                )
            )
            note(db, viewer.county, actor, "session.create", session_id, now_ms, {"title": title})
        self._delivery.changed(session_id)
        return session_id

    async def rename(self, viewer: Viewer, actor: Actor, session_id: str, title: str) -> None:
        """Give it another title, also after its end: who takes part, or keeps the records.

        Raises Refused `session_not_found`, `forbidden`.
        """
        async with self._delivery.step(session_id, viewer) as step:
            if viewer.role in JOINING_ROLES:
                check_may_lead(viewer, step.rows.facts(viewer))
            session = step.rows.session
            before, session.title = session.title, title
            data = {"from": before, "to": title}
            note(step.db, session.county, actor, "session.rename", session_id, step.now_ms, data)

    # Who is there, and what they agreed to

    async def set_attendees(
        self, viewer: Viewer, actor: Actor, place_name: str, session_id: str, people: Sequence[PersonHere]
    ) -> None:
        """Who sits before the viewer's camera. Somebody new has not agreed yet: a running recording pauses.

        Raises Refused `session_not_found`, `forbidden`, `session_ended`, `attendee_not_found`.
        """
        async with self._delivery.step(session_id, viewer) as step:
            rows = step.rows
            check_may_join(viewer, rows.facts(viewer))
            mine = await own_participant(step, viewer, actor, place_name)
            rows.attendees[mine.id] = seated(step.db, rows.attendees.get(mine.id, []), mine.id, people, step.now_ms)
            step.seated(mine)
            step.pause_if_needed(actor, CONSENT_MISSING)

    async def consent(self, viewer: Viewer, actor: Actor, session_id: str, given: ConsentWord) -> None:
        """Somebody at the viewer's own endpoint, or before a device that the viewer lets in, agrees, refuses or
        withdraws. A withdrawal pauses a recording at once.

        Raises Refused `session_not_found`, `forbidden`, `session_ended`, `attendee_not_found`,
        `consent_text_changed` (another version of the text is in force now).
        """
        async with self._delivery.step(session_id, viewer) as step:
            rows = step.rows
            check_may_join(viewer, rows.facts(viewer))
            mine = rows.own(viewer)
            asked = [mine] if mine is not None else []
            if may_lead(viewer, rows.facts(viewer)):  # a device cannot say yes for those before its camera
                asked += [participant for participant in rows.participants if participant.kind == DOOR]
            here = [attendee for endpoint in asked for attendee in rows.attendees.get(endpoint.id, [])]
            attendee = next((a for a in here if a.id == given.attendee_id), None)
            if attendee is None:
                raise Refused("attendee_not_found")
            if not is_current(given.text_version):
                raise Refused("consent_text_changed")
            if attendee.agreed is given.agreed:
                return
            attendee.agreed = given.agreed
            step.agreed(_consent(session_id, attendee, given, actor, step.now_ms))
            step.pause_if_needed(actor, WITHDRAWN)

    async def join(self, viewer: Viewer, actor: Actor, place_name: str, session_id: str) -> Joining:
        """Let the viewer's endpoint in; the room is there when this returns.

        Raises Refused `session_not_found`, `forbidden`, `session_ended`, `consent_required` {names}, `session_locked`,
        `removed_from_session`, `entry_denied`, and MediaAway.
        """
        async with self._delivery.step(session_id, viewer) as step:
            rows = step.rows
            check_may_join(viewer, rows.facts(viewer))
            await check_may_enter(self._delivery, rows)
            mine = await own_participant(step, viewer, actor, place_name)
            session = rows.session
            if session.host_peer_id is None and session.created_by == viewer.id:
                session.host_peer_id = mine.id
                session.moderation_version += 1
            admitted = comes_in_at_once(person_of(mine), is_host=rows.is_host(viewer), locked=session.locked)
            recorded = was_recorded(rows.order, rows.session.recording_started_utc_ms)
            consent_rules.check_may_join(rows.endpoint(mine), recorded)
            order = self._delivery.room_order(rows.session)
        await self._delivery.media.put_room(order)
        return Joining(order.county, session_id, mine.id, mine.name, mine.place_name, admitted)

    # Recording and ending

    async def step_recording(
        self, viewer: Viewer, actor: Actor, session_id: str, wanted: RecordingStep, reason: str
    ) -> None:
        """Start, pause or resume, for a reason (`web.casework.breaks`; empty: none given). A second press of the same
        button changes nothing, the reason of the first stays.

        Raises Refused (see the rules) and MediaAway; after MediaAway a start or resume has not taken place.
        """
        delivery = self._delivery
        async with delivery.locked(session_id):
            async with delivery.rows(session_id, viewer) as step:
                rows = step.rows
                check_may_lead(viewer, rows.facts(viewer))
                before, after = rows.order, next_recording_order(rows.order, wanted)
                begins = after is RecordingOrder.ON and before is not after
                if begins:
                    check_none_runs(rows.session.caucus_id is not None)
                    consent_rules.check_may_record(rows.endpoints())
                step.set_recording(after, reason, actor)
            failed = await delivery.give(rows.session) if before is not after else None
            if begins and failed is not None:
                await self._take_back(session_id, before, never_sent=isinstance(failed, MediaAway) and failed.unsent)
                raise MediaAway(str(failed))
            await delivery.tell_record(step.told)
        delivery.changed(session_id)

    async def _take_back(self, session_id: str, before: RecordingOrder, *, never_sent: bool) -> None:
        """The press failed and the person is told so; it must not come true later behind their back."""
        async with self._delivery.rows(session_id, None) as step:
            session = step.rows.session
            nothing_was = before is RecordingOrder.OFF and never_sent
            session.recording = (RecordingOrder.OFF if nothing_was else RecordingOrder.PAUSED).value
            session.recording_version += 1
            if nothing_was:
                session.recording_started_utc_ms = None
            step.happened("recording_not_ordered", {})

    async def end(self, viewer: Viewer | None, actor: Actor, session_id: str, reason: str) -> None:
        """End it for everybody; its record is sealed from now on. `viewer` None: the system itself.

        A private talk beside it ends with it, at the host's word alone; the end of a private talk wakes its main
        session up.

        Raises Refused `session_not_found`, `forbidden`, `caucus_running`; ending twice changes nothing.
        """
        async with self._delivery.step(session_id, viewer) as step:
            rows, session = step.rows, step.rows.session
            if session.state == SessionState.ENDED.value:
                return
            if viewer is not None:
                check_may_lead(viewer, rows.facts(viewer))
                check_none_runs(session.caucus_id is not None and not rows.is_host(viewer))
            session.state = next_session_state(SessionState(session.state), SessionStep.END).value
            session.ended_utc_ms = step.now_ms
            talk, main = session.caucus_id, session.caucus_of
            if talk is not None:
                session.caucus_id, session.caucus_since_utc_ms = None, None
                step.happened(CAUCUS_ENDED, {})
            if session.recording_started_utc_ms is not None:
                step.set_recording(RecordingOrder.STOPPED, reason, actor)
            for participant in rows.participants:
                if participant.present:
                    participant.present, participant.left_utc_ms = False, step.now_ms
            step.happened("session_ended", {"reason": reason, "by": actor.named()})
            note(step.db, session.county, actor, "session.end", session_id, step.now_ms, {"reason": reason})
        if talk is not None:
            await self.end(None, SYSTEM, talk, "main_session_ended")
        if main is not None:
            await lift(self._delivery, actor, main, session_id)


async def own_participant(step: Step, viewer: Viewer, actor: Actor, place_name: str) -> Participant:
    """The viewer's endpoint, made at its first wish to come in."""
    mine = step.rows.own(viewer)
    if mine is None:
        mine = Participant(
            id=new_id(),
            session_id=step.rows.session.id,
            kind=viewer.kind,
            subject_id=viewer.id,
            role=viewer.role,
            name=actor.name,
            place_name=place_name,
            present=False,
        )
        step.db.add(mine)
        await step.db.flush()
        step.rows.participants.append(mine)
    return mine


def seated(
    db: AsyncSession, before: Sequence[Attendee], participant_id: str, people: Sequence[PersonHere], now_ms: int
) -> list[Attendee]:
    """The endpoint's people as listed now. A row with a consent never changes its name: that would move the consent."""
    known = {attendee.id: attendee for attendee in before}
    listed: list[Attendee] = []
    for position, person in enumerate(people):
        attendee = known.get(person.id)
        if person.id and attendee is None:
            raise Refused("attendee_not_found")
        if attendee is not None and attendee.name != person.name and attendee.agreed is not None:
            attendee = None
        if attendee is None:
            attendee = Attendee(id=new_id(), participant_id=participant_id, name=person.name, kind=person.kind)
            db.add(attendee)
        attendee.name, attendee.kind, attendee.position = person.name, person.kind, position
        listed.append(attendee)
    for attendee in before:
        if attendee not in listed:
            attendee.removed_utc_ms = now_ms
    return listed


def _consent(session_id: str, attendee: Attendee, given: ConsentWord, actor: Actor, now_ms: int) -> Consent:
    return Consent(
        id=new_id(),
        session_id=session_id,
        attendee_id=attendee.id,
        name=attendee.name,
        agreed=given.agreed,
        text_version=given.text_version,
        language=given.language,
        by_kind=actor.kind,
        by_id=actor.id,
        by_name=actor.name,
        utc_ms=now_ms,
    )
