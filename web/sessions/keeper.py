# SPDX-License-Identifier: Apache-2.0
"""Keeps sessions in step with what really happens: who is in the room, what became of the recording, what time does.

Nothing here is remembered that could not be found again: after a restart the mediaserver's snapshot, the recorder's
answer and the database say everything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import structlog
from sqlalchemy import or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from storage.access import CloseOrder
from storage.database.models import Participant, Session, Transcript
from storage.ids import new_id
from web.casework.breaks import CONSENT_MISSING
from web.casework.doors import WATCHER
from web.casework.refusal import Refused
from web.casework.sessions import (
    EMPTY_GRACE_MS,
    LOST_GRACE_MS,
    OPEN_FOR_MS,
    SessionState,
    SessionStep,
    ends_by_itself,
    next_session_state,
    was_never_entered,
)
from web.media.mediaserver_link import MediaAway, MediaRefused
from web.media.pool import ThisNode
from web.media.recorder_link import Answer, Entry, RecorderAway
from web.media.recorder_pool import RecorderPool
from web.sessions.alarms import Alarms
from web.sessions.audit import SYSTEM
from web.sessions.cameras import KIND as CAMERA
from web.sessions.cameras import Cameras
from web.sessions.caucus import CaucusDesk
from web.sessions.delivery import Delivery, Step
from web.sessions.desk import Desk

log = structlog.get_logger(__name__)

TICK_S: Final = 1.0
ORDERS_AT_ONCE: Final = 16
MOVED_GRACE_MS: Final = 15_000
"""Pages come back within 10 s; who has not after this is not there any more."""
FORGOTTEN_AFTER_MS: Final = 7 * 24 * 3_600_000
"""A recording that ended so long ago and was never heard of is not ordered to stop any more."""
SAME_NEWS_MS: Final = 2_000
"""A hand that goes up and down all the time fills no database: once in this time is kept."""
_SAID_BY_THEMSELVES: Final = frozenset({"hand_raised", "hand_lowered", "unmuted", "knocked"})
_RECORDER_STILL_OPEN: Final = ("recording", "paused")
_NOT_NEWS: Final = frozenset({"last_packet_utc_ms", "packets", "lost", "bytes"})
"""Figures of a track that change all the time; by themselves they are no reason to write a row."""


class Keeper:
    """Hears the mediaserver and the recorder and looks at the clock."""

    def __init__(
        self,
        delivery: Delivery,
        desk: Desk,
        cameras: Cameras,
        recorder: RecorderPool,
        alarms: Alarms,
        county: str,
    ) -> None:
        self._delivery, self._desk, self._recorder, self._county = delivery, desk, recorder, county
        self._cameras, self._alarms = cameras, alarms
        self._caucus = CaucusDesk(delivery)
        self._lost: set[str] = set()
        """Sessions whose people were lost with the mediaserver and have longer to come back."""
        self._moved: dict[str, int] = {}
        """Sessions whose room moved, and when everybody must have come along."""
        self._transcripts: dict[str, tuple[object, ...]] = {}

    # The mediaserver

    async def on_snapshot(self, boot_id: str, rooms: list[dict[str, Any]], here: ThisNode) -> None:
        """Every open session of this process gets its room again, at once; then presence is set right.

        Raises MediaAway.
        """
        there = {str(room["room"]): [str(peer["peer_id"]) for peer in room["peers"]] for room in rooms}
        now_ms = self._delivery.now_ms()
        async with self._delivery.database.read() as db:
            mine = Session.county == self._county
            under_way = [s for s in await db.scalars(select(Session).where(mine, _under_way(now_ms))) if here.has(s.id)]
            unfinished = [
                s for s in await db.scalars(select(Session).where(mine, _unfinished(now_ms))) if here.has(s.id)
            ]
        # People wait in live sessions; those that ended can follow.
        live = [s.id for s in under_way if s.state == SessionState.LIVE.value]
        waiting = [s.id for s in under_way if s.state != SessionState.LIVE.value]
        ended = [s.id for s in unfinished if s.report is None or s.report["state"] in _RECORDER_STILL_OPEN]
        for group in (live, waiting, ended):
            self._delivery.unsure(group)
            await self._deliver_all(group)
        for room in there.keys() - {s.id for s in under_way} - set(ended):
            if here.has(room):
                await here.close_room(CloseOrder(room, ""))
        for session in under_way:
            await self._set_presence(session.id, there.get(session.id, []), now_ms)
        await self._cameras.on_snapshot(rooms, [session.id for session in under_way])
        for told in rooms:
            await self._alarms.heard(str(told["room"]), told.get("troubles", ()))
        await self._alarms.only(there.keys(), here.has)

    async def move(self, room: str) -> None:
        """Its process drains, or is lost: the room gets a new place, and its state there."""
        await self._delivery.deliver(room)
        await self._cameras.moved(room)
        await self._alarms.heard(room, ())  # the new place looks for itself

    async def _deliver_all(self, ids: Sequence[str]) -> None:
        for start in range(0, len(ids), ORDERS_AT_ONCE):
            await asyncio.gather(*map(self._delivery.deliver, ids[start : start + ORDERS_AT_ONCE]))

    async def _set_presence(self, session_id: str, peers: Sequence[str], now_ms: int) -> None:
        async with self._delivery.database.read() as db:
            query = select(Participant.id).where(Participant.session_id == session_id, Participant.present)
            present = set(await db.scalars(query))
        if gone := present - set(peers):
            self._lost.add(session_id)
            await self.went_out(session_id, list(gone), now_ms)
        if came := set(peers) - present:
            await self.came_in(session_id, list(came), now_ms)

    async def on_event(self, event: dict[str, Any]) -> None:
        """One event of the mediaserver. One that makes no sense any more (a session that is gone) is let go."""
        room, kind = str(event.get("room", "")), event["type"]
        try:
            if kind in ("peer_joined", "peer_resumed"):
                self._lost.discard(room)
                await self.came_in(room, [str(event["peer_id"])], int(event["utc_ms"]))
            elif kind == "moderation" and event["action"] in _SAID_BY_THEMSELVES:
                await self._said(room, event)
            elif kind == "peer_left":
                await self.went_out(room, [str(event["peer_id"])], int(event["utc_ms"]))
            elif kind == "camera_state":
                await self._cameras.heard(event)
            elif kind == "troubles":
                await self._alarms.heard(room, event["troubles"])
        except Refused as refused:
            log.warning("event_for_no_session", room=room, type=kind, code=refused.code)

    async def came_in(self, session_id: str, peer_ids: Sequence[str], utc_ms: int) -> None:
        """These endpoints are in the room. Whoever came without having agreed pauses a running recording."""
        async with self._delivery.step(session_id, None) as step:
            rows, session = step.rows, step.rows.session
            if session.state == SessionState.ENDED.value:
                return
            for participant in rows.participants:
                if participant.id in peer_ids and not participant.present:
                    participant.present, participant.left_utc_ms = True, None
                    participant.joined_utc_ms = participant.joined_utc_ms or utc_ms
                    step.happened("peer_joined", _peer(participant), utc_ms)
            if set(peer_ids) <= {p.id for p in rows.participants if p.kind in (CAMERA, WATCHER)}:
                return  # neither a camera nor who only watches begins a session or keeps it open
            session.state = next_session_state(SessionState(session.state), SessionStep.SOMEBODY_JOINED).value
            if session.started_utc_ms is None:
                session.started_utc_ms = utc_ms
                step.outbox.put(step.db, "session.started", session, {}, utc_ms)
            session.last_left_utc_ms = None
            step.pause_if_needed(SYSTEM, CONSENT_MISSING)
        await self._cameras.deliver(session_id)

    async def went_out(self, session_id: str, peer_ids: Sequence[str], utc_ms: int) -> None:
        """These endpoints are not in the room any more."""
        async with self._delivery.step(session_id, None) as step:
            rows = step.rows
            for participant in rows.participants:
                if participant.id in peer_ids and participant.present:
                    participant.present, participant.left_utc_ms = False, utc_ms
                    step.happened("peer_left", _peer(participant), utc_ms)
            empty = not any(p.present for p in rows.participants if p.kind not in (CAMERA, WATCHER))
            if empty and rows.session.last_left_utc_ms is None:
                rows.session.last_left_utc_ms = utc_ms
        await self._cameras.deliver(session_id)

    async def _said(self, session_id: str, event: dict[str, Any]) -> None:
        """A hand, a microphone switched on again, a knock: what people did in the room themselves."""
        action, peer_id, utc_ms = str(event["action"]), str(event["peer_id"]), int(event["utc_ms"])
        async with self._delivery.step(session_id, None) as step:
            earlier = (e for e in reversed(step.rows.events) if e.type == action and e.data.get("peer_id") == peer_id)
            last = next(earlier, None)
            if last is not None and utc_ms - last.utc_ms < SAME_NEWS_MS:
                return
            data: dict[str, Any] = {name: event[name] for name in ("peer_id", "name", "source") if name in event}
            step.happened(action, data, utc_ms)

    # Time

    async def run(self) -> None:
        """Look at the clock until cancelled."""
        while True:
            try:
                await self.tick()
            except SQLAlchemyError as error:
                log.warning("database_away", error=type(error).__name__)
            except Exception:
                log.exception("tick_failed")
            await asyncio.sleep(TICK_S)

    async def tick(self) -> None:
        """End what stands empty, repeat orders that did not arrive, notice transcripts that moved."""
        if self._delivery.media.up:
            await self._deliver_all(list(self._delivery.undelivered))
            await self._cameras.deliver_again()
            await self._look_after_moved()
            await self._end_caucuses()
            await self._end_empty()
        await self._look_at_transcripts()
        await self.look_at_alarms()

    async def look_at_alarms(self) -> None:
        """Whatever began or ended is told outside, and to the pages of what is recorded; again soon where it fails."""
        try:
            if await self._alarms.look():
                await self._tell_open_records()
        except SQLAlchemyError as error:
            log.warning("database_away", error=type(error).__name__)

    async def _look_after_moved(self) -> None:
        """Nobody leaves when a room moves, so whoever does not come along must be missed in time."""
        media, now_ms = self._delivery.media, self._delivery.now_ms()
        while media.registry.moved:
            self._moved[media.registry.moved.pop()] = now_ms + MOVED_GRACE_MS
        for room in [room for room, due_ms in self._moved.items() if now_ms >= due_ms]:
            del self._moved[room]
            try:
                peers = [str(peer["peer_id"]) for peer in (await media.room(room))["peers"]]
                await self._set_presence(room, peers, now_ms)
            except (MediaAway, MediaRefused, Refused) as error:
                # A process that is away tells who is there when it is back; a room that is gone has ended.
                log.info("moved_room_not_seen", room=room, reason=str(error))

    async def _end_caucuses(self) -> None:
        for session_id in await self._caucus.over(self._lost):
            await self._desk.end(None, SYSTEM, session_id, "everybody_left")
            self._lost.discard(session_id)

    async def _end_empty(self) -> None:
        now_ms = self._delivery.now_ms()
        async with self._delivery.database.read() as db:
            states = (SessionState.OPEN.value, SessionState.LIVE.value)
            query = select(Session).where(Session.county == self._county, Session.state.in_(states))
            query = query.where(Session.caucus_id.is_(None))  # its people are in the private talk and come back
            sessions = list(await db.scalars(query.where(_may_be_over(now_ms))))
        for session in sessions:
            state = SessionState(session.state)
            grace_ms = LOST_GRACE_MS if session.id in self._lost else EMPTY_GRACE_MS
            # An empty session has a time at which the last one left; see `went_out` and `came_in`.
            if ends_by_itself(state, 0, session.last_left_utc_ms, now_ms, grace_ms):
                await self._desk.end(None, SYSTEM, session.id, "everybody_left")
            elif was_never_entered(state, session.created_utc_ms, now_ms):
                await self._desk.end(None, SYSTEM, session.id, "nobody_came")
            else:
                continue
            self._lost.discard(session.id)

    async def _look_at_transcripts(self) -> None:
        """The worker writes its progress into the database; the pages hear of it from here."""
        async with self._delivery.database.read() as db:
            moving = Transcript.state.in_(("queued", "running"))
            known = Transcript.id.in_(list(self._transcripts))
            rows = list(await db.scalars(select(Transcript).where(or_(moving, known))))
        seen: dict[str, tuple[object, ...]] = {}
        for row in rows:
            state = (row.state, row.progress, row.step, row.error_code, row.model)
            if self._transcripts.get(row.id) != state:
                self._delivery.changed(row.session_id)
                if row.state in ("done", "failed"):
                    await self._tell_transcript(row)
            if row.state in ("queued", "running"):
                seen[row.id] = state
        self._transcripts = seen

    async def _tell_transcript(self, row: Transcript) -> None:
        """Outside: a transcript can be read, or will not come by itself."""
        async with self._delivery.database.begin() as db:
            session = await db.get(Session, row.session_id)
            data = {"transcript_id": row.id, "error_code": row.error_code}
            self._delivery.outbox.put(db, f"transcript.{row.state}", session, data, self._delivery.now_ms())

    async def _tell_open_records(self) -> None:
        async with self._delivery.database.read() as db:
            open_record = Session.manifest_key.is_(None) & Session.recording_started_utc_ms.is_not(None)
            ids = list(await db.scalars(select(Session.id).where(Session.county == self._county, open_record)))
        for session_id in ids:
            self._delivery.changed(session_id)

    # The recorder

    async def on_answer(self, answer: Answer | None) -> bool:
        """Note what the recorder says; True while there is something to watch."""
        await self.look_at_alarms()
        if answer is None:
            return True
        async with self._delivery.database.read() as db:
            ids = [entry.session_id for entry in answer.entries]
            query = select(Session).where(Session.county == self._county, Session.id.in_(ids))
            known = {row.id: row for row in await db.scalars(query)}
            recorded = Session.recording.in_(("on", "paused")) | _unfinished(self._delivery.now_ms())
            busy = await db.scalar(select(Session.id).where(Session.county == self._county, recorded).limit(1))
        news = [entry for entry in answer.entries if self._is_news(known.get(entry.session_id), entry)]
        await self._note_progress([entry for entry in news if not _is_turn(known[entry.session_id], entry)])
        for entry in news:
            if _is_turn(known[entry.session_id], entry):
                await self._note_turn(entry)
                if entry.report.state == "sealed":
                    await self._delivery.media.forget(entry.session_id)
        for entry in answer.entries:
            if entry.session_id in known and entry.report.state == "sealed" and entry.report.manifest_key:
                await self._forget(entry)
        return busy is not None

    def _is_news(self, session: Session | None, entry: Entry) -> bool:
        """A session that is not here is another installation's or of a database from before: the recorder keeps it."""
        if session is None or session.manifest_key is not None:
            return False
        return session.report is None or is_news(session.report, entry.raw)

    async def _note_progress(self, entries: Sequence[Entry]) -> None:
        """All at once: while a day's sessions are recorded this happens every second."""
        if not entries:
            return
        now_ms = self._delivery.now_ms()
        async with self._delivery.database.begin() as db:
            for entry in entries:
                values = {"report": entry.raw, "report_utc_ms": now_ms}
                open_still = Session.manifest_key.is_(None)
                await db.execute(update(Session).where(Session.id == entry.session_id, open_still).values(**values))
        for entry in entries:
            self._delivery.changed(entry.session_id)

    async def _note_turn(self, entry: Entry) -> None:
        """The recording failed, or is sealed: from now on it can be played, and the worker may begin."""
        async with self._delivery.step(entry.session_id, None) as step:
            session, report = step.rows.session, entry.report
            before = (session.report or {}).get("state")
            session.report, session.report_utc_ms = entry.raw, step.now_ms
            if report.state == "error" and before != "error":
                step.happened("recording_error", {"error": str(entry.raw.get("error", ""))})
            if report.state != "sealed" or not report.manifest_key or session.manifest_key is not None:
                return
            session.manifest_key, session.complete = report.manifest_key, report.complete
            session.duration_ms = entry.duration_ms
            step.happened("recording_sealed", {"complete": report.complete})
            if report.has_audio and step.rows.transcript is None:
                step.db.add(queued_transcript(step, session.language))

    async def _forget(self, entry: Entry) -> None:
        try:
            await self._recorder.forget(entry.session_id)
        except RecorderAway as error:
            log.info("recorder_not_told", session=entry.session_id, reason=str(error))


