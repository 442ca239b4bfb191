# SPDX-License-Identifier: Apache-2.0
"""Looking at and accepting one-time links. The token comes in the body: addresses are logged and shared."""

from __future__ import annotations

from aiohttp import web
from aiohttp_pydantic.oas.typing import r200
from sqlalchemy.ext.asyncio import AsyncSession

from storage.database.models import Account, Invitation, Place, RoomSet
from web.accounts import audit, invitations, sign_ins
from web.accounts.passwords import check_rules
from web.api.core import EVERYONE, ApiFault, ApiView, Body, Caller, answer
from web.api.middleware import set_cookie
from web.api.shapes import InvitationShape, Me, Secret, Token
from web.api.signing_in import (
    PASSWORDS,
    browser_of,
    caller_for,
    describe_account,
    describe_set,
    own_token,
    tell_ended,
)

_STATUS = {"invitation_invalid": 404, "invitation_expired": 410, "invitation_used": 410}
_HOUR_MS = 3_600_000


class LookBody(Body):
    """The token from the link's fragment."""

    token: Token


class AcceptBody(LookBody):
    """The token, and for a person the new password."""

    password: Secret | None = None


class LookView(ApiView):
    """What a link is for."""

    ACCESS = {"POST": EVERYONE}
    BEFORE_PASSWORD = True

    async def post(self, body: LookBody) -> r200[InvitationShape]:
        """Show whose link it is, without using it: invitation_invalid, invitation_expired, invitation_used."""
        async with self.database.read() as db:
            invitation, subject = await _open(db, body.token, self.now_ms())
            place = await db.get(Place, subject.place_id) if subject.place_id else None
        return answer(
            InvitationShape(
                kind=invitation.kind,
                name=subject.name,
                username=subject.username if isinstance(subject, Account) else None,
                place_name=place.name if place else None,
                expires_utc_ms=invitation.expires_utc_ms,
            )
        )


class AcceptView(ApiView):
    """Using a link."""

    ACCESS = {"POST": EVERYONE}
    BEFORE_PASSWORD = True

    async def post(self, body: AcceptBody) -> r200[Me]:
        """Set the password, or make this browser the set, and sign in: invitation_*, password_*, set_in_use."""
        async with self.database.read() as db:
            _, subject = await _open(db, body.token, self.now_ms())
        if isinstance(subject, RoomSet):
            if body.password:
                raise ApiFault(400, "password_not_expected")
            return await self._become_set(body.token)
        if not body.password:
            raise ApiFault(400, "password_required")
        check_rules(body.password, subject.username)
        return await self._set_password(body.token, await self.request.app[PASSWORDS].hash(body.password))

    async def _set_password(self, token: str, hashed: str) -> web.Response:
        now_ms = self.now_ms()
        life_ms = self.settings.session_hours * _HOUR_MS
        async with self.database.begin() as db:
            account = await _use(db, token, now_ms)
            if not isinstance(account, Account):
                raise ApiFault(404, "invitation_invalid")
            account.password_hash, account.must_change_password = hashed, False
            ended = await sign_ins.end_all(db, "account", account.id, "password_changed", now_ms)
            ended += await sign_ins.end_one(db, self.caller.sign_in, "signed_out", now_ms)
            cookie = await sign_ins.open_for_account(db, account, browser_of(self.request), now_ms, life_ms)
            caller = caller_for(self.caller, account)
            audit.note(db, caller, "invitation.accepted", account.id, now_ms)
            me = await describe_account(db, account, caller.language, now_ms)
        return self._signed_in(me, ended, cookie, life_ms)

    async def _become_set(self, token: str) -> web.Response:
        now_ms = self.now_ms()
        async with self.database.begin() as db:
            room_set = await _use(db, token, now_ms)
            if not isinstance(room_set, RoomSet):
                raise ApiFault(404, "invitation_invalid")
            ended = await sign_ins.live_of(db, "set", room_set.id, now_ms)
            try:
                cookie = await sign_ins.open_for_set(
                    db, room_set, browser_of(self.request), now_ms, own_token(self.request)
                )
            except sign_ins.SetInUse as use:
                # Leaving by an exception undoes the use of the link: it works once the other browser is closed.
                times = {"since_utc_ms": use.since_utc_ms, "seen_utc_ms": use.seen_utc_ms}
                raise ApiFault(409, "set_in_use", times) from None
            ended += await sign_ins.end_one(db, self.caller.sign_in, "signed_out", now_ms)
            audit.note(db, _set_caller(self.caller, room_set), "invitation.accepted", room_set.id, now_ms)
            me = await describe_set(db, room_set, self.caller.language, now_ms)
        return self._signed_in(me, ended, cookie, sign_ins.SET_LIFE_MS)

    def _signed_in(self, me: Me, ended: list[str], cookie: str, life_ms: int) -> web.Response:
        tell_ended(self.request.app, ended)
        response = answer(me)
        set_cookie(response, cookie, life_ms)
        return response


async def _open(db: AsyncSession, token: str, now_ms: int) -> tuple[Invitation, Account | RoomSet]:
    """The usable link and whose it is. Raises ApiFault invitation_*."""
    try:
        invitation = await invitations.find(db, token, now_ms)
    except invitations.InvitationRefused as refused:
        raise ApiFault(_STATUS[refused.code], refused.code) from None
    subject = await db.get(RoomSet if invitation.kind == "set" else Account, invitation.subject_id)
    if not isinstance(subject, RoomSet | Account) or not subject.active:
        raise ApiFault(404, "invitation_invalid")
    return invitation, subject


async def _use(db: AsyncSession, token: str, now_ms: int) -> Account | RoomSet:
    """Use the link up and say whose it is. Raises ApiFault invitation_*."""
    invitation, subject = await _open(db, token, now_ms)
    try:
        await invitations.use(db, invitation, now_ms)
    except invitations.InvitationRefused as refused:
        raise ApiFault(_STATUS[refused.code], refused.code) from None
    return subject


def _set_caller(asked_by: Caller, room_set: RoomSet) -> Caller:
    """The caller that the browser becomes as a set."""
    return Caller(
        kind="set",
        id=room_set.id,
        name=room_set.name,
        role="set",
        county=room_set.county,
        place_id=room_set.place_id,
        place_name="",
        language=asked_by.language,
        address=asked_by.address,
    )


def add_routes(app: web.Application) -> None:
    """/api/invitations/look and /accept."""
    app.router.add_view("/api/invitations/look", LookView)
    app.router.add_view("/api/invitations/accept", AcceptView)
