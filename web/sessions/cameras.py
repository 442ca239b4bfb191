# SPDX-License-Identifier: Apache-2.0
"""IP cameras in sessions: who takes one in, and the order that follows from it.

A camera is an endpoint of its own that shows the people of the endpoint that took it in: their consent covers it,
and it is in the room only while that endpoint is. The database decides; the order repeats what stands there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from storage.access import CamerasOrder, CameraWish
from storage.database.models import Camera, Participant, Place, Session, SessionCamera
from storage.ids import new_id
from web.casework.cameras import MOST_IN_SESSION
from web.casework.refusal import Refused
from web.casework.sessions import SessionState
from web.casework.visibility import Viewer, check_may_join
from web.media.mediaserver_link import MediaAway, MediaRefused
from web.sessions.audit import Actor, note
from web.sessions.delivery import Delivery, Step
from web.sessions.desk import own_participant
from web.sessions.rows import SessionRows

log = structlog.get_logger(__name__)

KIND: Final = "camera"
"""Of a participant that is an IP camera; also its role."""


@dataclass(frozen=True, slots=True)
class RoomCamera:
    """A camera of the viewer's place, for the page of one session."""

    id: str
    name: str
    on: bool
    state: str
    detail: str


class Cameras:
    """Cameras of all sessions."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._given: dict[str, CamerasOrder] = {}
        """What the mediaserver of now was told, by session."""
        self._undelivered: set[str] = set()

    async def of_place(self, viewer: Viewer, rows: SessionRows) -> list[RoomCamera]:
        """Cameras that the viewer's endpoint may take into this session. Raises Refused `session_not_found`,
        `forbidden`, `session_ended`."""
        check_may_join(viewer, rows.facts(viewer))
        async with self._delivery.database.read() as db:
            on = set(await db.scalars(_chosen(rows.session.id, SessionCamera.camera_id)))
            cameras = await _cameras_of(db, viewer)
            return [RoomCamera(c.id, c.name, c.id in on, c.state, c.state_detail) for c in cameras]

    async def choose(
        self, viewer: Viewer, actor: Actor, place_name: str, session_id: str, camera_ids: Sequence[str]
    ) -> None:
        """The viewer's endpoint takes in exactly these cameras of its place.

        Raises Refused `session_not_found`, `forbidden`, `session_ended`, `camera_not_found`, `too_many_cameras` {most}.
        """
        async with self._delivery.step(session_id, viewer) as step:
            check_may_join(viewer, step.rows.facts(viewer))
            owner = await own_participant(step, viewer, actor, place_name)
            known = {camera.id: camera for camera in await _cameras_of(step.db, viewer)}
            if not set(camera_ids) <= known.keys():
                raise Refused("camera_not_found")
            mine = SessionCamera.camera_id.in_(known)
            await step.db.execute(delete(SessionCamera).where(SessionCamera.session_id == session_id, mine))
            others = len(list(await step.db.scalars(_chosen(session_id, SessionCamera.camera_id))))
            if others + len(set(camera_ids)) > MOST_IN_SESSION:
                raise Refused("too_many_cameras", {"most": MOST_IN_SESSION})
            for camera_id in dict.fromkeys(camera_ids):
                peer = await _camera_participant(step, known[camera_id], place_name)
                step.db.add(
                    SessionCamera(session_id=session_id, camera_id=camera_id, participant_id=peer.id, owner_id=owner.id)
                )
            names = [known[camera_id].name for camera_id in camera_ids]
            note(step.db, viewer.county, actor, "session.cameras", session_id, step.now_ms, {"cameras": names})
        await self.deliver(session_id)

    # Orders

    async def deliver(self, session_id: str) -> None:
        """Give the mediaserver the session's cameras as they stand in the database; nothing where it knows them."""
        async with self._delivery.locked(session_id):
            async with self._delivery.database.read() as db:
                session = await db.get(Session, session_id)
                order = None if session is None else await _order(db, session)
            known = self._given.get(session_id)
            if order is None or order == known or (known is None and not order.cameras):
                if order is None:
                    self._given.pop(session_id, None)
                self._undelivered.discard(session_id)
                return
            try:
                await self._delivery.media.put_cameras(order)
            except (MediaAway, MediaRefused) as error:
                log.warning("cameras_wait", session=session_id, reason=str(error))
                self._undelivered.add(session_id)
                return
            self._given[session_id] = order
            self._undelivered.discard(session_id)

    async def deliver_again(self) -> None:
        """Orders that did not arrive."""
        for session_id in list(self._undelivered):
            await self.deliver(session_id)

    async def on_snapshot(self, rooms: Sequence[dict[str, Any]], session_ids: Sequence[str]) -> None:
        """A mediaserver was found: it knows what `rooms` say, which may be nothing."""
        for session_id in session_ids:
            self._given.pop(session_id, None)
        for room in rooms:
            for state in room.get("cameras", []):
                await self.heard({"room": room["room"], **state})
        has_cameras = {str(room["room"]) for room in rooms if room.get("cameras")}
        for session_id in session_ids:
            if session_id in has_cameras:  # never equal to an order, so that one goes out
                self._given[session_id] = CamerasOrder("", session_id, "", ())
            await self.deliver(session_id)

    async def moved(self, session_id: str) -> None:
        """Its room is on another media process, which knows no camera yet."""
        self._given.pop(session_id, None)
        await self.deliver(session_id)

    async def changed(self, camera_id: str) -> None:
        """The camera's settings changed, or it is gone: sessions that have it follow."""
        for session_id, order in list(self._given.items()):
            if any(wish.camera_id == camera_id for wish in order.cameras):
                await self.deliver(session_id)
                self._delivery.changed(session_id)

    async def heard(self, event: dict[str, Any]) -> None:
        """A camera's state, as its process tells it."""
        values: dict[str, Any] = {"state": str(event["state"])[:40], "state_detail": str(event.get("detail", ""))[:40]}
        values["state_utc_ms"] = self._delivery.now_ms()
        for name in ("width", "height"):
            if isinstance(event.get(name), int):
                values[name] = event[name]
        async with self._delivery.database.begin() as db:
            await db.execute(update(Camera).where(Camera.id == str(event["camera_id"])).values(**values))
        if event["room"]:
            self._delivery.changed(str(event["room"]))


