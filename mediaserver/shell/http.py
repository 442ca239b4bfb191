# SPDX-License-Identifier: Apache-2.0
"""The mediaserver's HTTP face on a Unix socket: orders from web, its event stream, and the pages' signalling."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog
from aiohttp import WSMsgType, web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from mediaserver.errors import PeerFault
from mediaserver.shell.camera_keeper import CameraKeeper, TooManyCameras
from mediaserver.shell.client import Client
from mediaserver.shell.feed_server import FeedServer
from mediaserver.shell.figures import Figures
from mediaserver.shell.live_room import LiveRoom
from mediaserver.shell.sampler import Sampler
from mediaserver.shell.transport import Hub
from mediaserver.shell.whip import DoorClient, Doors
from mediaserver.signalling import messages
from mediaserver.signalling.messages import ProtocolFault
from mediaserver.signalling.session import Arrow, State
from storage.access import (
    AccessDenied,
    CamerasOrder,
    CloseOrder,
    EventOrder,
    ModerateOrder,
    Order,
    RemoveOrder,
    RoomOrder,
    verify_order,
    verify_room_token,
)
from storage.turn import IceServer

log = structlog.get_logger(__name__)

PING_EVERY_S: Final = 5.0
MAX_BODY_BYTES: Final = 256 * 1024
MAX_WATCHERS: Final = 16
WATCHER_QUEUE: Final = 1000
"""Events waiting for a slow web; beyond it the stream is closed and web takes a new snapshot."""
_NOT_LET_IN: Final = {
    # web is asked again, and says why in the person's language
    "barred": messages.CLOSE_BAD_TOKEN,
    "room_locked": messages.CLOSE_BAD_TOKEN,
    "waiting_room_full": messages.CLOSE_DENIED,
}
OrderT = TypeVar("OrderT", bound=Order)


class Door:
    """All rooms of the process, and who may do what with them."""

    def __init__(
        self,
        hub: Hub,
        feed: FeedServer,
        secrets_dir: Path,
        media_socket: Path,
        worker: int = 0,
        servers: Callable[[str], list[IceServer]] = lambda _: [],
    ) -> None:
        self._hub, self._feed, self._secrets_dir, self._worker = hub, feed, secrets_dir, worker
        self._started_s = time.monotonic()
        self.draining = False
        self.cameras = CameraKeeper(media_socket, secrets_dir, self._publish, self._camera_gone)
        self._rooms: dict[str, LiveRoom] = {}
        self._resumable: dict[str, Client] = {}
        self._watchers: set[asyncio.Queue[dict[str, Any] | None]] = set()
        self.counters: dict[str, int] = {}
        self._servers = servers
        self._sampler = Sampler(self._rooms, self._has_page)
        self._doors = Doors(self._rooms, secrets_dir, servers, self._count)
        feed.on_keyframe_request = self._keyframe

    def application(self) -> web.Application:
        """The aiohttp application."""
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/metrics", self._metrics),
                web.get("/rooms", self._list),
                web.get("/rooms/{room}", self._show),
                web.put("/rooms/{room}", self._put),
                web.put("/rooms/{room}/cameras", self._put_cameras),
                web.post("/rooms/{room}/events", self._event),
                web.post("/rooms/{room}/close", self._close),
                web.post("/rooms/{room}/moderation", self._moderate),
                web.delete("/rooms/{room}/peers/{peer_id}", self._remove),
                web.get("/events", self._watch),
                web.get("/rooms/{room}/ws", self._signalling),
            ]
        )
        self._doors.add_routes(app)
        return app

    def start(self) -> None:
        """Begin what works by itself; in the event loop."""
        self._sampler.start()

    def _has_page(self, room_id: str, peer_id: str) -> bool:
        """False of what comes by WHIP and of cameras: nobody measures there."""
        room = self._rooms.get(room_id)
        client = None if room is None else room.clients.get(peer_id)
        return not isinstance(client, DoorClient) and not self.cameras.has(room_id, peer_id)

    def _count(self, name: str) -> None:
        self.counters[name] = self.counters.get(name, 0) + 1

    def _keyframe(self, track: int) -> None:
        for room in self._rooms.values():
            if room.keyframe_for_track(track):
                room.flush()
                return

    def _publish(self, kind: str, fields: dict[str, Any]) -> None:
        message = {"type": kind, "utc_ms": time.time_ns() // 1_000_000, **fields}
        for queue in list(self._watchers):
            try:
                queue.put_nowait(message)
            except asyncio.QueueFull:
                self._watchers.discard(queue)
                queue.get_nowait()
                queue.put_nowait(None)

    # Orders

    async def _order(self, request: web.Request, kind: type[OrderT]) -> OrderT:
        try:
            body = await request.json()
            order = verify_order(self._secrets_dir, body["order"])
        except (ValueError, KeyError, TypeError):
            raise _refuse(web.HTTPBadRequest, "bad_order") from None
        except AccessDenied as denied:
            self._count("orders_refused")
            raise _refuse(web.HTTPForbidden, denied.code) from None
        if not isinstance(order, kind) or order.room != request.match_info["room"]:
            raise _refuse(web.HTTPForbidden, "order_for_another_room")
        return order

    def _room(self, request: web.Request) -> LiveRoom:
        room = self._rooms.get(request.match_info["room"])
        if room is None:
            raise _refuse(web.HTTPNotFound, "unknown_room")
        return room

    async def _put(self, request: web.Request) -> web.Response:
        order = await self._order(request, RoomOrder)
        room = self._rooms.get(order.room)
        if room is None:
            if self.draining:
                self._count("rooms_refused")
                raise _refuse(web.HTTPServiceUnavailable, "draining")
            room = self._rooms[order.room] = LiveRoom(order, self._hub, self._feed, self._publish, self._servers)
            room.watch.is_camera = partial(self.cameras.has, order.room)
        else:
            room.obey(order)
        return web.json_response(room.describe())

    async def _event(self, request: web.Request) -> web.Response:
        order = await self._order(request, EventOrder)
        self._room(request).event(order)
        return web.json_response({})

    async def _put_cameras(self, request: web.Request) -> web.Response:
        order = await self._order(request, CamerasOrder)
        self._room(request)
        try:
            self.cameras.obey(order)
        except TooManyCameras:
            raise _refuse(web.HTTPConflict, "too_many_cameras") from None
        return web.json_response({"cameras": self.cameras.states(order.room)})

    def _camera_gone(self, room_id: str, peer_id: str) -> None:
        """A camera's process that was killed could not take its leave."""
        room = self._rooms.get(room_id)
        if room is not None and peer_id in room.clients:
            room.remove(peer_id, "camera_ended")

    async def _close(self, request: web.Request) -> web.Response:
        order = await self._order(request, CloseOrder)
        self.cameras.end_room(order.room)
        room = self._rooms.pop(order.room, None)
        if room is not None:
            self._forget(room)
            room.move_away() if order.moved else room.close(order.reason)
        return web.json_response({})

    async def _remove(self, request: web.Request) -> web.Response:
        order = await self._order(request, RemoveOrder)
        if order.peer_id != request.match_info["peer_id"]:
            raise _refuse(web.HTTPForbidden, "order_for_another_peer")
        try:
            self._room(request).remove(order.peer_id, order.reason)
        except PeerFault as fault:
            raise _refuse(web.HTTPNotFound, fault.code) from None
        return web.json_response({})

    async def _moderate(self, request: web.Request) -> web.Response:
        order = await self._order(request, ModerateOrder)
        room = self._room(request)
        try:
            room.moderation.act(order)
        except PeerFault as fault:
            raise _refuse(web.HTTPNotFound, fault.code) from None
        return web.json_response(room.moderation.state.describe_to_web())

    def _forget(self, room: LiveRoom) -> None:
        self._resumable = {token: client for token, client in self._resumable.items() if client.room is not room}

    # What web reads

    async def _healthz(self, request: web.Request) -> web.Response:
        return web.json_response({"ok": True, "boot_id": self._feed.boot_id, "draining": self.draining})

    async def _list(self, request: web.Request) -> web.Response:
        return web.json_response({"rooms": [room.describe() for room in self._rooms.values()]})

    async def _show(self, request: web.Request) -> web.Response:
        room = self._room(request)
        return web.json_response({**room.describe(), "stats": room.stats()})

    async def _metrics(self, request: web.Request) -> web.Response:
        figures = Figures(self._worker)
        figures.process(self._started_s)
        figures.plain(self._figures())
        for room in self._rooms.values():
            figures.room(room.describe(), room.stats())
        registry = CollectorRegistry()
        registry.register(figures)
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    def _figures(self) -> dict[str, float]:
        figures: dict[str, float] = {
            "rooms": len(self._rooms),
            "peers": sum(len(r.clients) for r in self._rooms.values()),
            "draining": self.draining,
        }
        figures |= {f"port_{name}": value for name, value in self._hub.port.counters.items()}
        figures |= {f"dropped_{name}": value for name, value in self._hub.dropped.items()}
        figures |= {f"feed_{name}": value for name, value in self._feed.stats().items()}
        return figures | self.counters

    async def _watch(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(heartbeat=PING_EVERY_S)
        await socket.prepare(request)
        if len(self._watchers) >= MAX_WATCHERS:
            await socket.close(code=1013, message=b"too_many_watchers")
            return socket
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(WATCHER_QUEUE)
        self._watchers.add(queue)
        rooms = [{**room.describe(), "cameras": self.cameras.states(room.room_id)} for room in self._rooms.values()]
        writer = asyncio.create_task(
            _stream(
                socket,
                queue,
                {"type": "snapshot", "boot_id": self._feed.boot_id, "draining": self.draining, "rooms": rooms},
            )
        )
        try:
            async for _ in socket:
                pass
        finally:
            self._watchers.discard(queue)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        return socket

    # Signalling

    async def _signalling(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(heartbeat=PING_EVERY_S, max_msg_size=messages.MAX_MESSAGE_BYTES)
        await socket.prepare(request)
        room = self._rooms.get(request.match_info["room"])
        if room is None:
            self._count("unknown_room")
            await socket.close(code=messages.CLOSE_UNKNOWN_ROOM, message=b"unknown_room")
            return socket
        client: Client | None = None
        try:
            async for message in socket:
                if message.type is not WSMsgType.TEXT:
                    raise ProtocolFault("not_text", "messages are text")
                client = await self._take(room, socket, client, messages.parse_request(message.data))
                if socket.closed:
                    break
        except ProtocolFault as fault:
            self._count("protocol_faults")
            if fault.request_id is not None and not socket.closed:
                await socket.send_str(messages.refusal(fault.request_id, fault))
            await socket.close(code=messages.CLOSE_PROTOCOL, message=fault.code.encode()[:120])
        finally:
            self._socket_ended(room, client, socket)
        return socket

    async def _take(
        self, room: LiveRoom, socket: web.WebSocketResponse, client: Client | None, request: messages.Request
    ) -> Client | None:
        body = request.body
        try:
            if client is None:
                client, answer = self._enter(room, socket, body)
            elif isinstance(body, messages.Leave):
                client.send(messages.reply(request.id, {}))
                if client.session.state is State.WAITING:
                    room.moderation.withdraw(client, Arrow.LEAVE)
                    client.hang_up(messages.CLOSE_ROOM_CLOSED, "left")
                else:
                    room.leave(client, Arrow.LEAVE)
                return client
            elif isinstance(body, messages.Ping) and client.session.state is State.WAITING:
                answer = {}
            elif isinstance(body, messages.Hello | messages.Resume):
                raise PeerFault("already_joined")
            else:
                client.session.advance(Arrow.REQUEST)
                answer = room.handle(client, body)
        except AccessDenied as denied:
            self._count("tokens_refused")
            await socket.send_str(messages.refusal(request.id, PeerFault(denied.code)))
            await socket.close(code=messages.CLOSE_BAD_TOKEN, message=denied.code.encode())
            return client
        except PeerFault as fault:
            refusal = messages.refusal(request.id, fault)
            await socket.send_str(refusal) if client is None else client.send(refusal)
            if client is None and fault.code in _NOT_LET_IN:
                self._count(fault.code)
                await socket.close(code=_NOT_LET_IN[fault.code], message=fault.code.encode())
            return client
        client.send(messages.reply(request.id, answer))
        return client

    def _enter(
        self, room: LiveRoom, socket: web.WebSocketResponse, body: messages.Body
    ) -> tuple[Client, dict[str, Any]]:
        """Hello or resume. Raises AccessDenied, PeerFault `resume_failed`, `not_joined`, and those of `_NOT_LET_IN`."""
        if isinstance(body, messages.Hello):
            token = verify_room_token(self._secrets_dir, body.token)
            if token.room != room.room_id:
                raise AccessDenied("token_invalid")
            client = Client()
            answer = room.enter(client, token)
            client.attach(socket)
            self._resumable[client.resume_token] = client
            return client, answer
        if isinstance(body, messages.Resume):
            known = self._resumable.get(body.resume_token)
            if known is None or known.room is not room or not known.session.present:
                raise PeerFault("resume_failed")
            known.session.advance(Arrow.RESUME)
            known.attach(socket)
            return known, room.resumed(known)
        raise PeerFault("not_joined")

    def _socket_ended(self, room: LiveRoom, client: Client | None, socket: web.WebSocketResponse) -> None:
        if client is None or not client.detach(socket):
            return
        if client.session.state is State.WAITING:
            room.moderation.withdraw(client, Arrow.SOCKET_LOST)
        elif client.session.present:
            if socket.close_code == messages.CLOSE_GOING_AWAY:
                room.leave(client, Arrow.PAGE_CLOSED)
            else:
                client.session.advance(Arrow.SOCKET_LOST)
        if client.session.state is State.LEFT:
            self._resumable.pop(client.resume_token, None)

    def drain(self) -> None:
        """No new rooms from now on; web hears of it and moves those that can be moved."""
        if not self.draining:
            self.draining = True
            self._publish("draining", {})

    def is_empty(self) -> bool:
        """Nobody is in a call here, or waits for one. Whose socket is away comes back to another process as well."""
        return not any(client.attached for room in self._rooms.values() for client in room.everybody())

    async def close(self) -> None:
        """End all rooms' sockets without ending the rooms' recordings: the pages come back to a new process."""
        await self._sampler.close()
        await self.cameras.close()
        for room in self._rooms.values():
            for client in list(room.clients.values()):
                client.hang_up(messages.CLOSE_RESTART, "restart")
        self._doors.close()
        await asyncio.sleep(0)


async def _stream(
    socket: web.WebSocketResponse, queue: asyncio.Queue[dict[str, Any] | None], first: dict[str, Any]
) -> None:
    await socket.send_json(first)
    while (message := await queue.get()) is not None:
        await socket.send_json(message)
    await socket.close(code=1013, message=b"too_slow")


def _refuse(kind: type[web.HTTPError], code: str) -> web.HTTPError:
    return kind(text=json.dumps({"error": {"code": code}}), content_type="application/json")
