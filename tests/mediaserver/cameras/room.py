# SPDX-License-Identifier: Apache-2.0
"""A real mediaserver with one room, ordered as web orders it; what its cameras say, and a page that watches them."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from storage.access import (
    CamerasOrder,
    CameraWish,
    CloseOrder,
    Order,
    RoomOrder,
    RoomToken,
    mint_order,
    mint_room_token,
)
from storage.camera_passwords import seal_password
from tests.mediaserver.cameras.servers import PASSWORD, USER
from tests.mediaserver.shell.endpoint import Page, Wire, unix_session, until
from tests.ports import free_port

_NUMBERS = itertools.count(1)


@dataclass
class MediaRoom:
    """The mediaserver, its room, and its event stream."""

    http: aiohttp.ClientSession
    secrets: Path
    name: str
    process: asyncio.subprocess.Process
    log: Path
    events: list[dict[str, Any]] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)

    async def order(self, method: str, path: str, order: Order) -> aiohttp.ClientResponse:
        return await self.http.request(
            method, f"http://media/rooms/{self.name}{path}", json={"order": mint_order(self.secrets, order)}
        )

    async def cameras(self, *wishes: CameraWish) -> None:
        """These, and no others."""
        answer = await self.order("PUT", "/cameras", CamerasOrder("c", self.name, self.name, wishes))
        assert answer.status == 200, await answer.text()

    def wish(self, number: int, address: str, *, password: str = PASSWORD, **more: Any) -> CameraWish:
        """A camera of the station, for `cameras`."""
        camera_id = f"cam{number}"
        sealed = seal_password(self.secrets, camera_id, password)
        options = {"transport": "tcp", "sound": False, "username": USER, **more}
        return CameraWish(
            camera_id, f"peer{number}", f"摄像机 {number}", "青石镇派出所", address, password=sealed, **options
        )

    async def page(self, peer: str = "hq") -> Page:
        """Somebody who watches."""
        page = Page(self.http, self.name)
        await page.join(mint_room_token(self.secrets, RoomToken("c", self.name, self.name, peer, f"name {peer}", "HQ")))
        self.pages.append(page)
        return page

    def states(self, number: int = 1) -> list[str]:
        """States of a camera so far."""
        found = [e for e in self.events if e["type"] == "camera_state" and e["camera_id"] == f"cam{number}"]
        return [e["state"] for e in found]

    async def reaches(self, state: str, number: int = 1, *, after: int = 0, within_s: float = 20) -> dict[str, Any]:
        """Wait for a state after the first `after` ones; its event."""
        await until(lambda: state in self.states(number)[after:], within_s)
        return next(e for e in reversed(self.events) if e.get("camera_id") == f"cam{number}" and e["state"] == state)

    async def children(self) -> list[int]:
        """Camera processes of this mediaserver."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]


def stream_of(page: Page, peer: str, kind: str) -> tuple[Wire, int] | None:
    """Where the page gets a peer's picture or sound: its wire and the SSRC."""
    consumers = list(page.joined["consumers"])
    for note in page.notes:
        if note["type"] == "new_consumers":
            consumers += note["data"]["consumers"]
    for consumer in consumers:
        if consumer["peer_id"] == peer and consumer["kind"] == kind:
            return page.wires["recv"], consumer["rtp_parameters"]["encodings"][0]["ssrc"]
    return None


def packets_of(page: Page, peer: str, kind: str) -> list[bytes]:
    """RTP of a peer's picture or sound as it arrived."""
    found = stream_of(page, peer, kind)
    if found is None:
        return []
    wire, ssrc = found
    return [data for data in wire.media if int.from_bytes(data[8:12]) == ssrc]


@dataclass
class MediaServer:
    """A mediaserver of its own."""

    folder: Path
    process: asyncio.subprocess.Process

    @property
    def socket(self) -> Path:
        return self.folder / "run" / "media.sock"

    @property
    def log(self) -> Path:
        return self.folder / "mediaserver.log"


@asynccontextmanager
async def mediaserver(folder: Path) -> AsyncIterator[MediaServer]:
    """The real program."""
    environment = {
        **os.environ,
        "VIDEOHOME_DATA_DIR": str(folder),
        "VIDEOHOME_MEDIA_PORT": str(free_port()),
        "VIDEOHOME_BIND": "127.0.0.1",
        "VIDEOHOME_CONFIG": str(folder / "none.toml"),
    }
    with (folder / "mediaserver.log").open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "mediaserver", env=environment, stderr=file, stdout=file
        )
    server = MediaServer(folder, process)
    await until(lambda: b"mediaserver_ready" in server.log.read_bytes(), 30)
    yield server
    if process.returncode is None:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 10) == 0


@asynccontextmanager
async def room_of(server: MediaServer) -> AsyncIterator[MediaRoom]:
    """A new room in it."""
    async with unix_session(server.socket) as http:
        room = MediaRoom(http, server.folder / "secrets", f"r{next(_NUMBERS)}", server.process, server.log)
        await room.order("PUT", "", RoomOrder("c", room.name, room.name, "off", 1))
        events = await http.ws_connect("http://media/events")
        hearing = asyncio.create_task(_hear(room, events))
        yield room
        for page in room.pages:
            await page.close()
        if server.process.returncode is None:
            await room.order("POST", "/close", CloseOrder(room.name))
        await events.close()
        await asyncio.gather(hearing, return_exceptions=True)


async def _hear(room: MediaRoom, events: aiohttp.ClientWebSocketResponse) -> None:
    async for message in events:
        event = message.json()
        if event.get("room") == room.name:
            room.events.append(event)
