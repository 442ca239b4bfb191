# SPDX-License-Identifier: Apache-2.0
"""Brings one camera into one room: joins with its first key frame, sends what comes, says when nothing comes."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from mediaserver.cameras.camera import Camera, CameraFacts
from mediaserver.cameras.clock import CameraClock
from mediaserver.cameras.h264 import Picture
from mediaserver.cameras.peer import RoomLost, RoomPeer
from mediaserver.cameras.sound import OpusPacket
from mediaserver.cameras.states import CameraSpec, State
from mediaserver.cameras.streams import OutgoingStream

REPORT_EVERY_S: Final = 1.0
MAX_WAITING: Final = 256
"""Pictures and sounds between the camera's thread and the loop (the joining takes a moment). Beyond it they are left
out, pictures until the next key frame."""
TOKEN_WITHIN_S: Final = 5.0
Say = Callable[[dict[str, Any]], None]


def run_in_room(spec: CameraSpec, media_socket: str, room: str, say: Say) -> int:
    """Work until standard input ends (0) or the room is lost (1)."""
    return asyncio.run(_run(spec, Path(media_socket), room, say))


async def _run(spec: CameraSpec, media_socket: Path, room: str, say: Say) -> int:
    membership = Membership(media_socket, room, say)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    tasks = [
        asyncio.create_task(membership.work()),
        asyncio.create_task(_listen(membership)),
        asyncio.create_task(stop.wait()),
    ]
    camera = Camera(spec, membership, membership.clock)
    threading.Thread(target=camera.run, name="camera", daemon=True).start()
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    camera.stop()
    status = 1 if tasks[0] in done else 0
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    if isinstance(results[0], RoomLost):
        say({"lost": str(results[0])})
    elif isinstance(results[0], Exception):
        raise results[0]
    await membership.leave()
    return status


async def _listen(membership: Membership) -> None:
    """Lines of the parent, until it closes the pipe or ends."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        membership.token_came(str(json.loads(line)["token"]))


class Membership:
    """The camera's thread calls `on_…`; everything else runs in the loop."""

    def __init__(self, media_socket: Path, room: str, say: Say) -> None:
        self._media_socket, self._room, self._say = media_socket, room, say
        self._loop = asyncio.get_running_loop()
        self._items: asyncio.Queue[Callable[[], Any]] = asyncio.Queue()
        self._token: asyncio.Future[str] | None = None
        self._peer: RoomPeer | None = None
        self._streams: dict[str, OutgoingStream] = {}
        self._profile = ""
        self._paused = False
        self._skipping = False
        self._report_at = 0.0
        self.clock = CameraClock()
        self.left_out = 0

    # What the camera's thread calls

    def on_state(self, state: State, detail: str, facts: CameraFacts | None) -> None:
        """See `camera.Sink`."""
        self._loop.call_soon_threadsafe(self._items.put_nowait, lambda: self._changed(state, detail, facts))

    def on_picture(self, line_s: float, picture: Picture) -> None:
        """See `camera.Sink`."""
        self._loop.call_soon_threadsafe(self._queue_picture, line_s, picture)

    def on_sound(self, packet: OpusPacket) -> None:
        """See `camera.Sink`."""
        self._loop.call_soon_threadsafe(self._queue_sound, packet)

    def _queue_picture(self, line_s: float, picture: Picture) -> None:
        self._skipping = self._items.qsize() >= MAX_WAITING or (self._skipping and not picture.keyframe)
        if self._skipping:
            self.left_out += 1
        else:
            self._items.put_nowait(lambda: self._send("cam", picture.payloads, line_s, None))

    def _queue_sound(self, packet: OpusPacket) -> None:
        if self._items.qsize() < MAX_WAITING:
            self._items.put_nowait(lambda: self._send("mic", [packet.data], packet.line_s, packet.level))

    # In the loop

    async def work(self) -> None:
        """One thing after another. Raises RoomLost."""
        while True:
            item = await self._next()
            result = item()
            if result is not None:
                await result
            if time.monotonic() >= self._report_at:
                self._send_reports()

    async def _next(self) -> Callable[[], Any]:
        if self._peer is None:
            return await self._items.get()
        getting = asyncio.ensure_future(self._items.get())
        waited: set[asyncio.Future[Any]] = {getting, self._peer.lost}
        try:
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if self._peer.lost.done():
                raise RoomLost(self._peer.lost.result())
            return getting.result()
        finally:
            getting.cancel()

    def _send(self, source: str, payloads: list[bytes], line_s: float, level: int | None) -> None:
        stream = self._streams.get(source)
        if self._peer is not None and stream is not None:
            self._peer.send(stream.send(payloads, line_s, level=level))

    def _send_reports(self) -> None:
        now = time.monotonic()
        self._report_at = now + REPORT_EVERY_S
        if self._peer is None or self._paused:
            return
        line_s = self.clock.on_line(now)
        for stream in self._streams.values():
            if stream.packets:
                self._peer.send([stream.report(line_s, time.time(), "camera")], is_rtcp=True)

    async def _changed(self, state: State, detail: str, facts: CameraFacts | None) -> None:
        told: dict[str, Any] = {"state": state.value, "detail": detail}
        if facts is not None:
            told |= {"width": facts.width, "height": facts.height, "sound_codec": facts.sound_codec}
        self._say(told)
        if facts is not None:
            await self._publish(facts)
        elif self._peer is not None and not self._paused:
            self._paused = True
            await self._peer.pause(True)

    async def _publish(self, facts: CameraFacts) -> None:
        if self._peer is None:
            self._peer = RoomPeer(self._media_socket, self._room)
            await self._peer.join(await self._ask_token())
        if "cam" not in self._streams or facts.profile_level_id != self._profile:
            self._profile = facts.profile_level_id
            await self._begin("cam", "video")
        if facts.sound and "mic" not in self._streams:
            await self._begin("mic", "audio")
        if self._paused:
            self._paused = False
            await self._peer.pause(False)
        self._report_at = 0.0

    async def _begin(self, source: str, kind: str) -> None:
        assert self._peer is not None
        numbers = (secrets.randbits(32), secrets.randbits(15), secrets.randbits(32))
        stream = self._streams[source] = OutgoingStream(kind, *numbers)
        await self._peer.publish(source, stream, stream.parameters(self._profile))

    async def _ask_token(self) -> str:
        self._token = self._loop.create_future()
        self._say({"ask": "token"})
        try:
            async with asyncio.timeout(TOKEN_WITHIN_S):
                return await self._token
        except TimeoutError:
            raise RoomLost("no_token") from None

    def token_came(self, token: str) -> None:
        """The parent's answer."""
        if self._token is not None and not self._token.done():
            self._token.set_result(token)

    async def leave(self) -> None:
        """Leave the room, if in one."""
        if self._peer is not None:
            await self._peer.leave()
