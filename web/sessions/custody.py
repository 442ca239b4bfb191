# SPDX-License-Identifier: Apache-2.0
"""Sealed recordings in the store's custody: each gets its class, and the store is told its time and its holds.

The database decides, the store follows: a row that the store does not know yet is pending, and is told again until it
took it. Whether the store's locks hold was tried at the start; where they do not, the manifest is kept under its
digest as well.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

import structlog
from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError

from storage.database.engine import Database
from storage.database.models import Session, SessionKeeping, Tombstone, Transcript
from storage.layout import transcript_folder
from storage.objects import EncryptionFound, LockProbe, ObjectStore, StoreAway, StoreError, open_copy
from storage.objects.locking import find_out, keep_version, protect
from storage.second_store import copy_checked
from storage.settings import Settings
from web.casework.retention import Keeping, kept_until_utc_ms, wants_hold
from web.media.store import StoreDoor

log = structlog.get_logger(__name__)

LOOK_EVERY_S: Final = 20.0
AT_ONCE: Final = 50
"""Rows of one round; the next begins at once while there are more."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the store shall be told of one session."""

    session_id: str
    retention_class: str
    held: bool
    until_utc_ms: int | None
    hold_in_store: bool


class Custody:
    """Works in the background while the program runs."""

    def __init__(self, database: Database, store: StoreDoor, settings: Settings, now_ms: Callable[[], int]) -> None:
        self._database, self._store, self._settings, self._now_ms = database, store, settings, now_ms
        self._wake = asyncio.Event()
        self.state: Literal["off", "unknown", "known"] = "off" if settings.s3_lock == "off" else "unknown"
        self.probe: LockProbe | None = None
        """What the store did with a locked object; None before it could be asked, and with `s3_lock` off."""
        self.encryption: EncryptionFound | None = None
        """What the store did with an object that was to be encrypted; None before it could be asked, and without
        `s3_encryption`."""
        self.refused: set[str] = set()
        """Sessions whose objects the store would not lock or keep."""
        self._uncopied: set[str] | None = None
        """Sessions whose transcripts may not be in the second store; None: all, looked up in the first round."""

    def hurry(self) -> None:
        """Something was changed: tell the store now."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._wake.clear()
            more = False
            try:
                more = await self.work()
            except (StoreError, SQLAlchemyError, OSError) as error:
                log.info("custody_waits", reason=str(error))
            if not more:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), LOOK_EVERY_S)

    async def work(self) -> bool:
        """One round; True when there is more to do at once. Raises StoreError, SQLAlchemyError."""
        if self.encryption is None and self._settings.s3_encryption != "off":
            await self._find_out_encryption()
        if self.state == "unknown":
            await self._find_out()
        await self._adopt()
        wanted = await self._pending()
        for item in wanted:
            await self._tell(item)
        await self._copy()
        return len(wanted) == AT_ONCE and not self.refused

    async def _find_out_encryption(self) -> None:
        def probe(store: ObjectStore) -> EncryptionFound:
            store.ensure_bucket()
            return store.probe_encryption()

        self.encryption = await self._store.call(probe)
        log.info("store_encryption", found=self.encryption, wanted=self._settings.s3_encryption)

    async def _find_out(self) -> None:
        self.probe = await self._store.call(lambda store: find_out(store, self._settings))
        self.state = "known"
        assert self.probe is not None, "with s3_lock off nothing is asked"
        log.info("object_lock", enforced=self.probe.enforced, found=self.probe.found, mode=self._settings.s3_lock)
        if self.probe.enforced:  # what was sealed before the store could lock
            again = update(SessionKeeping).where(
                SessionKeeping.county == self._settings.county, SessionKeeping.lock_mode == ""
            )
            async with self._database.begin() as db:
                await db.execute(again.values(lock_pending=True))

    async def _adopt(self) -> None:
        """Every sealed recording has a class, from now on whatever the default becomes."""
        query = (
            select(Session.id)
            .outerjoin(SessionKeeping, SessionKeeping.session_id == Session.id)
            .where(Session.county == self._settings.county, Session.manifest_key.is_not(None))
            .where(SessionKeeping.session_id.is_(None))
        )
        async with self._database.read() as db:
            found = (await db.scalars(query.limit(1))).first()
        if found is None:
            return
        async with self._database.begin() as db:
            for session_id in await db.scalars(query):
                db.add(new_keeping(session_id, self._settings))

    async def _pending(self) -> list[Wanted]:
        query = (
            select(SessionKeeping, Session.ended_utc_ms)
            .join(Session, Session.id == SessionKeeping.session_id)
            .outerjoin(Tombstone, Tombstone.session_id == Session.id)
            .where(SessionKeeping.county == self._settings.county, SessionKeeping.lock_pending)
            .where(Session.manifest_key.is_not(None), Session.ended_utc_ms.is_not(None))
            .where(Tombstone.session_id.is_(None))
            .order_by(SessionKeeping.session_id)
            .limit(AT_ONCE)
        )
        async with self._database.read() as db:
            return [self._wanted(row, ended) for row, ended in await db.execute(query) if ended is not None]

    def _wanted(self, row: SessionKeeping, ended_utc_ms: int) -> Wanted:
        keeping = Keeping(row.retention_class, ended_utc_ms, row.held)
        until = kept_until_utc_ms(keeping, self._settings.retention_classes)
        over = until is not None and until <= self._now_ms()
        hold = wants_hold(keeping, self._settings.retention_classes)
        return Wanted(row.session_id, row.retention_class, row.held, None if over else until, hold)

    async def _tell(self, wanted: Wanted) -> None:
        """Raises StoreAway; what else goes wrong with one session stops no other."""
        county, mode = self._settings.county, self._settings.s3_lock
        locks = self.probe is not None and self.probe.enforced and mode != "off"
        try:
            if mode != "off" and locks:
                until, hold = wanted.until_utc_ms, wanted.hold_in_store
                await self._store.call(lambda store: protect(store, county, wanted.session_id, mode, until, held=hold))
            else:
                await self._store.call(lambda store: keep_version(store, county, wanted.session_id))
        except StoreAway:
            raise
        except StoreError as error:
            if wanted.session_id not in self.refused:
                log.error("custody_refused", session=wanted.session_id, reason=str(error))
            self.refused.add(wanted.session_id)
            return
        self.refused.discard(wanted.session_id)
        if self._uncopied is not None:
            self._uncopied.add(wanted.session_id)
        await self._note(wanted, locked=locks)

    async def _copy(self) -> None:
        """Transcripts to the second store: the recorder's own way there ended with the seal. Nothing waits for it."""
        if self._uncopied is None:
            query = select(Transcript.session_id).where(Transcript.county == self._settings.county)
            async with self._database.read() as db:
                self._uncopied = set(await db.scalars(query.where(Transcript.result_key.is_not(None))))
        for session_id in sorted(self._uncopied):
            try:
                await self._store.call(partial(self._copy_transcripts, session_id))
            except StoreAway as error:
                log.warning("transcripts_not_copied", waiting=len(self._uncopied), reason=str(error))
                return
            except StoreError as error:
                log.error("transcript_not_copied", session=session_id, reason=str(error))
                continue
            self._uncopied.discard(session_id)

    def _copy_transcripts(self, session_id: str, store: ObjectStore) -> None:
        """Raises StoreError."""
        copy = open_copy(self._settings)
        if copy is None:
            return
        copy.ensure_bucket()
        folder = transcript_folder(self._settings.county, session_id)
        there = {(item.key, item.bytes) for item in copy.list(folder)}
        for item in store.list(folder):
            if (item.key, item.bytes) not in there:
                copy_checked(store, copy, item.key, *store.stored_sha256(item.key))

    async def _note(self, wanted: Wanted, *, locked: bool) -> None:
        """What the store took; a row that was changed meanwhile stays pending."""
        async with self._database.begin() as db:
            row = await db.get(SessionKeeping, wanted.session_id, with_for_update=True)
            assert row is not None, "rows of this table are never deleted"
            row.lock_pending = (row.retention_class, row.held) != (wanted.retention_class, wanted.held)
            if not locked:
                return
            row.lock_mode, row.store_held = self._settings.s3_lock, wanted.hold_in_store
            if wanted.until_utc_ms is not None:
                row.locked_until_utc_ms = max(wanted.until_utc_ms, row.locked_until_utc_ms or 0)


def new_keeping(session_id: str, settings: Settings) -> SessionKeeping:
    """The row of a session that nobody said anything about."""
    return SessionKeeping(
        session_id=session_id,
        county=settings.county,
        retention_class=settings.retention_default,
        held=False,
        hold_reason="",
        hold_by_name="",
        lock_pending=True,
        lock_mode="",
        store_held=False,
    )
