# SPDX-License-Identifier: Apache-2.0
"""One client of a room: a person's page, with the WebSocket it has at this moment, if any."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from mediaserver.shell.transport import Transport
from mediaserver.signalling import messages
from mediaserver.signalling.session import ClientSession, Liveness, Presence
from storage.access import RoomToken

if TYPE_CHECKING:
    from mediaserver.shell.live_room import LiveRoom

MAX_QUEUED: Final = 512
"""Notifications waiting for a slow page; beyond it the socket is closed, and the page resumes with the full state."""


class Client:
    """State that outlives a WebSocket. Messages to the page go through one bounded queue, in order."""

    def __init__(self) -> None:
        self.session = ClientSession()
        self.transports: dict[str, Transport] = {}
        self.peer_id = self.name = self.place = ""
        self.resume_token = secrets.token_urlsafe(24)
        self.room: LiveRoom | None = None
        self.presence = Presence.CONNECTED
        self._liveness = Liveness(time.monotonic())
        self._socket: web.WebSocketResponse | None = None
        self._queue: asyncio.Queue[str | tuple[int, str]] = asyncio.Queue(MAX_QUEUED)
        self._writer: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    def introduce(self, token: RoomToken) -> None:
        """The token was good: this is who the page is."""
        self.peer_id, self.name, self.place = token.peer_id, token.name, token.place

    def enter(self, room: LiveRoom, token: RoomToken, now: float) -> None:
        """It has a place in this room from now on."""
        self.introduce(token)
        self.room = room
        self._liveness.joined_s, self._liveness.last_stun_s = now, None

    def describe(self, now: float) -> dict[str, Any]:
        """As the others see this peer."""
        return {"peer_id": self.peer_id, "name": self.name, "place": self.place, "state": self.presence.value}

    def attach(self, socket: web.WebSocketResponse) -> None:
        """`socket` is this client's from now on; what another one still had queued is in the state it gets."""
        old, self._socket = self._socket, socket
        self._queue = asyncio.Queue(MAX_QUEUED)
        if old is not None and not old.closed:
            self.spawn(old.close(code=messages.CLOSE_RESTART, message=b"resumed"))
        self._liveness.socket_open = True
        self._stop_writing()
        self._writer = self.spawn(self._write(socket, self._queue))

    def _stop_writing(self) -> None:
        """A writer whose socket is gone would wait for its queue for ever."""
        if self._writer is not None:
            self._writer.cancel()
            self._writer = None

    @property
    def attached(self) -> bool:
        """True while the page has a socket here."""
        return self._socket is not None

    def detach(self, socket: web.WebSocketResponse) -> bool:
        """The socket ended; False when another one has already taken its place."""
        if self._socket is not socket:
            return False
        self._socket = None
        self._stop_writing()
        self._liveness.socket_open, self._liveness.socket_lost_s = False, time.monotonic()
        return True

    def observe(self, now: float) -> Presence:
        """Look for signs of life."""
        last: float | None = None
        for transport in self.transports.values():
            checked = transport.ice.last_check_s
            if checked is not None and (last is None or checked > last):
                last = checked
        self._liveness.last_stun_s = last
        self.presence = self._liveness.presence(now)
        return self.presence

    def send(self, text: str) -> None:
        """Queue a message. Without a socket it is dropped: a resume brings the whole state."""
        if self._socket is None:
            return
        try:
            self._queue.put_nowait(text)
        except asyncio.QueueFull:
            self.spawn(self._socket.close(code=messages.CLOSE_RESTART, message=b"too_slow"))

    def notify(self, kind: str, data: dict[str, Any]) -> None:
        """Queue a notification."""
        self.send(messages.notification(kind, data))

    def hang_up(self, code: int, reason: str) -> None:
        """Close the socket after what is queued."""
        if self._socket is not None and not self._queue.full():
            self._queue.put_nowait((code, reason))
        elif self._socket is not None:
            self.spawn(self._socket.close(code=code, message=reason.encode()))

    async def _write(self, socket: web.WebSocketResponse, queue: asyncio.Queue[str | tuple[int, str]]) -> None:
        try:
            while True:
                item = await queue.get()
                if isinstance(item, str):
                    await socket.send_str(item)
                else:
                    await socket.close(code=item[0], message=item[1].encode())
                    return
        except ConnectionError:  # the reading side sees the same end and deals with it
            return

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run `work` beside; kept until done."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
