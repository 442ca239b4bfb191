# SPDX-License-Identifier: Apache-2.0
"""A change of one session, and the order that follows from it.

The database decides. An order repeats what stands there, with its version, so that it can be given again at any time:
after a lost answer, after a restart of the mediaserver, after a restart of this program.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from weakref import WeakValueDictionary

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from storage.access import CloseOrder, EventOrder, ModerateOrder, Recording, RemoveOrder, RoomOrder
from storage.database.engine import Database
from storage.database.models import Consent, Participant, Session, SessionEvent
from storage.ids import new_id
from web.casework.caucus import EVENTS as CAUCUS_EVENTS
from web.casework.caucus import KeysFor, gets_own_key
from web.casework.consent import step_after_change
from web.casework.marks import EVENTS as MARK_EVENTS
from web.casework.refusal import Refused
from web.casework.sessions import RecordingOrder, SessionState, next_recording_order
from web.casework.visibility import Viewer, may_see
from web.media.mediaserver_link import MediaAway, MediaRefused
from web.media.pool import MediaPool
from web.sessions.audit import Actor, note
from web.sessions.rows import SessionRows, load_one
from web.webhooks.outbox import Outbox

log = structlog.get_logger(__name__)

_EVENT_OF: Final = {
    (RecordingOrder.OFF, RecordingOrder.ON): "recording_started",
    (RecordingOrder.PAUSED, RecordingOrder.ON): "recording_resumed",
    (RecordingOrder.ON, RecordingOrder.PAUSED): "recording_paused",
    (RecordingOrder.ON, RecordingOrder.STOPPED): "recording_stopped",
    (RecordingOrder.PAUSED, RecordingOrder.STOPPED): "recording_stopped",
}

_WIRE: Final[dict[RecordingOrder, Recording]] = {
    RecordingOrder.OFF: "off",
    RecordingOrder.ON: "on",
    RecordingOrder.PAUSED: "paused",
    RecordingOrder.STOPPED: "stopped",
}

_TOLD_TYPES: Final = (
    *MARK_EVENTS, *CAUCUS_EVENTS, "locked", "unlocked", "waiting_room_on", "waiting_room_off",
    "host_changed", "removed", "denied", "admitted", "allowed",
)  # fmt: skip
"""Events of the database that the record is told as they stand there."""


@dataclass(slots=True)
class Step:
    """One change in progress: the transaction, the session in it, and what to tell the record afterwards."""

    db: AsyncSession
    rows: SessionRows
    now_ms: int
    outbox: Outbox
    told: list[EventOrder] = field(default_factory=list)

    def happened(self, kind: str, data: dict[str, Any], utc_ms: int | None = None) -> None:
        """Keep an event of the session."""
        at_ms = self.now_ms if utc_ms is None else utc_ms
        self.db.add(SessionEvent(id=new_id(), session_id=self.rows.session.id, type=kind, data=data, utc_ms=at_ms))
        self.outbox.happened(self.db, self.rows.session, kind, data, at_ms)

    def agreed(self, consent: Consent) -> None:
        """Keep a consent, also in the sealed record; one given before the start goes in when recording starts."""
        event = _consent_event(consent)
        self.db.add(consent)
        self.happened(event.type, event.data)
        self.rows.consents[consent.attendee_id] = consent
        if self.rows.order is not RecordingOrder.OFF:
            self.told.append(event)

    def set_recording(self, after: RecordingOrder, reason: str, actor: Actor) -> None:
        """Change the recording order; nothing where it is the same."""
        session, before = self.rows.session, self.rows.order
        if before is after:
            return
        session.recording = after.value
        session.recording_version += 1
        session.recording_reason = reason
        if after is RecordingOrder.ON and session.recording_started_utc_ms is None:
            session.recording_started_utc_ms = self.now_ms
            self.told += [_consent_event(consent) for consent in self._valid_consents()]
            self.told += [self._roster(participant) for participant in self._with_people()]
        event = _EVENT_OF[before, after]
        self.happened(event, {"reason": reason, "by": actor.named()})
        note(self.db, session.county, actor, event.replace("_", "."), session.id, self.now_ms, {"reason": reason})

    def seated(self, participant: Participant) -> None:
        """Who sits before this camera now, for the sealed record; a list from before the start goes in at the start."""
        if self.rows.order is not RecordingOrder.OFF:
            self.told.append(self._roster(participant))

    def _with_people(self) -> list[Participant]:
        return [participant for participant in self.rows.participants if self.rows.attendees.get(participant.id)]

    def _roster(self, participant: Participant) -> EventOrder:
        people = [{"name": a.name, "kind": a.kind} for a in self.rows.attendees.get(participant.id, [])]
        facts = {"peer_id": participant.id, "name": participant.name, "place": participant.place_name}
        return EventOrder(self.rows.session.id, "roster", {**facts, "people": people}, self.now_ms)

    def _valid_consents(self) -> list[Consent]:
        here = [attendee.id for people in self.rows.attendees.values() for attendee in people]
        return [self.rows.consents[attendee_id] for attendee_id in here if attendee_id in self.rows.consents]

    def pause_if_needed(self, actor: Actor, reason: str) -> None:
        """Pause a running recording when somebody present has not agreed."""
        step = step_after_change(self.rows.order, self.rows.endpoints())
        if step is not None:
            self.set_recording(next_recording_order(self.rows.order, step), reason, actor)


class Delivery:
    """Changes of one session come one after the other, each with its order."""

    def __init__(
        self,
        database: Database,
        media: MediaPool,
        outbox: Outbox,
        now_ms: Callable[[], int],
        changed: Callable[[str], None],
        keys: KeysFor,
    ) -> None:
        self.database, self.media, self.outbox, self._keys = database, media, outbox, keys
        self.now_ms, self.changed = now_ms, changed
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.undelivered: set[str] = set()
        """Sessions whose last order did not arrive; given again until it does."""
        self._unsure: set[str] = set()
        """Sessions whose mediaserver may have died with events that the recorder had not got yet."""

    @asynccontextmanager
    async def step(self, session_id: str, viewer: Viewer | None) -> AsyncIterator[Step]:
        """A change; when it altered the recording or ended the session, the order goes out as soon as it is kept.

        `viewer` None: the system itself. Raises Refused `session_not_found`.
        """
        async with self.locked(session_id):
            async with self.rows(session_id, viewer) as step:
                before = _ordered(step.rows.session)
                yield step
            if _ordered(step.rows.session) != before:
                await self.give(step.rows.session)
            await self.tell_record(step.told)
        self.changed(session_id)

    @asynccontextmanager
    async def locked(self, session_id: str) -> AsyncIterator[None]:
        """Nothing else changes this session meanwhile."""
        lock = self._locks.get(session_id)
        if lock is None:
            lock = self._locks[session_id] = asyncio.Lock()
        async with lock:
            yield

    @asynccontextmanager
    async def rows(self, session_id: str, viewer: Viewer | None) -> AsyncIterator[Step]:
        """The session in a transaction that may change it, without an order. Raises Refused `session_not_found`."""
        async with self.database.begin() as db:
            rows = await load_one(db, session_id, lock=True)
            if rows is None or (viewer is not None and not may_see(viewer, rows.facts(viewer))):
                raise Refused("session_not_found")
            yield Step(db, rows, self.now_ms(), self.outbox)

    async def deliver(self, session_id: str) -> None:
        """Give the mediaserver the session's state again, as it stands in the database now."""
        async with self.locked(session_id):
            async with self.database.read() as db:
                session = await db.get(Session, session_id)
            if session is None:
                self.undelivered.discard(session_id)
            else:
                await self.give(session)

    async def give(self, session: Session) -> MediaAway | MediaRefused | None:
        """The order that `session` means. What stood in its way is returned, and the session is remembered."""
        try:
            if session.state != SessionState.ENDED.value:
                await self.media.put_room(self.room_order(session))
                await self._tell_again(session)
            else:
                if session.recording_started_utc_ms is not None and session.manifest_key is None:
                    await self.media.put_room(self.room_order(session))
                    await self._tell_again(session)
                await self.media.close_room(CloseOrder(session.id, session.recording_reason))
        except (MediaAway, MediaRefused) as error:
            log.warning("order_waits", session=session.id, reason=str(error))
            self.undelivered.add(session.id)
            return error
        self.undelivered.discard(session.id)
        return None

    def room_order(self, session: Session) -> RoomOrder:
        """The room as the database wants it."""
        return RoomOrder(
            session.county,
            session.id,
            session.id,
            _WIRE[RecordingOrder(session.recording)],
            session.recording_version,
            session.recording_reason,
            moderation_version=session.moderation_version,
            host=session.host_peer_id or "",
            locked=session.locked,
            waiting_room=session.waiting_room,
            barred=tuple(session.barred),
            resting_since_utc_ms=session.caucus_since_utc_ms or 0,
            own_key=gets_own_key(self._keys, is_talk=session.caucus_of is not None),
        )

    def unsure(self, session_ids: Iterable[str]) -> None:
        """The mediaserver of these sessions is another one, or may be: with their next order their record is told again
        what the old one had taken. The recorder keeps what it has already only once."""
        self._unsure.update(session_ids)

    async def _tell_again(self, session: Session) -> None:
        """Consents, markers and acts of moderation of a recorded session. Raises MediaAway, MediaRefused."""
        if session.id not in self._unsure:
            return
        started_utc_ms = session.recording_started_utc_ms
        if started_utc_ms is not None:
            async with self.database.read() as db:
                consents = await db.scalars(select(Consent).where(Consent.session_id == session.id))
                acts = SessionEvent.session_id == session.id, SessionEvent.type.in_(_TOLD_TYPES)
                events = await db.scalars(select(SessionEvent).where(*acts))
                told = [_consent_event(row) for row in _since(started_utc_ms, list(consents))]
                told += [EventOrder(session.id, e.type, e.data, e.utc_ms) for e in events if e.utc_ms >= started_utc_ms]
            for event in sorted(told, key=lambda event: event.utc_ms):
                await self.media.event(event)
        self._unsure.discard(session.id)

    async def tell_record(self, events: list[EventOrder]) -> None:
        """Into the sealed record, too; they stand in the database whatever happens there."""
        for event in events:
            try:
                await self.media.event(event)
            except (MediaAway, MediaRefused) as error:
                log.info("event_not_in_record", session=event.room, type=event.type, reason=str(error))

    async def moderate(self, order: ModerateOrder) -> None:
        """One act in the running room. Raises MediaAway, MediaRefused `unknown_peer`, `not_knocking`."""
        await self.media.moderate(order)

    async def remove(self, session_id: str, peer_id: str) -> None:
        """Take an endpoint out of the room, as its sign-in has ended."""
        try:
            await self.media.remove(RemoveOrder(session_id, peer_id, "signed_out"))
        except (MediaAway, MediaRefused) as error:
            log.info("peer_not_removed", session=session_id, reason=str(error))


def _since(utc_ms: int, consents: list[Consent]) -> list[Consent]:
    """Those from then on, and each person's last one before."""
    before = {row.attendee_id: row for row in sorted(consents, key=lambda row: row.utc_ms) if row.utc_ms < utc_ms}
    return [*before.values(), *(row for row in consents if row.utc_ms >= utc_ms)]


def _consent_event(consent: Consent) -> EventOrder:
    by = {"kind": consent.by_kind, "id": consent.by_id, "name": consent.by_name}
    data = {"name": consent.name, "agreed": consent.agreed, "text_version": consent.text_version, "by": by}
    return EventOrder(consent.session_id, "consent", data, consent.utc_ms)


def _ordered(session: Session) -> tuple[str, int, int]:
    ended = session.state if session.state == SessionState.ENDED.value else ""
    return ended, session.recording_version, session.moderation_version