async def _cameras_of(db: AsyncSession, viewer: Viewer) -> list[Camera]:
    query = select(Camera).where(Camera.county == viewer.county, Camera.place_id == viewer.place_id)
    return list(await db.scalars(query.order_by(Camera.name, Camera.id)))


def _chosen(session_id: str, column: Any) -> Any:
    return select(column).where(SessionCamera.session_id == session_id)


async def _camera_participant(step: Step, camera: Camera, place_name: str) -> Participant:
    """The camera's endpoint in this session: the same one each time it is taken in."""
    for participant in step.rows.participants:
        if participant.kind == KIND and participant.subject_id == camera.id:
            return participant
    made = Participant(
        id=new_id(),
        session_id=step.rows.session.id,
        kind=KIND,
        subject_id=camera.id,
        role=KIND,
        name=camera.name,
        place_name=place_name,
        present=False,
    )
    step.db.add(made)
    await step.db.flush()
    step.rows.participants.append(made)
    return made


async def _order(db: AsyncSession, session: Session) -> CamerasOrder | None:
    """What the room shall have now; None when the session is over."""
    if session.state == SessionState.ENDED.value:
        return None
    query = (
        select(SessionCamera, Camera, Participant, Place.name)
        .join(Camera, Camera.id == SessionCamera.camera_id)
        .join(Participant, Participant.id == SessionCamera.owner_id)
        .join(Place, Place.id == Camera.place_id)
        .where(SessionCamera.session_id == session.id, Participant.present)
        .order_by(SessionCamera.camera_id)
    )
    wishes = [
        CameraWish(
            camera_id=camera.id,
            peer_id=chosen.participant_id,
            name=camera.name,
            place=place_name,
            address=camera.address,
            username=camera.username,
            password=camera.password_sealed,
            transport="udp" if camera.transport == "udp" else "tcp",
            sound=camera.sound,
        )
        for chosen, camera, _, place_name in (await db.execute(query)).all()
    ]
    return CamerasOrder(session.county, session.id, session.id, tuple(wishes))
