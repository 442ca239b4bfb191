# SPDX-License-Identifier: Apache-2.0
"""IP cameras: the administrator's list with test pictures, and those that an endpoint takes into its session.

A camera's password goes in and never comes out.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final, Literal

from aiohttp import web
from aiohttp_pydantic.oas.typing import r200
from pydantic import BaseModel, Field, StringConstraints
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from storage.camera_passwords import PasswordLost, open_password, seal_password
from storage.database.models import Camera, Place, SessionCamera
from storage.ids import new_id
from web.accounts import audit
from web.api.core import ADMINISTRATOR, ApiFault, ApiView, Body, answer
from web.api.places import active_place, unique_or
from web.api.session_shapes import SessionId
from web.api.sessions import SessionApiView
from web.api.shapes import MAX_LISTED, Id, Name, Nothing, PlaceRef, UtcMs, place_ref
from web.casework.cameras import check_address, check_sign_in
from web.casework.visibility import JOINING_ROLES
from web.media.camera_picture import NoPicture
from web.sessions.running import RUNNING

Address = Annotated[str, StringConstraints(min_length=1, max_length=400, pattern=r"^[^\x00-\x20\x7f]+$")]
UserName = Annotated[str, StringConstraints(max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")]
Password = Annotated[str, StringConstraints(strip_whitespace=False, max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")]
Transport = Literal["tcp", "udp"]
CODEC_STATE: Final = "codec_not_usable"
_CODES: Final = {
    "unreachable": "camera_unreachable",
    "not_rtsp": "camera_not_rtsp",
    "wrong_password": "camera_wrong_password",
    "no_such_stream": "camera_no_such_stream",
    "transport_refused": "camera_transport_refused",
    "no_key_frame": "camera_no_key_frame",
    "lost": "camera_lost",
    "busy": "camera_busy",
}
"""Why there is no picture, as the page gets it; anything else is our own fault."""


class CameraBody(Body):
    """A new camera."""

    name: Name
    place_id: Id
    address: Address
    username: UserName = ""
    password: Password = ""
    transport: Transport = "tcp"
    sound: bool = False


class CameraChange(Body):
    """What shall change; without `password` the old one stays."""

    name: Name | None = None
    place_id: Id | None = None
    address: Address | None = None
    username: UserName | None = None
    password: Password | None = None
    transport: Transport | None = None
    sound: bool | None = None


class PictureBody(Body):
    """What to look at: a camera that is kept, with changes that are not kept yet, or a new address."""

    camera_id: Id | None = None
    address: Address | None = None
    username: UserName | None = None
    password: Password | None = None
    transport: Transport | None = None


class CameraShape(BaseModel):
    """A camera as the administrator sees it."""

    id: str
    name: str
    place: PlaceRef | None
    address: str
    username: str
    has_password: bool
    transport: str
    sound: bool
    state: str
    """Newest state; empty before the first test picture or session."""
    state_detail: str
    state_utc_ms: UtcMs | None
    width: int | None
    height: int | None


class CameraList(BaseModel):
    """All cameras of the county."""

    cameras: list[CameraShape]


class PictureShape(BaseModel):
    """A test picture."""

    jpeg: str = Field(description="Base64.")
    width: int
    height: int
    profile: str
    sound_codec: str


class SessionCameraShape(BaseModel):
    """A camera of the caller's place, for one session."""

    id: str
    name: str
    on: bool
    state: str
    detail: str


class SessionCameraList(BaseModel):
    """All cameras of the caller's place."""

    cameras: list[SessionCameraShape]


class SessionCamerasBody(Body):
    """The cameras that the caller's endpoint takes in."""

    camera_ids: list[Id] = Field(max_length=20)