def _is_turn(session: Session, entry: Entry) -> bool:
    """True when the report says more than progress."""
    failed = entry.report.state == "error" and (session.report or {}).get("state") != "error"
    return failed or entry.report.state == "sealed"


def queued_transcript(step: Step, language: str) -> Transcript:
    """A new transcription of the step's session, waiting for a worker."""
    session = step.rows.session
    return Transcript(
        id=new_id(),
        county=session.county,
        session_id=session.id,
        state="queued",
        progress=0.0,
        step="",
        language=language,
        created_utc_ms=step.now_ms,
    )


def is_news(before: dict[str, Any], now: dict[str, Any]) -> bool:
    """True when something changed that the pages show."""
    return _shown(before) != _shown(now)


def _shown(report: dict[str, Any]) -> dict[str, Any]:
    tracks = [{name: v for name, v in track.items() if name not in _NOT_NEWS} for track in report["tracks"]]
    return {**report, "tracks": tracks}


def _under_way(now_ms: int) -> Any:
    return or_(
        Session.state == SessionState.LIVE.value,
        (Session.state == SessionState.OPEN.value) & (Session.created_utc_ms > now_ms - OPEN_FOR_MS),
    )


def _may_be_over(now_ms: int) -> Any:
    return or_(Session.last_left_utc_ms.is_not(None), Session.created_utc_ms <= now_ms - OPEN_FOR_MS)


def _unfinished(now_ms: int) -> Any:
    """Ended with a recording that is not sealed."""
    return (
        (Session.state == SessionState.ENDED.value)
        & Session.recording_started_utc_ms.is_not(None)
        & Session.manifest_key.is_(None)
        & (Session.ended_utc_ms > now_ms - FORGOTTEN_AFTER_MS)
    )


def _peer(participant: Participant) -> dict[str, str]:
    return {"peer_id": participant.id, "name": participant.name, "place": participant.place_name}
