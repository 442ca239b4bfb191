# SPDX-License-Identifier: Apache-2.0
"""Signing in and out, who I am, my password and language."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from aiohttp import hdrs, web
from aiohttp_pydantic.oas.typing import r200
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from storage.database.models import Account, Place, RoomSet
from web.accounts import audit, sign_ins
from web.accounts.attempts import Attempts, TooManyAttempts
from web.accounts.passwords import Passwords, check_rules
from web.api.core import (
    EVERYONE,
    ROLES,
    SIGN_IN_ENDED,
    SIGNED_IN,
    ApiFault,
    ApiView,
    Body,
    Caller,
    answer,
)
from web.api.middleware import COOKIE, drop_cookie, set_cookie
from web.api.shapes import Language, Me, Nothing, Secret, place_ref
from web.version import version

PASSWORDS: Final = web.AppKey("passwords", Passwords)
ATTEMPTS: Final = web.AppKey("attempts", Attempts)
_HOUR_MS = 3_600_000


class SignInBody(Body):
    """User name and password."""

    username: str
    password: Secret


class PasswordBody(Body):
    """The password until now and the new one."""

    current: Secret
    new: Secret


class LanguageBody(Body):
    """Language of pages and sentences."""

    language: Language


class SignInView(ApiView):
    """Signing in."""

    ACCESS = {"POST": EVERYONE}
    BEFORE_PASSWORD = True

    async def post(self, body: SignInBody) -> r200[Me]:
        """Sign in with user name and password: bad_credentials, too_many_attempts."""
        username, address = body.username.lower()[:100], self.caller.address
        attempts = self.request.app[ATTEMPTS]
        await check_attempts(attempts, username, address)
        async with self.database.read() as db:
            account = await _account_named(db, self.settings.county, username)
        right = await self.request.app[PASSWORDS].matches(body.password, account.password_hash if account else None)
        if account is None or not right or not account.active:
            await attempts.failed(username, address)
            await self._note_refusal(account)
            raise ApiFault(401, "bad_credentials")
        return await self._sign_in(account)

    async def _sign_in(self, known: Account) -> web.Response:
        now_ms = self.now_ms()
        life_ms = self.settings.session_hours * _HOUR_MS
        async with self.database.begin() as db:
            account = await db.get(Account, known.id)
            # The row is read again: it may have been changed while the password was checked.
            if account is None or not account.active or account.password_hash != known.password_hash:
                raise ApiFault(401, "bad_credentials")
            ended = await sign_ins.end_one(db, self.caller.sign_in, "signed_out", now_ms)
            token = await sign_ins.open_for_account(db, account, browser_of(self.request), now_ms, life_ms)
            caller = caller_for(self.caller, account)
            audit.note(db, caller, "sign_in.account", account.id, now_ms)
            me = await describe_account(db, account, caller.language, now_ms)
        tell_ended(self.request.app, ended)
        response = answer(me)
        set_cookie(response, token, life_ms)
        return response

    async def _note_refusal(self, account: Account | None) -> None:
        # The typed name is not kept: people type their password into the wrong field.
        async with self.database.begin() as db:
            audit.note(db, self.caller, "sign_in.refused", account.id if account else "", self.now_ms())


class SignOutView(ApiView):
    """Signing out."""

    ACCESS = {"POST": EVERYONE}
    BEFORE_PASSWORD = True

    async def post(self) -> r200[Nothing]:
        """End this browser's sign-in; without one nothing happens."""
        caller = self.caller
        if caller.kind != "anonymous":
            async with self.database.begin() as db:
                ended = await sign_ins.end_one(db, caller.sign_in, "signed_out", self.now_ms())
                audit.note(db, caller, "sign_out", caller.id, self.now_ms())
            tell_ended(self.request.app, ended)
        response = answer({})
        drop_cookie(response)
        return response


class MeView(ApiView):
    """Who I am."""

    ACCESS = {"GET": SIGNED_IN}
    BEFORE_PASSWORD = True

    async def get(self) -> r200[Me]:
        """Who is signed in: sign_in_required."""
        async with self.database.read() as db:
            return answer(await describe_caller(db, self.caller, self.now_ms()))


