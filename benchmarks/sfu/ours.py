# SPDX-License-Identifier: Apache-2.0
"""Our mediaserver under load: the program as it is shipped, joined through its own signalling."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import sys
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp

from benchmarks.sfu.process import BESIDE_CORE, Child
from benchmarks.sfu.shapes import FULL, Layer, Shape
from benchmarks.sfu.wire import Peer, Stream, Suite, Wire
from storage.access import RoomOrder, RoomToken, mint_order, mint_room_token

LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
TWCC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
ROOM = "bench"


def free_port(address: str, kind: socket.SocketKind = socket.SOCK_DGRAM) -> int:
    """A port that nobody has now, of UDP or (SOCK_STREAM) of TCP."""
    with closing(socket.socket(socket.AF_INET, kind)) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


class Page:
    """One peer's signalling."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.consumers: list[dict[str, Any]] = []
        self._numbers = itertools.count()

    async def ask(self, kind: str, data: dict[str, Any]) -> dict[str, Any]:
        """One request; notes that come before its answer are taken in."""
        number = next(self._numbers)
        await self.socket.send_json({"id": number, "type": kind, "data": data})
        while True:
            message = await self.socket.receive_json(timeout=10)
            if message.get("id") == number:
                if not message["ok"]:
                    raise RuntimeError(f"{kind}: {message}")
                answer: dict[str, Any] = message["data"]
                return answer
            if message.get("type") == "new_consumers":
                self.consumers += message["data"]["consumers"]