class CamerasView(ApiView):
    """All cameras."""

    ACCESS = {"GET": ADMINISTRATOR, "POST": ADMINISTRATOR}

    async def get(self) -> r200[CameraList]:
        """The county's cameras, by name."""
        query = select(Camera).where(Camera.county == self.caller.county)
        async with self.database.read() as db:
            found = (await db.scalars(query.order_by(Camera.name, Camera.id).limit(MAX_LISTED))).all()
            return answer(CameraList(cameras=[await _shape(db, camera) for camera in found]))

    async def post(self, body: CameraBody) -> r200[CameraShape]:
        """Add a camera: name_taken, place_not_found, place_inactive, camera_address_invalid,
        camera_address_has_password, camera_sign_in_too_long, camera_user_name_invalid."""
        caller, now_ms, camera_id = self.caller, self.now_ms(), new_id()
        check_address(body.address)
        check_sign_in(body.username, body.password)
        camera = Camera(
            id=camera_id,
            county=caller.county,
            password_sealed=seal_password(self.settings.secrets_dir, camera_id, body.password),
            created_utc_ms=now_ms,
            **body.model_dump(exclude={"password"}),
        )
        async with self.database.begin() as db:
            await active_place(db, caller.county, body.place_id)
            async with unique_or(db, "name_taken", {"name": body.name}):
                db.add(camera)
            audit.note(db, caller, "camera.create", camera_id, now_ms, body.model_dump(exclude={"password"}))
            shape = await _shape(db, camera)
        return answer(shape)


class CameraView(ApiView):
    """One camera."""

    ACCESS = {"PATCH": ADMINISTRATOR, "DELETE": ADMINISTRATOR}

    async def patch(self, camera_id: Id, /, body: CameraChange) -> r200[CameraShape]:
        """Change it; running sessions follow: camera_not_found, and those of POST."""
        caller, now_ms = self.caller, self.now_ms()
        async with self.database.begin() as db:
            camera = await camera_of(db, caller.county, camera_id)
            if body.place_id is not None and body.place_id != camera.place_id:
                camera.place_id = (await active_place(db, caller.county, body.place_id)).id
            kept = _password(self.settings.secrets_dir, camera) if body.password is None else body.password
            check_sign_in(camera.username if body.username is None else body.username, kept)
            if body.address is not None:
                check_address(body.address)
            async with unique_or(db, "name_taken", {"name": body.name or ""}):
                for name, value in body.model_dump(exclude={"password", "place_id"}, exclude_none=True).items():
                    setattr(camera, name, value)
                if body.password is not None:
                    camera.password_sealed = seal_password(self.settings.secrets_dir, camera_id, body.password)
            told = body.model_dump(exclude={"password"}, exclude_unset=True)
            audit.note(db, caller, "camera.change", camera_id, now_ms, told | {"password": body.password is not None})
            shape = await _shape(db, camera)
        await self.request.app[RUNNING].cameras.changed(camera_id)
        return answer(shape)

    async def delete(self, camera_id: Id, /) -> r200[Nothing]:
        """Remove it, also from running sessions; what was recorded stays: camera_not_found."""
        caller, now_ms = self.caller, self.now_ms()
        async with self.database.begin() as db:
            camera = await camera_of(db, caller.county, camera_id)
            await db.execute(delete(SessionCamera).where(SessionCamera.camera_id == camera_id))
            await db.delete(camera)
            audit.note(db, caller, "camera.remove", camera_id, now_ms, {"name": camera.name})
        await self.request.app[RUNNING].cameras.changed(camera_id)
        return answer(Nothing())


