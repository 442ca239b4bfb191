# SPDX-License-Identifier: Apache-2.0
"""People with accounts. An administrator never sees or sets a password: people do, by a one-time link."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web
from aiohttp_pydantic.oas.typing import r200
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from storage.database.models import Account, Place, SignIn
from storage.ids import new_id
from web.accounts import audit, invitations, sign_ins
from web.api.core import ADMINISTRATOR, ApiFault, ApiView, Body, answer
from web.api.places import active_place, unique_or
from web.api.shapes import MAX_LISTED, FreshLink, Id, Name, People, Person, Role, Username, place_ref
from web.api.signing_in import tell_ended


class PersonBody(Body):
    """A new person."""

    username: Username
    name: Name
    role: Role
    place_id: Id | None = None


class PersonChange(Body):
    """What shall change; `place_id` null takes the person out of the place."""

    name: Name | None = None
    role: Role | None = None
    place_id: Id | None = None
    active: bool | None = None


class PeopleView(ApiView):
    """All people."""

    ACCESS = {"GET": ADMINISTRATOR, "POST": ADMINISTRATOR}

    async def get(self) -> r200[People]:
        """The county's accounts, by name."""
        query = select(Account).where(Account.county == self.caller.county)
        async with self.database.read() as db:
            accounts = (await db.scalars(query.order_by(Account.name, Account.id).limit(MAX_LISTED))).all()
            return answer(People(people=await _shapes(db, accounts)))

    async def post(self, body: PersonBody) -> r200[Person]:
        """Add somebody, who then needs a one-time link: username_taken, place_not_found, place_inactive."""
        caller, now_ms = self.caller, self.now_ms()
        account = Account(
            id=new_id(),
            county=caller.county,
            username=body.username,
            name=body.name,
            role=body.role,
            place_id=body.place_id,
            active=True,
            must_change_password=False,
            created_utc_ms=now_ms,
        )
        async with self.database.begin() as db:
            if body.place_id is not None:
                await active_place(db, caller.county, body.place_id)
            async with unique_or(db, "username_taken", {"username": body.username}):
                db.add(account)
            audit.note(db, caller, "account.create", account.id, now_ms, body.model_dump())
            [person] = await _shapes(db, [account])
        return answer(person)


class PersonView(ApiView):
    """One person."""

    ACCESS = {"PATCH": ADMINISTRATOR}

    async def patch(self, account_id: Id, /, body: PersonChange) -> r200[Person]:
        """Change name, role or place, switch off and on: account_not_found, place_*, last_administrator."""
        caller, now_ms = self.caller, self.now_ms()
        ended: list[str] = []
        async with self.database.begin() as db:
            account = await account_of(db, caller.county, account_id)
            if _stops_administrating(account, body) and await _is_last_administrator(db, account):
                raise ApiFault(409, "last_administrator")
            if "place_id" in body.model_fields_set and body.place_id != account.place_id:
                if body.place_id is not None:
                    await active_place(db, caller.county, body.place_id)
                account.place_id = body.place_id
            account.name, account.role = body.name or account.name, body.role or account.role
            if body.active is not None:
                account.active = body.active
            if not account.active:
                ended = await sign_ins.end_all(db, "account", account.id, "disabled", now_ms)
            audit.note(db, caller, "account.change", account.id, now_ms, body.model_dump(exclude_unset=True))
            await db.flush()
            [person] = await _shapes(db, [account])
        tell_ended(self.request.app, ended)
        return answer(person)


class PersonInvitationView(ApiView):
    """One-time links of a person."""

    ACCESS = {"POST": ADMINISTRATOR}

    async def post(self, account_id: Id, /) -> r200[FreshLink]:
        """Make a link by which the person sets the password (24 h, once): account_not_found, account_disabled."""
        caller, now_ms = self.caller, self.now_ms()
        async with self.database.begin() as db:
            account = await account_of(db, caller.county, account_id)
            if not account.active:
                raise ApiFault(409, "account_disabled")
            token, ends = await invitations.make(db, account.county, "account", account.id, caller.id, now_ms)
            audit.note(db, caller, "invitation.create", account.id, now_ms, {"kind": "account"})
        return answer(FreshLink(token=token, expires_utc_ms=ends))


async def account_of(db: AsyncSession, county: str, account_id: str) -> Account:
    """An account of the county. Raises ApiFault account_not_found."""
    account = await db.get(Account, account_id)
    if account is None or account.county != county:
        raise ApiFault(404, "account_not_found")
    return account


def _stops_administrating(account: Account, change: PersonChange) -> bool:
    is_one = account.role == "administrator" and account.active
    return is_one and (change.active is False or change.role not in (None, "administrator"))


async def _is_last_administrator(db: AsyncSession, account: Account) -> bool:
    administrators = select(Account.id).where(
        Account.county == account.county, Account.role == "administrator", Account.active
    )
    # Locked, so that two administrators cannot switch each other off at the same moment.
    return [account.id] == list((await db.scalars(administrators.with_for_update())).all())


async def _shapes(db: AsyncSession, accounts: Sequence[Account]) -> list[Person]:
    ids = [account.id for account in accounts]
    places = {place.id: place for place in (await db.scalars(select(Place))).all()}
    seen_query = select(SignIn.subject_id, func.max(SignIn.seen_utc_ms)).where(SignIn.kind == "account")
    rows = await db.execute(seen_query.where(SignIn.subject_id.in_(ids)).group_by(SignIn.subject_id))
    seen = {subject: utc_ms for subject, utc_ms in rows.all()}
    return [
        Person(
            id=account.id,
            username=account.username,
            name=account.name,
            role=account.role,
            place=place_ref(places.get(account.place_id or "")),
            active=account.active,
            has_password=account.password_hash is not None,
            must_change_password=account.must_change_password,
            last_sign_in_utc_ms=account.last_sign_in_utc_ms,
            last_seen_utc_ms=seen.get(account.id),
        )
        for account in accounts
    ]


def add_routes(app: web.Application) -> None:
    """/api/people."""
    app.router.add_view("/api/people", PeopleView)
    app.router.add_view("/api/people/{account_id}", PersonView)
    app.router.add_view("/api/people/{account_id}/invitation", PersonInvitationView)