class Ours:
    """The adapter; `plane` is python or native. With `recorded`, a recorder runs beside it on a core of its own, or on
    the load's where there are two, and takes everything that is published."""

    def __init__(self, plane: str, folder: Path, address: str, *, recorded: bool = False) -> None:
        self.name = plane
        self.recorder: Child | None = None
        self._plane, self._folder, self._address, self._recorded = plane, folder, address, recorded
        self._pages: list[Page] = []

    async def __aenter__(self) -> Ours:
        self._port = free_port(self._address)
        environment = {
            **os.environ,
            "VIDEOHOME_DATA_DIR": str(self._folder),
            "VIDEOHOME_MEDIA_PORT": str(self._port),
            "VIDEOHOME_BIND": self._address,
            "VIDEOHOME_CONFIG": str(self._folder / "none.toml"),
            "VIDEOHOME_PLANE": self._plane,
        }
        self.child = Child([sys.executable, "-m", "mediaserver"], environment, self._folder / "server.log")
        path = self._folder / "run" / "media.sock"
        await self.child.wait_for(path.exists)
        await asyncio.sleep(0.2)
        self._http = aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path), limit=0))
        if self._recorded:
            self.recorder = Child(
                [sys.executable, "-m", "mediaserver.recorder"],
                {**environment, "VIDEOHOME_DISK_LOW_BYTES": "0", "VIDEOHOME_DISK_FULL_BYTES": "0"},
                self._folder / "recorder.log",
                core=BESIDE_CORE,
                beside=True,
            )
            await self.recorder.wait_for((self._folder / "run" / "recorder.sock").exists)
        order = RoomOrder("c", ROOM, ROOM, "on" if self._recorded else "off", 1, "")
        await self._http.put(
            f"http://m/rooms/{ROOM}", json={"order": mint_order(self._folder / "secrets", order)}, raise_for_status=True
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for page in self._pages:
            await page.socket.close()
        await self._http.close()
        await self.child.stop()
        if self.recorder is not None:
            await self.recorder.stop()

    async def connect(self, shape: Shape, suite: Suite) -> list[Peer]:
        """All peers of the shape, up."""
        publishers = [await self._join(f"p{n}") for n in range(shape.publishers)]
        peers = []
        for number, (page, joined) in enumerate(publishers):
            peer = await self._transport(page, joined, "send", suite)
            layers = shape.layers_of(number)
            peer.streams = await self._publish(page, joined["send_transport"]["id"], number, shape.levels, layers)
            peers.append(peer)
        viewers = [await self._join(f"v{n}") for n in range(shape.subscribers)]
        receivers = viewers + (publishers if shape.publishers > 1 else [])
        peers += [await self._transport(page, joined, "recv", suite) for page, joined in receivers]
        for number, (page, _) in enumerate(receivers):
            await self._show(page, shape.shown_by(number) if shape.tiles else None)
        return peers

    async def _show(self, page: Page, publishers: list[int] | None) -> None:
        """What the page shows, since our server sends no more: these, the first large; None for all."""
        await page.ask("ping", {})  # notes of later publishers have come by then
        pictures = {consumer["peer_id"]: consumer["id"] for consumer in page.consumers if consumer["kind"] == "video"}
        large = {"width": 1280, "height": 720, "role": "stage"}
        small = {"width": 320, "height": 180, "role": "tile"}
        tiles = [
            {"consumer_id": pictures[f"p{p}"], **(small if place else large)}
            for place, p in enumerate(publishers or [])
        ]
        if publishers is None:
            tiles = [{"consumer_id": consumer_id, **large} for consumer_id in pictures.values()]
        await page.ask("view", {"tiles": tiles, "mode": "normal", "cap_kbps": None})

    async def _join(self, peer_id: str) -> tuple[Page, dict[str, Any]]:
        rights = ("publish", "subscribe") if peer_id.startswith("p") else ("subscribe",)
        page = Page(await self._http.ws_connect(f"http://m/rooms/{ROOM}/ws"))
        self._pages.append(page)
        token = mint_room_token(
            self._folder / "secrets",
            RoomToken("c", ROOM, ROOM, peer_id, peer_id, "", rights),  # type: ignore[arg-type]
        )
        joined = await page.ask("hello", {"version": 1, "token": token})
        page.consumers += joined["consumers"]
        return page, joined

    async def _transport(self, page: Page, joined: dict[str, Any], direction: str, suite: Suite) -> Peer:
        described = joined[f"{direction}_transport"]
        wire = Wire(self._address, suite)
        prints = [{"algorithm": wire.fingerprint.algorithm, "value": wire.fingerprint.value}]
        parameters = {"role": "client", "fingerprints": prints}
        await page.ask("connect", {"transport_id": described["id"], "dtls_parameters": parameters})
        candidate = next(c for c in described["iceCandidates"] if c["protocol"] == "udp" and c["ip"] == self._address)
        wire.remote = (candidate["ip"], candidate["port"])
        ice = described["iceParameters"]
        keepalive = wire.check(ice["usernameFragment"], ice["password"])
        peer = await wire.up(
            "client", [(f["algorithm"], f["value"]) for f in described["dtlsParameters"]["fingerprints"]]
        )
        peer.keepalive = keepalive
        if direction == "recv":
            extensions = [e for c in page.consumers for e in c["rtp_parameters"]["headerExtensions"]]
            peer.twcc_id = next((e["id"] for e in extensions if e["uri"] == TWCC), 0)
        return peer

    async def _publish(
        self, page: Page, transport_id: str, number: int, levels: int, layers: tuple[Layer, ...]
    ) -> list[Stream]:
        """`levels` is the id of the audio level extension, 0 for none; `layers` those that are sent."""
        extensions = [{"uri": TWCC, "id": 3}] + ([{"uri": LEVEL, "id": levels}] if levels else [])
        audio = {"mimeType": "audio/opus", "payloadType": 111, "clockRate": 48000, "channels": 2, "parameters": {}}
        video = [
            {"mimeType": "video/VP8", "payloadType": 96, "clockRate": 90000, "parameters": {}},
            {"mimeType": "video/rtx", "payloadType": 97, "clockRate": 90000, "parameters": {"apt": 96}},
        ]
        first = 10_000 * (number + 1)
        offered = 1 if layers == (FULL,) else 3  # all layers, also those that are held back because nobody sees them
        pictures = [{"ssrc": first + 2 * n, "rtx": {"ssrc": first + 2 * n + 1}} for n in range(1, offered + 1)]
        for mid, source, kind, codecs, encodings in (
            ("0", "mic", "audio", [audio], [{"ssrc": first + 1}]),
            ("1", "cam", "video", video, pictures),
        ):
            parameters = {
                "mid": mid,
                "codecs": codecs,
                "headerExtensions": extensions,
                "encodings": encodings,
                "rtcp": {"cname": "load"},
            }
            wanted = {"transport_id": transport_id, "source": source, "kind": kind, "rtp_parameters": parameters}
            await page.ask("produce", wanted)
        sent = [Stream("v", first + 2 * n, 96, 3, layer=layer) for n, layer in enumerate(layers, 1)]
        return [Stream("a", first + 1, 111, 3, levels), *sent]