class CameraPictureView(ApiView):
    """Test pictures."""

    ACCESS = {"POST": ADMINISTRATOR}

    async def post(self, body: PictureBody) -> r200[PictureShape]:
        """One picture within 10 s: camera_not_found, camera_address_invalid, and why there is none: camera_unreachable,
        camera_not_rtsp, camera_wrong_password, camera_no_such_stream, camera_transport_refused,
        camera_codec_not_usable {codec}, camera_no_key_frame, camera_lost, camera_busy, camera_fault."""
        wanted = await self._kept(body.camera_id) | body.model_dump(exclude={"camera_id"}, exclude_none=True)
        check_address(wanted["address"])
        check_sign_in(wanted["username"], wanted["password"])
        try:
            picture = await self.request.app[RUNNING].pictures.take(wanted)
        except NoPicture as why:
            await self._note(body, {"state": why.state, "detail": why.detail})
            if why.state == CODEC_STATE:
                raise ApiFault(502, "camera_codec_not_usable", {"codec": why.detail}) from None
            raise ApiFault(502, _CODES.get(why.state, "camera_fault")) from None
        await self._note(body, {"state": "works", "width": picture.width, "height": picture.height})
        return answer(PictureShape(**asdict(picture)))

    async def _kept(self, camera_id: str | None) -> dict[str, str]:
        if camera_id is None:
            return {"address": "", "username": "", "password": "", "transport": "tcp"}
        async with self.database.read() as db:
            camera = await camera_of(db, self.caller.county, camera_id)
        password = _password(self.settings.secrets_dir, camera)
        return {
            "address": camera.address,
            "username": camera.username,
            "password": password,
            "transport": camera.transport,
        }

    async def _note(self, body: PictureBody, state: dict[str, object]) -> None:
        """A test of the camera as it is kept says how it is."""
        if (
            body.camera_id is None
            or body.model_dump(exclude={"camera_id"}, exclude_none=True)
            or state["state"] == "busy"
        ):
            return
        await self.request.app[RUNNING].cameras.heard({"camera_id": body.camera_id, "room": "", **state})


class SessionCamerasView(SessionApiView):
    """Cameras of the caller's place in one session."""

    ACCESS = {"GET": JOINING_ROLES, "PUT": JOINING_ROLES}

    async def get(self, session_id: SessionId, /) -> r200[SessionCameraList]:
        """Which there are, and which the session has: session_not_found, session_ended."""
        return await self._listed(session_id)

    async def _listed(self, session_id: str) -> web.Response:
        rows = await self.rows(session_id)
        found = await self.running.cameras.of_place(self.viewer, rows)
        return answer(SessionCameraList(cameras=[SessionCameraShape(**asdict(camera)) for camera in found]))

    async def put(self, session_id: SessionId, /, body: SessionCamerasBody) -> r200[SessionCameraList]:
        """Take exactly these into the session, as endpoints of their own, while the caller's own endpoint is in it:
        session_not_found, session_ended, camera_not_found, too_many_cameras {most}."""
        chosen = body.camera_ids
        await self.running.cameras.choose(self.viewer, self.actor, self.caller.place_name, session_id, chosen)
        return await self._listed(session_id)


async def camera_of(db: AsyncSession, county: str, camera_id: str) -> Camera:
    """A camera of the county. Raises ApiFault camera_not_found."""
    camera = await db.get(Camera, camera_id)
    if camera is None or camera.county != county:
        raise ApiFault(404, "camera_not_found")
    return camera


def _password(secrets_dir: Path, camera: Camera) -> str:
    try:
        return open_password(secrets_dir, camera.id, camera.password_sealed)
    except PasswordLost:
        raise ApiFault(409, "camera_password_lost") from None


async def _shape(db: AsyncSession, camera: Camera) -> CameraShape:
    return CameraShape(
        id=camera.id,
        name=camera.name,
        place=place_ref(await db.get(Place, camera.place_id)),
        address=camera.address,
        username=camera.username,
        has_password=bool(camera.password_sealed),
        transport=camera.transport,
        sound=camera.sound,
        state=camera.state or "",
        state_detail=camera.state_detail or "",
        state_utc_ms=camera.state_utc_ms,
        width=camera.width,
        height=camera.height,
    )


def add_routes(app: web.Application) -> None:
    """/api/cameras, and those of a session."""
    app.router.add_view("/api/cameras", CamerasView)
    app.router.add_view("/api/cameras/picture", CameraPictureView)
    app.router.add_view("/api/cameras/{camera_id}", CameraView)
    app.router.add_view("/api/sessions/{session_id}/cameras", SessionCamerasView)
