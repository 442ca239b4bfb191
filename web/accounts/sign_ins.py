# SPDX-License-Identifier: Apache-2.0
"""Sign-ins: a random token in the browser's cookie, its hash in the database. Nothing here reads a clock."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, and_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from storage.database.models import Account, Place, RoomSet, SignIn

SEEN_EVERY_MS: Final = 15_000
"""A sign-in's last request is written at most this often."""
SET_LIFE_MS: Final = 30 * 24 * 3_600_000
"""A set stays signed in this long after it was last seen."""
SET_BUSY_MS: Final = 60_000
"""A set that was seen less than this ago is in use: another browser cannot take its place."""
_LONGEST_TOKEN = 128


class SetInUse(Exception):
    """The set is signed in elsewhere and was seen just now."""

    def __init__(self, since_utc_ms: int, seen_utc_ms: int) -> None:
        super().__init__(since_utc_ms, seen_utc_ms)
        self.since_utc_ms: Final = since_utc_ms
        self.seen_utc_ms: Final = seen_utc_ms


@dataclass(frozen=True, slots=True)
class Found:
    """A live sign-in and whose it is."""

    sign_in: SignIn
    account: Account | None
    room_set: RoomSet | None
    place: Place | None


@dataclass(frozen=True, slots=True)
class Browser:
    """Where a request comes from, as far as it is kept."""

    address: str
    user_agent: str


def token_hash(token: str) -> str:
    """What the database keeps of a token. Tokens are 256 random bits, so a plain digest is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


def live(now_ms: int) -> ColumnElement[bool]:
    """Condition: the sign-in has neither ended nor run out."""
    return and_(SignIn.ended_utc_ms.is_(None), SignIn.expires_utc_ms > now_ms)


async def find(db: AsyncSession, token: str, now_ms: int) -> Found | None:
    """The live sign-in of a cookie's token whose account or set is active."""
    if not token or len(token) > _LONGEST_TOKEN:
        return None
    sign_in = await db.scalar(select(SignIn).where(SignIn.token_hash == token_hash(token), live(now_ms)))
    if sign_in is None:
        return None
    if sign_in.kind == "set":
        room_set = await db.get(RoomSet, sign_in.subject_id)
        if room_set is None or not room_set.active:
            return None
        return Found(sign_in, None, room_set, await db.get(Place, room_set.place_id))
    account = await db.get(Account, sign_in.subject_id)
    if account is None or not account.active:
        return None
    place = await db.get(Place, account.place_id) if account.place_id else None
    return Found(sign_in, account, None, place)


async def touch(db: AsyncSession, sign_in: SignIn, now_ms: int) -> None:
    """Note that the browser was seen; a set's time runs anew."""
    values = {"seen_utc_ms": now_ms}
    if sign_in.kind == "set":
        values["expires_utc_ms"] = now_ms + SET_LIFE_MS
    await db.execute(update(SignIn).where(SignIn.token_hash == sign_in.token_hash, live(now_ms)).values(**values))


async def open_for_account(db: AsyncSession, account: Account, browser: Browser, now_ms: int, life_ms: int) -> str:
    """Sign an account in; returns the token for the cookie."""
    account.last_sign_in_utc_ms = now_ms
    return _open(db, account.county, "account", account.id, browser, now_ms, life_ms)


async def open_for_set(db: AsyncSession, room_set: RoomSet, browser: Browser, now_ms: int, own_token: str) -> str:
    """Sign a set in and end its sign-in elsewhere; returns the token for the cookie.

    `own_token` is what this browser's cookie holds now: coming again from the same browser is never "in use".
    Raises SetInUse when another browser of the set was seen less than SET_BUSY_MS ago.
    """
    # The row is locked so that two browsers cannot both find the place free (SQLite locks the whole file).
    await db.execute(select(RoomSet.id).where(RoomSet.id == room_set.id).with_for_update())
    others = (await db.scalars(select(SignIn).where(_of("set", room_set.id), live(now_ms)))).all()
    for other in others:
        if other.token_hash != token_hash(own_token) and now_ms - other.seen_utc_ms < SET_BUSY_MS:
            raise SetInUse(other.created_utc_ms, other.seen_utc_ms)
    await end_all(db, "set", room_set.id, "replaced", now_ms)
    return _open(db, room_set.county, "set", room_set.id, browser, now_ms, SET_LIFE_MS)


def _open(
    db: AsyncSession, county: str, kind: str, subject_id: str, browser: Browser, now_ms: int, life_ms: int
) -> str:
    token = secrets.token_urlsafe(32)
    db.add(
        SignIn(
            token_hash=token_hash(token),
            county=county,
            kind=kind,
            subject_id=subject_id,
            created_utc_ms=now_ms,
            expires_utc_ms=now_ms + life_ms,
            seen_utc_ms=now_ms,
            ended_utc_ms=None,
            user_agent=browser.user_agent[:200],
            address=browser.address,
        )
    )
    return token


async def end_one(db: AsyncSession, hashed: str, reason: str, now_ms: int) -> list[str]:
    """End one sign-in by its hash; returns the hashes that ended."""
    return await _end(db, SignIn.token_hash == hashed, reason, now_ms)


async def end_all(db: AsyncSession, kind: str, subject_id: str, reason: str, now_ms: int, keep: str = "") -> list[str]:
    """End all sign-ins of an account or set but the one with the hash `keep`; returns the hashes that ended."""
    return await _end(db, and_(_of(kind, subject_id), SignIn.token_hash != keep), reason, now_ms)


async def live_of(db: AsyncSession, kind: str, subject_id: str, now_ms: int) -> list[str]:
    """Hashes of the live sign-ins of an account or set."""
    return await _hashes(db, _of(kind, subject_id), now_ms)


async def _hashes(db: AsyncSession, which: ColumnElement[bool], now_ms: int) -> list[str]:
    return list((await db.scalars(select(SignIn.token_hash).where(which, live(now_ms)))).all())


async def _end(db: AsyncSession, which: ColumnElement[bool], reason: str, now_ms: int) -> list[str]:
    hashes = await _hashes(db, which, now_ms)
    if hashes:
        ended = update(SignIn).where(SignIn.token_hash.in_(hashes))
        await db.execute(ended.values(ended_utc_ms=now_ms, end_reason=reason))
    return hashes


def _of(kind: str, subject_id: str) -> ColumnElement[bool]:
    return and_(SignIn.kind == kind, SignIn.subject_id == subject_id)
