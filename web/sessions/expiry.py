# SPDX-License-Identifier: Apache-2.0
"""Deleting recordings that reached their time: first the tombstone, then the objects, then the word that it is done.

The tombstone is written in the transaction that looks once more at time and hold; from then on no hold can be set.
So a kill at any moment leaves either nothing done, or a tombstone that says what the next run must finish.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy import ColumnElement, and_, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from storage.database.engine import Database
from storage.database.models import (
    Derivative,
    Session,
    SessionKeeping,
    Tombstone,
    Transcript,
    TranscriptLine,
)
from storage.layout import manifest_key, own_key_key, session_folder
from storage.objects import DigestMismatch, KeyMissing, ObjectMissing, ObjectStore, StoreRefused
from storage.objects.locking import MANIFEST_LIMIT_BYTES
from storage.settings import Settings
from web.casework.retention import DAY_MS, Keeping, is_due, kept_until_utc_ms
from web.sessions import copies
from web.sessions.audit import SYSTEM, note

log = structlog.get_logger(__name__)

_MOVING: Final = ("queued", "running")


@dataclass(frozen=True, slots=True)
class Due:
    """A recording that may go, or whose deletion was begun and not finished."""

    session_id: str
    title: str
    retention_class: str
    ended_utc_ms: int
    due_utc_ms: int
    begun: bool


@dataclass(frozen=True, slots=True)
class _Content:
    """What the store holds of a session."""

    objects: int
    bytes: int
    manifest_sha256: str


class StillKept(Exception):
    """It may not be deleted now. The text is one sentence."""


class Expiry:
    """Finds what is due and deletes it. `stores`: the original first, then the second copy where there is one."""

    def __init__(
        self, database: Database, stores: Sequence[ObjectStore], settings: Settings, now_ms: Callable[[], int]
    ) -> None:
        self._database, self._stores, self._settings, self._now_ms = database, stores, settings, now_ms

    async def due(self) -> list[Due]:
        """What is begun, and what may go now; the oldest first. Changes nothing."""
        async with self._database.read() as db:
            return [*await self._begun(db), *await self._over(db)]

    async def _begun(self, db: AsyncSession) -> list[Due]:
        query = select(Tombstone, Session).join(Session, Session.id == Tombstone.session_id)
        mine = query.where(Tombstone.county == self._settings.county, Tombstone.done_utc_ms.is_(None))
        return [
            Due(row.id, row.title, stone.retention_class, row.ended_utc_ms or 0, stone.due_utc_ms, begun=True)
            for stone, row in await db.execute(mine.order_by(Tombstone.session_id))
        ]

    async def _over(self, db: AsyncSession) -> list[Due]:
        now_ms, classes = self._now_ms(), self._settings.retention_classes
        ages = [
            and_(SessionKeeping.retention_class == name, Session.ended_utc_ms <= now_ms - days * DAY_MS)
            for name, days in classes.items()
            if isinstance(days, int)
        ]
        query = (
            select(SessionKeeping, Session)
            .join(Session, Session.id == SessionKeeping.session_id)
            .outerjoin(Tombstone, Tombstone.session_id == Session.id)
            .where(SessionKeeping.county == self._settings.county, SessionKeeping.held.is_(False), or_(*ages))
            .where(Session.manifest_key.is_not(None), Tombstone.session_id.is_(None), ~_being_written())
            .order_by(Session.id)
        )
        found = []
        for row, session in await db.execute(query) if ages else ():
            keeping = _keeping(row, session)
            until = kept_until_utc_ms(keeping, classes)
            if until is not None and is_due(keeping, classes, now_ms):
                ended = session.ended_utc_ms or 0
                found.append(Due(session.id, session.title, row.retention_class, ended, until, begun=False))
        return found

    async def delete(self, item: Due) -> Tombstone:
        """Delete one recording everywhere, or finish it. Raises StillKept, StoreError."""
        if not item.begun:
            await asyncio.to_thread(self._check_locks, item.session_id)
            content = await asyncio.to_thread(self._content, item.session_id)
            await self._begin(item.session_id, content)
        await asyncio.to_thread(self._delete_objects, item.session_id)
        return await self._finish(item.session_id)

    def _check_locks(self, session_id: str) -> None:
        """A lock that only the store knows of must be found before the first object is gone. Raises StillKept."""
        key = manifest_key(self._settings.county, session_id)
        for store in self._stores:
            try:
                lock = store.lock_of(key)
            except (ObjectMissing, StoreRefused):
                continue  # the deletion itself will say what the store thinks
            if lock.held or lock.until_utc_ms > self._now_ms():
                raise StillKept("The store itself still locks this recording; it stays.")

    def _content(self, session_id: str) -> _Content:
        original, county = self._stores[0], self._settings.county
        sizes = [item.bytes for item in original.list(session_folder(county, session_id))]
        try:
            data = original.read_bytes(manifest_key(county, session_id), MANIFEST_LIMIT_BYTES)
        except ObjectMissing:
            return _Content(len(sizes), sum(sizes), "")
        except (KeyMissing, DigestMismatch) as fault:  # what nobody can open must go at its time, too
            log.warning("expiry_of_what_cannot_be_opened", session=session_id, reason=str(fault))
            return _Content(len(sizes), sum(sizes), "")
        return _Content(len(sizes), sum(sizes), hashlib.sha256(data).hexdigest())

    async def _begin(self, session_id: str, content: _Content) -> None:
        now_ms, classes = self._now_ms(), self._settings.retention_classes
        async with self._database.begin() as db:
            await db.execute(select(Session.id).where(Session.id == session_id).with_for_update())
            session, row = await db.get(Session, session_id), await db.get(SessionKeeping, session_id)
            if session is None or row is None or session.manifest_key is None:
                raise StillKept("The session is not sealed any more.")
            keeping = _keeping(row, session)
            until = kept_until_utc_ms(keeping, classes)
            busy = await db.scalar(select(Session.id).where(Session.id == session_id, _being_written()))
            if until is None or busy is not None or not is_due(keeping, classes, now_ms):
                raise StillKept("Its class, its hold or its transcription was changed meanwhile; it stays.")
            facts = {"objects": content.objects, "bytes": content.bytes, "manifest_sha256": content.manifest_sha256}
            db.add(
                Tombstone(
                    session_id=session_id,
                    county=session.county,
                    retention_class=row.retention_class,
                    due_utc_ms=until,
                    begun_utc_ms=now_ms,
                    manifest_key=session.manifest_key,
                    **facts,
                )
            )
            data = {"retention_class": row.retention_class, "due_utc_ms": until, **facts}
            note(db, session.county, SYSTEM, "session.expire", session_id, now_ms, data)
        log.info("expiry_begun", session=session_id, **data)

    def _delete_objects(self, session_id: str) -> None:
        """The manifest goes last: as long as anything is left, it says what there was; after it only the key that opens
        it. Raises StoreError."""
        county = self._settings.county
        last = (manifest_key(county, session_id), own_key_key(county, session_id))
        for store in self._stores:
            keys = [item.key for item in store.list(session_folder(county, session_id))]
            for key in sorted(keys, key=lambda key: (last.index(key) if key in last else -1, key)):
                store.delete(key)

    async def _finish(self, session_id: str) -> Tombstone:
        now_ms = self._now_ms()
        async with self._database.begin() as db:
            stone = await db.get(Tombstone, session_id, with_for_update=True)
            assert stone is not None, "it was begun"
            await _forget_content(db, session_id)
            await copies.end_all(db, session_id, now_ms)
            stone.done_utc_ms = now_ms
            data = {"objects": stone.objects, "bytes": stone.bytes, "manifest_sha256": stone.manifest_sha256}
            note(db, stone.county, SYSTEM, "session.expired", session_id, now_ms, data)
        log.info("expiry_done", session=session_id, **data)
        return stone


async def _forget_content(db: AsyncSession, session_id: str) -> None:
    """What the rows say of the content, or where objects lay that are gone. That they were there stays known."""
    mine = select(Transcript.id).where(Transcript.session_id == session_id)
    await db.execute(delete(TranscriptLine).where(TranscriptLine.transcript_id.in_(mine)))
    # The options hold the words that were given to the engine to expect: names of people.
    transcripts = update(Transcript).where(Transcript.session_id == session_id)
    await db.execute(transcripts.values(result_key=None, options=None))
    made = update(Derivative).where(Derivative.session_id == session_id)
    await db.execute(made.values(result_key=None, bytes=None, sha256=None, options={}, state="cancelled"))


def _keeping(row: SessionKeeping, session: Session) -> Keeping:
    assert session.ended_utc_ms is not None, "a sealed session has ended"
    return Keeping(row.retention_class, session.ended_utc_ms, row.held, row.locked_until_utc_ms)


def _being_written() -> ColumnElement[bool]:
    """A transcription reads the recording."""
    return select(Transcript.id).where(Transcript.session_id == Session.id, Transcript.state.in_(_MOVING)).exists()
