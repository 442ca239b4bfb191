# SPDX-License-Identifier: Apache-2.0
"""Sets: the browsers of the video rooms, enrolled by a one-time link, one live sign-in at a time."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web
from aiohttp_pydantic.oas.typing import r200
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from storage.database.models import Place, RoomSet, SignIn
from storage.ids import new_id
from web.accounts import audit, invitations, sign_ins
from web.api.core import ADMINISTRATOR, ApiFault, ApiView, Body, answer
from web.api.places import active_place, unique_or
from web.api.shapes import MAX_LISTED, FreshLink, Id, Name, Sets, SetShape, place_ref
from web.api.signing_in import tell_ended


class SetBody(Body):
    """A new set."""

    name: Name
    place_id: Id


class SetChange(Body):
    """What shall change."""

    name: Name | None = None
    place_id: Id | None = None
    active: bool | None = None


class SetsView(ApiView):
    """All sets."""

    ACCESS = {"GET": ADMINISTRATOR, "POST": ADMINISTRATOR}

    async def get(self) -> r200[Sets]:
        """The county's sets, by name."""
        query = select(RoomSet).where(RoomSet.county == self.caller.county)
        async with self.database.read() as db:
            found = (await db.scalars(query.order_by(RoomSet.name, RoomSet.id).limit(MAX_LISTED))).all()
            return answer(Sets(sets=await _shapes(db, found, self.now_ms())))

    async def post(self, body: SetBody) -> r200[SetShape]:
        """Add a set, whose browser then needs a one-time link: name_taken, place_not_found, place_inactive."""
        caller, now_ms = self.caller, self.now_ms()
        room_set = RoomSet(
            id=new_id(),
            county=caller.county,
            place_id=body.place_id,
            name=body.name,
            active=True,
            created_utc_ms=now_ms,
        )
        async with self.database.begin() as db:
            await active_place(db, caller.county, body.place_id)
            async with unique_or(db, "name_taken", {"name": body.name}):
                db.add(room_set)
            audit.note(db, caller, "set.create", room_set.id, now_ms, body.model_dump())
            [shape] = await _shapes(db, [room_set], now_ms)
        return answer(shape)


class SetView(ApiView):
    """One set."""

    ACCESS = {"PATCH": ADMINISTRATOR}

    async def patch(self, set_id: Id, /, body: SetChange) -> r200[SetShape]:
        """Rename or move it, switch it off and on: set_not_found, name_taken, place_not_found, place_inactive."""
        caller, now_ms = self.caller, self.now_ms()
        ended: list[str] = []
        async with self.database.begin() as db:
            room_set = await set_of(db, caller.county, set_id)
            if body.place_id is not None and body.place_id != room_set.place_id:
                room_set.place_id = (await active_place(db, caller.county, body.place_id)).id
            async with unique_or(db, "name_taken", {"name": body.name or ""}):
                room_set.name = body.name or room_set.name
                room_set.active = room_set.active if body.active is None else body.active
            if not room_set.active:
                ended = await sign_ins.end_all(db, "set", room_set.id, "disabled", now_ms)
            audit.note(db, caller, "set.change", room_set.id, now_ms, body.model_dump(exclude_unset=True))
            [shape] = await _shapes(db, [room_set], now_ms)
        tell_ended(self.request.app, ended)
        return answer(shape)


class SetInvitationView(ApiView):
    """One-time links of a set."""

    ACCESS = {"POST": ADMINISTRATOR}

    async def post(self, set_id: Id, /) -> r200[FreshLink]:
        """Make a link by which a browser becomes the set (24 h, once): set_not_found, set_disabled."""
        caller, now_ms = self.caller, self.now_ms()
        async with self.database.begin() as db:
            room_set = await set_of(db, caller.county, set_id)
            if not room_set.active:
                raise ApiFault(409, "set_disabled")
            token, ends = await invitations.make(db, room_set.county, "set", room_set.id, caller.id, now_ms)
            audit.note(db, caller, "invitation.create", room_set.id, now_ms, {"kind": "set"})
        return answer(FreshLink(token=token, expires_utc_ms=ends))


class SetReleaseView(ApiView):
    """Freeing a set."""

    ACCESS = {"POST": ADMINISTRATOR}

    async def post(self, set_id: Id, /) -> r200[SetShape]:
        """End the set's sign-in, so that another browser can take its place at once: set_not_found."""
        caller, now_ms = self.caller, self.now_ms()
        async with self.database.begin() as db:
            room_set = await set_of(db, caller.county, set_id)
            ended = await sign_ins.end_all(db, "set", room_set.id, "released", now_ms)
            audit.note(db, caller, "set.release", room_set.id, now_ms, {"ended": len(ended)})
            [shape] = await _shapes(db, [room_set], now_ms)
        tell_ended(self.request.app, ended)
        return answer(shape)


async def set_of(db: AsyncSession, county: str, set_id: str) -> RoomSet:
    """A set of the county. Raises ApiFault set_not_found."""
    room_set = await db.get(RoomSet, set_id)
    if room_set is None or room_set.county != county:
        raise ApiFault(404, "set_not_found")
    return room_set


async def _shapes(db: AsyncSession, sets: Sequence[RoomSet], now_ms: int) -> list[SetShape]:
    ids = [room_set.id for room_set in sets]
    places = {place.id: place for place in (await db.scalars(select(Place))).all()}
    newest = select(SignIn.subject_id, func.max(SignIn.seen_utc_ms)).where(SignIn.kind == "set")
    newest = newest.where(SignIn.subject_id.in_(ids)).group_by(SignIn.subject_id)
    seen = {subject: utc_ms for subject, utc_ms in (await db.execute(newest)).all()}
    live = {subject: utc_ms for subject, utc_ms in (await db.execute(newest.where(sign_ins.live(now_ms)))).all()}
    return [
        SetShape(
            id=room_set.id,
            name=room_set.name,
            place=place_ref(places.get(room_set.place_id)),
            active=room_set.active,
            in_use=room_set.id in live and now_ms - live[room_set.id] < sign_ins.SET_BUSY_MS,
            seen_utc_ms=seen.get(room_set.id),
        )
        for room_set in sets
    ]


def add_routes(app: web.Application) -> None:
    """/api/sets."""
    app.router.add_view("/api/sets", SetsView)
    app.router.add_view("/api/sets/{set_id}", SetView)
    app.router.add_view("/api/sets/{set_id}/invitation", SetInvitationView)
    app.router.add_view("/api/sets/{set_id}/release", SetReleaseView)