class PasswordView(ApiView):
    """My password."""

    ACCESS = {"POST": frozenset(ROLES)}
    BEFORE_PASSWORD = True

    async def post(self, body: PasswordBody) -> r200[Me]:
        """Change it; other browsers are signed out: bad_credentials, password_too_short, password_not_new."""
        caller, passwords = self.caller, self.request.app[PASSWORDS]
        async with self.database.read() as db:
            account = await db.get_one(Account, caller.id)
        attempts = self.request.app[ATTEMPTS]
        await check_attempts(attempts, account.username, caller.address)
        if not await passwords.matches(body.current, account.password_hash):
            await attempts.failed(account.username, caller.address)
            raise ApiFault(401, "bad_credentials")
        check_rules(body.new, account.username)
        if await passwords.matches(body.new, account.password_hash):
            raise ApiFault(409, "password_not_new")
        hashed, now_ms = await passwords.hash(body.new), self.now_ms()
        async with self.database.begin() as db:
            account = await db.get_one(Account, caller.id)
            account.password_hash, account.must_change_password = hashed, False
            ended = await sign_ins.end_all(db, "account", account.id, "password_changed", now_ms, keep=caller.sign_in)
            audit.note(db, caller, "account.password_changed", account.id, now_ms)
            me = await describe_account(db, account, caller.language, now_ms)
        tell_ended(self.request.app, ended)
        return answer(me)


class LanguageView(ApiView):
    """My language."""

    ACCESS = {"PUT": SIGNED_IN}
    BEFORE_PASSWORD = True

    async def put(self, body: LanguageBody) -> r200[Me]:
        """Keep the language of my pages and of the server's sentences."""
        caller = self.caller
        async with self.database.begin() as db:
            subject = await db.get_one(RoomSet if caller.kind == "set" else Account, caller.id)
            assert isinstance(subject, RoomSet | Account)
            subject.language = body.language
            await db.flush()
            me = await describe_caller(db, caller, self.now_ms())
        me.language = body.language
        return answer(me)


async def check_attempts(attempts: Attempts, username: str, address: str) -> None:
    """Raises ApiFault too_many_attempts."""
    try:
        await attempts.check(username, address)
    except TooManyAttempts as many:
        raise ApiFault(429, "too_many_attempts", {"retry_after_s": many.retry_after_s}) from None


def browser_of(request: web.Request) -> sign_ins.Browser:
    """Where the request comes from, as far as it is kept."""
    return sign_ins.Browser(request.remote or "", request.headers.get(hdrs.USER_AGENT, ""))


def own_token(request: web.Request) -> str:
    """Token in this browser's cookie."""
    return request.cookies.get(COOKIE, "")


def tell_ended(app: web.Application, hashes: Iterable[str]) -> None:
    """Tell the listeners of `SIGN_IN_ENDED`; call it after the transaction."""
    for hashed in hashes:
        for listener in app[SIGN_IN_ENDED]:
            listener(hashed)


def caller_for(asked_by: Caller, account: Account) -> Caller:
    """The caller that the browser becomes by signing in."""
    return Caller(
        kind="account",
        id=account.id,
        name=account.name,
        role=account.role,
        county=account.county,
        place_id=account.place_id,
        place_name="",
        language=account.language or asked_by.language,
        address=asked_by.address,
    )


async def describe_caller(db: AsyncSession, caller: Caller, now_ms: int) -> Me:
    """`Me` of whoever asks."""
    if caller.kind == "account":
        return await describe_account(db, await db.get_one(Account, caller.id), caller.language, now_ms)
    return await describe_set(db, await db.get_one(RoomSet, caller.id), caller.language, now_ms)


async def describe_account(db: AsyncSession, account: Account, language: str, now_ms: int) -> Me:
    """`Me` of an account."""
    place = await db.get(Place, account.place_id) if account.place_id else None
    return Me(
        kind="account",
        id=account.id,
        name=account.name,
        username=account.username,
        role=account.role,
        county=account.county,
        place=place_ref(place),
        must_change_password=account.must_change_password,
        language=account.language or language,
        server_utc_ms=now_ms,
        version=version(),
    )


async def describe_set(db: AsyncSession, room_set: RoomSet, language: str, now_ms: int) -> Me:
    """`Me` of a set."""
    return Me(
        kind="set",
        id=room_set.id,
        name=room_set.name,
        username=None,
        role="set",
        county=room_set.county,
        place=place_ref(await db.get(Place, room_set.place_id)),
        must_change_password=False,
        language=room_set.language or language,
        server_utc_ms=now_ms,
        version=version(),
    )


async def _account_named(db: AsyncSession, county: str, username: str) -> Account | None:
    return await db.scalar(select(Account).where(Account.county == county, Account.username == username))


def add_routes(app: web.Application) -> None:
    """Signing in and out, me."""
    app[PASSWORDS] = Passwords()
    app[ATTEMPTS] = Attempts()
    app.router.add_view("/api/sign-in", SignInView)
    app.router.add_view("/api/sign-out", SignOutView)
    app.router.add_view("/api/me", MeView)
    app.router.add_view("/api/me/password", PasswordView)
    app.router.add_view("/api/me/language", LanguageView)
