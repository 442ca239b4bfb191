# SPDX-License-Identifier: Apache-2.0
"""Tokens for programs and devices that come by WHIP or WHEP: made, listed and taken back by whoever leads a session."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal, Self

from aiohttp import web
from aiohttp_pydantic.oas.typing import r200
from pydantic import Field, model_validator

from storage.access import mint_door_token
from web.api.core import ADMINISTRATOR, Body, answer
from web.api.session_shapes import MAX_PEOPLE, Exact, PersonBody, PersonName, SessionId, UtcMs
from web.api.sessions import SessionApiView
from web.casework.visibility import JOINING_ROLES
from web.sessions.desk import PersonHere

OPENING_ROLES = JOINING_ROLES | ADMINISTRATOR


class NewDoor(Body):
    """What is wanted. `people` are those before the camera of a device that publishes: at least one."""

    name: PersonName
    right: Literal["publish", "watch"]
    life_minutes: Annotated[int, Field(ge=1, le=24 * 60)] = 240
    people: Annotated[list[PersonBody], Field(max_length=MAX_PEOPLE)] = []

    @model_validator(mode="after")
    def _somebody_is_seen(self) -> Self:
        if (self.right == "publish") != bool(self.people):
            raise ValueError("a door that publishes names who is before its camera, one that watches nobody")
        return self


class OpenDoor(Exact):
    """One that is open."""

    peer_id: str
    name: str
    right: Literal["publish", "watch"]
    present: bool
    opened_utc_ms: UtcMs
    expires_utc_ms: UtcMs


class DoorList(Exact):
    """All that are open."""

    doors: list[OpenDoor]


class MadeDoor(Exact):
    """The token is shown once; `path` is where to send it: for a door that watches, PEER is the id of who is seen."""

    peer_id: str
    token: str
    path: str


class DoorsView(SessionApiView):
    """The doors of a session."""

    ACCESS = {"GET": OPENING_ROLES, "POST": OPENING_ROLES}

    async def get(self, session_id: SessionId, /) -> r200[DoorList]:
        """Those that are open: session_not_found, session_ended."""
        return await _listed(self, session_id)

    async def post(self, session_id: SessionId, /, body: NewDoor) -> r200[MadeDoor]:
        """Open one: session_not_found, session_ended, too_many_doors {max}.

        Who is before its camera is asked for consent like anybody else (POST /consents by who leads the session).
        """
        people = [PersonHere("", person.name, person.kind) for person in body.people]
        life_s = body.life_minutes * 60
        doors = self.running.doors
        token = await doors.open(self.viewer, self.actor, session_id, body.name, body.right, life_s * 1000, people)
        signed = mint_door_token(self.settings.secrets_dir, token, life_s=life_s)
        path = f"/whip/{token.room}" if token.right == "publish" else f"/whep/{token.room}/PEER"
        return answer({"peer_id": token.peer_id, "token": signed, "path": path})


class DoorView(SessionApiView):
    """One door."""

    ACCESS = {"DELETE": OPENING_ROLES}

    async def delete(self, session_id: SessionId, peer_id: SessionId, /) -> r200[DoorList]:
        """Close it, its token is worth nothing from now on: session_not_found, session_ended, door_not_found."""
        await self.running.doors.close(self.viewer, self.actor, session_id, peer_id)
        return await _listed(self, session_id)


async def _listed(view: SessionApiView, session_id: str) -> web.Response:
    doors = await view.running.doors.listed(view.viewer, session_id)
    return answer({"doors": [asdict(door) for door in doors]})


def add_routes(app: web.Application) -> None:
    """/api/sessions/…/doors."""
    app.router.add_view("/api/sessions/{session_id}/doors", DoorsView)
    app.router.add_view("/api/sessions/{session_id}/doors/{peer_id}", DoorView)
