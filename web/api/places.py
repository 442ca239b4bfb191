# SPDX-License-Identifier: Apache-2.0
"""Stations and desks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp_pydantic.oas.typing import r200
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from storage.database.models import Account, Place, RoomSet
from storage.ids import new_id
from web.accounts import audit
from web.api.core import ADMINISTRATOR, SIGNED_IN, ApiFault, ApiView, Body, answer
from web.api.shapes import MAX_LISTED, Id, Name, PlaceKind, Places, PlaceShape


class PlaceBody(Body):
    """A new place."""

    kind: PlaceKind
    name: Name


class PlaceChange(Body):
    """What shall change."""

    name: Name | None = None
    active: bool | None = None


class PlacesView(ApiView):
    """All places."""

    ACCESS = {"GET": SIGNED_IN, "POST": ADMINISTRATOR}

    async def get(self) -> r200[Places]:
        """The county's stations and desks, by name."""
        query = select(Place).where(Place.county == self.caller.county).order_by(Place.name).limit(MAX_LISTED)
        async with self.database.read() as db:
            found = (await db.scalars(query)).all()
        return answer(Places(places=[_shape(place) for place in found]))

    async def post(self, body: PlaceBody) -> r200[PlaceShape]:
        """Add a station or desk: name_taken."""
        caller, now_ms = self.caller, self.now_ms()
        place = Place(
            id=new_id(), county=caller.county, kind=body.kind, name=body.name, active=True, created_utc_ms=now_ms
        )
        async with self.database.begin() as db:
            async with unique_or(db, "name_taken", {"name": body.name}):
                db.add(place)
            audit.note(db, caller, "place.create", place.id, now_ms, {"name": place.name, "kind": place.kind})
        return answer(_shape(place))


class PlaceView(ApiView):
    """One place."""

    ACCESS = {"PATCH": ADMINISTRATOR}

    async def patch(self, place_id: Id, /, body: PlaceChange) -> r200[PlaceShape]:
        """Rename it, or switch it off and on: place_not_found, name_taken, place_in_use."""
        caller, now_ms = self.caller, self.now_ms()
        async with self.database.begin() as db:
            place = await place_of(db, caller.county, place_id)
            if body.active is False and place.active and await _is_in_use(db, place):
                raise ApiFault(409, "place_in_use")
            async with unique_or(db, "name_taken", {"name": body.name or ""}):
                place.name = body.name or place.name
                place.active = place.active if body.active is None else body.active
            audit.note(db, caller, "place.change", place.id, now_ms, body.model_dump(exclude_unset=True))
        return answer(_shape(place))


@asynccontextmanager
async def unique_or(db: AsyncSession, code: str, params: Mapping[str, object]) -> AsyncIterator[None]:
    """Write what the block changed; a name that another row has raises ApiFault 409 with `code`."""
    yield
    try:
        await db.flush()
    except IntegrityError:
        raise ApiFault(409, code, params) from None


async def place_of(db: AsyncSession, county: str, place_id: str) -> Place:
    """A place of the county. Raises ApiFault place_not_found."""
    place = await db.get(Place, place_id)
    if place is None or place.county != county:
        raise ApiFault(404, "place_not_found")
    return place


async def active_place(db: AsyncSession, county: str, place_id: str) -> Place:
    """A place that people and sets may belong to. Raises ApiFault place_not_found, place_inactive."""
    place = await place_of(db, county, place_id)
    if not place.active:
        raise ApiFault(409, "place_inactive")
    return place


async def _is_in_use(db: AsyncSession, place: Place) -> bool:
    people = select(func.count()).select_from(Account).where(Account.place_id == place.id, Account.active)
    sets = select(func.count()).select_from(RoomSet).where(RoomSet.place_id == place.id, RoomSet.active)
    return bool(await db.scalar(people) or await db.scalar(sets))


def _shape(place: Place) -> PlaceShape:
    return PlaceShape(id=place.id, kind=place.kind, name=place.name, active=place.active)


def add_routes(app: web.Application) -> None:
    """/api/places."""
    app.router.add_view("/api/places", PlacesView)
    app.router.add_view("/api/places/{place_id}", PlaceView)
