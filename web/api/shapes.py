# SPDX-License-Identifier: Apache-2.0
"""Forms of answers about accounts, places and sets, and the limits of what may be typed."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field, StringConstraints

from storage.database.models import Place

Name = Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""A person's, place's or set's name on one line."""
Username = Annotated[str, StringConstraints(to_lower=True, pattern=r"^\w[\w.@-]{1,31}$", max_length=32)]
"""2 to 32 letters, digits, dots, hyphens, underscores or @; kept in lower case."""
Secret = Annotated[str, StringConstraints(strip_whitespace=False, max_length=1000)]
"""A password as it was typed."""
Token = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Id = Annotated[str, StringConstraints(min_length=1, max_length=26)]
Role = Literal["administrator", "station_officer", "hq_officer", "clerk"]
Language = Literal["zh-CN", "en"]
PlaceKind = Literal["station", "desk"]
UtcMs = Annotated[int, Field(description="Milliseconds since 1970, UTC.")]


class Nothing(BaseModel):
    """An empty object: it was done."""


class PlaceRef(BaseModel):
    """A place as part of something else."""

    id: str
    kind: str
    name: str


class PlaceShape(PlaceRef):
    """A station or a desk."""

    active: bool


class Places(BaseModel):
    """All places of the county, by name."""

    places: list[PlaceShape]


class Me(BaseModel):
    """Who is signed in."""

    kind: str
    id: str
    name: str
    username: str | None
    role: str
    county: str
    place: PlaceRef | None
    must_change_password: bool
    language: str
    server_utc_ms: UtcMs
    version: str


class Person(BaseModel):
    """Somebody with an account."""

    id: str
    username: str
    name: str
    role: str
    place: PlaceRef | None
    active: bool
    has_password: bool
    must_change_password: bool
    last_sign_in_utc_ms: UtcMs | None
    last_seen_utc_ms: UtcMs | None


class People(BaseModel):
    """All accounts of the county, by name."""

    people: list[Person]


class SetShape(BaseModel):
    """The equipment of a video room."""

    id: str
    name: str
    place: PlaceRef | None
    active: bool
    in_use: bool
    seen_utc_ms: UtcMs | None


class Sets(BaseModel):
    """All sets of the county, by name."""

    sets: list[SetShape]


class FreshLink(BaseModel):
    """The token of a new one-time link; it is shown once and kept nowhere."""

    token: str
    expires_utc_ms: UtcMs


class InvitationShape(BaseModel):
    """What a one-time link is for."""

    kind: str
    name: str
    username: str | None
    place_name: str | None
    expires_utc_ms: UtcMs


MAX_LISTED: Final = 2000
"""Rows in one list; a county has some dozens."""


def place_ref(place: Place | None) -> PlaceRef | None:
    """A place as part of something else."""
    return PlaceRef(id=place.id, kind=place.kind, name=place.name) if place else None
