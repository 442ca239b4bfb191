# SPDX-License-Identifier: Apache-2.0
"""Keeps the child processes of the rooms' IP cameras: starts what web orders, starts the dead again, ends the rest.

A child gets its order and its tokens on standard input and tells its states on standard output; when this process ends,
by whatever, its pipe ends and with it the child.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

from storage.access import CamerasOrder, CameraWish, RoomToken, mint_room_token
from storage.camera_passwords import PasswordLost, open_password

log = structlog.get_logger(__name__)

MAX_OF_ROOM: Final = 4
MAX_OF_PROCESS: Final = 32
"""Each child has some 90 MB and, with sound, a hundredth of a core."""
END_WITHIN_S: Final = 5.0
RESTART_FIRST_S: Final = 1.0
RESTART_LAST_S: Final = 15.0
MAX_LINE_BYTES: Final = 16 * 1024
Publish = Callable[[str, dict[str, Any]], None]
"""Tells web: (type, fields)."""
Gone = Callable[[str, str], None]
"""The process of (room, peer id) has ended, in good order or not."""


class TooManyCameras(Exception):
    """More cameras than a room or this process takes."""


@dataclass
class _Child:
    """One camera in one room."""

    order: CamerasOrder
    wish: CameraWish
    state: dict[str, Any] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None
    ending: asyncio.Event = field(default_factory=asyncio.Event)


class CameraKeeper:
    """All cameras of this process."""

    def __init__(self, media_socket: Path, secrets_dir: Path, publish: Publish, gone: Gone) -> None:
        self._media_socket, self._secrets_dir, self._publish, self._gone = media_socket, secrets_dir, publish, gone
        self._children: dict[tuple[str, str], _Child] = {}
        self._ended: set[asyncio.Task[None]] = set()

    def obey(self, order: CamerasOrder) -> None:
        """Make the room's cameras those of the order. Raises TooManyCameras and changes nothing then."""
        others = sum(room != order.room for room, _ in self._children)
        if len(order.cameras) > MAX_OF_ROOM or others + len(order.cameras) > MAX_OF_PROCESS:
            raise TooManyCameras
        wanted = {wish.camera_id: wish for wish in order.cameras}
        for (room, camera_id), child in list(self._children.items()):
            if room == order.room and not _same(wanted.get(camera_id), child.wish):
                self._end(room, camera_id)
        for camera_id, wish in wanted.items():
            if (order.room, camera_id) not in self._children:
                child = self._children[order.room, camera_id] = _Child(order, wish)
                child.task = asyncio.create_task(self._keep(child))

    def end_room(self, room: str) -> None:
        """The room is closed."""
        for known, camera_id in list(self._children):
            if known == room:
                self._end(room, camera_id)

    def states(self, room: str) -> list[dict[str, Any]]:
        """Newest states of the room's cameras."""
        return [child.state for (known, _), child in self._children.items() if known == room and child.state]

    def has(self, room: str, peer_id: str) -> bool:
        """This peer is one of the room's cameras."""
        return any(known == room and child.wish.peer_id == peer_id for (known, _), child in self._children.items())

    async def close(self) -> None:
        """End all children and wait for them."""
        for room, camera_id in list(self._children):
            self._end(room, camera_id)
        await asyncio.gather(*self._ended, return_exceptions=True)

    def _end(self, room: str, camera_id: str) -> None:
        child = self._children.pop((room, camera_id))
        child.ending.set()
        if child.task is not None:
            self._ended.add(child.task)
            child.task.add_done_callback(self._ended.discard)

    async def _keep(self, child: _Child) -> None:
        delay_s = RESTART_FIRST_S
        while not child.ending.is_set():
            began_s = asyncio.get_running_loop().time()
            try:
                status = await self._run(child)
            except (OSError, PasswordLost) as error:
                log.warning("camera_not_started", camera=child.wish.camera_id, reason=type(error).__name__)
                status = -1
            self._gone(child.order.room, child.wish.peer_id)
            if child.ending.is_set():
                return
            if asyncio.get_running_loop().time() - began_s > RESTART_LAST_S:
                delay_s = RESTART_FIRST_S
            log.warning("camera_process_ended", camera=child.wish.camera_id, status=status)
            self._told(child, {"state": "fault", "detail": ""})
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(child.ending.wait(), delay_s)
            delay_s = min(RESTART_LAST_S, delay_s * 2)

    async def _run(self, child: _Child) -> int:
        """One process, from its start to its end."""
        order = {
            "task": "room",
            "camera": {
                "address": child.wish.address,
                "username": child.wish.username,
                "password": open_password(self._secrets_dir, child.wish.camera_id, child.wish.password),
                "transport": child.wish.transport,
                "sound": child.wish.sound,
            },
            "socket": str(self._media_socket),
            "room": child.order.room,
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "mediaserver.cameras",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=child_environment(),
            limit=MAX_LINE_BYTES,
            start_new_session=True,  # a Ctrl-C at the terminal must not end it before us
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(order).encode() + b"\n")
        listening = asyncio.create_task(self._listen(child, process))
        ending = asyncio.create_task(child.ending.wait())
        try:
            await asyncio.wait({listening, ending}, return_when=asyncio.FIRST_COMPLETED)
            return await _ended(process)
        finally:
            for task in (listening, ending):
                task.cancel()
            await asyncio.gather(listening, ending, return_exceptions=True)
            if process.returncode is None:
                process.kill()

    async def _listen(self, child: _Child, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None and process.stdin is not None
        try:
            while line := await process.stdout.readline():
                message = json.loads(line)
                if message.get("ask") == "token":
                    process.stdin.write(json.dumps({"token": self._token(child)}).encode() + b"\n")
                elif "state" in message:
                    self._told(child, message)
                elif "lost" in message:
                    log.info("camera_left_room", camera=child.wish.camera_id, reason=str(message["lost"])[:40])
        except ValueError:  # a line that is none of ours
            log.error("camera_speaks_otherwise", camera=child.wish.camera_id)

    def _token(self, child: _Child) -> str:
        order, wish = child.order, child.wish
        token = RoomToken(order.county, order.room, order.session, wish.peer_id, wish.name, wish.place, ("publish",))
        return mint_room_token(self._secrets_dir, token)

    def _told(self, child: _Child, message: dict[str, Any]) -> None:
        names = ("state", "detail", "width", "height", "sound_codec")
        told: dict[str, Any] = {name: message[name] for name in names if name in message}
        child.state = {"camera_id": child.wish.camera_id, "peer_id": child.wish.peer_id, **told}
        log.info("camera_state", camera=child.wish.camera_id, state=told.get("state"), detail=told.get("detail"))
        self._publish("camera_state", {"room": child.order.room, **child.state})


def _same(wanted: CameraWish | None, running: CameraWish) -> bool:
    """Whether the running child is what is wanted. A password is sealed anew only when it was changed."""
    return wanted is not None and asdict(wanted) == asdict(running)


def child_environment() -> dict[str, str]:
    """Where `python -m` finds this program, wherever it was started."""
    packages = str(Path(__file__).parents[2])
    further = [path for path in [os.environ.get("PYTHONPATH", "")] if path]
    return {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": os.pathsep.join([packages, *further])}


async def _ended(process: asyncio.subprocess.Process) -> int:
    """Close the pipe, wait, be firmer."""
    assert process.stdin is not None
    process.stdin.close()
    for firmer in (process.terminate, process.kill):
        try:
            return await asyncio.wait_for(process.wait(), END_WITHIN_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                firmer()
    return await process.wait()
