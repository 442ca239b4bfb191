# SPDX-License-Identifier: Apache-2.0
"""Debian's Janus under load: its VideoRoom plugin, spoken to by its documented JSON interface over a WebSocket."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp

from benchmarks.sfu.ours import LEVEL, TWCC, free_port
from benchmarks.sfu.process import Child
from benchmarks.sfu.shapes import Shape
from benchmarks.sfu.wire import Peer, Stream, Suite, Wire

ROOM = 1234
LIBRARY = Path("/usr/lib/x86_64-linux-gnu/janus")
_CONFIG = """general: {{
  plugins_folder = "{library}/plugins"
  transports_folder = "{library}/transports"
  loggers_folder = "{library}/loggers"
  events_folder = "{library}/events"
  debug_level = 2
  {loops}
}}
nat: {{ ice_enforce_list = "{address}" }}
plugins: {{ disable = "{plugins}" }}
transports: {{ disable = "{transports}" }}
"""


class Janus:
    """The adapter; `event_loops` is Janus's setting, 0 its default of a thread for each PeerConnection."""

    def __init__(self, event_loops: int, folder: Path, address: str) -> None:
        self.name = "janus-loops1" if event_loops else "janus"
        self._loops, self._folder, self._address = event_loops, folder, address
        self._numbers = itertools.count()

    def _configure(self, port: int) -> None:
        others = [p.name for p in (LIBRARY / "plugins").glob("*.so") if "videoroom" not in p.name]
        transports = [p.name for p in (LIBRARY / "transports").glob("*.so") if "websockets" not in p.name]
        loops = f"event_loops = {self._loops}" if self._loops else ""
        text = _CONFIG.format(
            library=LIBRARY,
            loops=loops,
            address=self._address,
            plugins=",".join(others),
            transports=",".join(transports),
        )
        (self._folder / "janus.jcfg").write_text(text)
        (self._folder / "janus.plugin.videoroom.jcfg").write_text("general: {}\n")
        (self._folder / "janus.transport.websockets.jcfg").write_text(
            f'general: {{ ws = true\n ws_port = {port}\n ws_ip = "127.0.0.1" }}\n'
        )

    async def __aenter__(self) -> Janus:
        port = free_port("127.0.0.1", socket.SOCK_STREAM)
        self._configure(port)
        self.child = Child(["janus", "-F", str(self._folder)], dict(os.environ), self._folder / "server.log")
        self._http = aiohttp.ClientSession()
        for _ in range(100):
            try:
                self._socket = await self._http.ws_connect(f"http://127.0.0.1:{port}", protocols=("janus-protocol",))
                break
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)
        else:
            await self.child.wait_for(lambda: False, 0.1)
        self._session = (await self._ask({"janus": "create"}))["data"]["id"]
        room = {"request": "create", "room": ROOM, "publishers": 64}
        await self._ask({"janus": "message", "handle_id": await self._attach(), "body": room})
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._socket.close()
        await self._http.close()
        await self.child.stop()

    async def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        transaction = str(next(self._numbers))
        if hasattr(self, "_session"):
            message["session_id"] = self._session
        await self._socket.send_json({**message, "transaction": transaction})
        while True:
            answer: dict[str, Any] = await self._socket.receive_json(timeout=20)
            if answer.get("transaction") != transaction or answer["janus"] == "ack":
                continue
            data = answer.get("plugindata", {}).get("data", {})
            if answer["janus"] == "error" or "error_code" in data:
                raise RuntimeError(f"Janus: {answer}")
            return answer

    async def _attach(self) -> int:
        answer = await self._ask({"janus": "attach", "plugin": "janus.plugin.videoroom"})
        return int(answer["data"]["id"])

    async def connect(self, shape: Shape, suite: Suite) -> list[Peer]:
        """All peers of the shape, up."""
        peers = [await self._publisher(number, shape.levels, suite) for number in range(shape.publishers)]
        feeds = list(range(1, shape.publishers + 1))
        receivers: list[list[int]] = [feeds] * shape.subscribers
        if shape.publishers > 1:
            receivers += [[feed for feed in feeds if feed != own] for own in feeds]
        peers += [await self._subscriber(wanted, suite) for wanted in receivers]
        return peers

    async def _publisher(self, number: int, levels: int, suite: Suite) -> Peer:
        handle = await self._attach()
        join = {"request": "join", "ptype": "publisher", "room": ROOM, "id": number + 1}
        await self._ask({"janus": "message", "handle_id": handle, "body": join})
        wire, first = Wire(self._address, suite), 10_000 * (number + 1)
        media = [
            (
                f"audio {wire.port}",
                "111",
                "0",
                [
                    *([f"extmap:{levels} {LEVEL}"] if levels else []),
                    "rtpmap:111 opus/48000/2",
                    f"ssrc:{first + 1} cname:load",
                ],
            ),
            (
                f"video {wire.port}",
                "96",
                "1",
                [
                    "rtpmap:96 VP8/90000",
                    *(f"rtcp-fb:96 {f}" for f in ("nack", "nack pli", "transport-cc")),
                    f"ssrc:{first + 2} cname:load",
                ],
            ),
        ]
        offer = self._sdp(
            wire, "actpass", [(m, pt, mid, [*lines, f"extmap:3 {TWCC}", "sendonly"]) for m, pt, mid, lines in media]
        )
        body = {"request": "publish", "audiocodec": "opus", "videocodec": "vp8"}
        jsep = {"type": "offer", "sdp": offer}
        answer = await self._ask({"janus": "message", "handle_id": handle, "body": body, "jsep": jsep})
        peer = await self._up(wire, answer["jsep"]["sdp"], "server")
        peer.streams = [Stream("a", first + 1, 111, 3, levels), Stream("v", first + 2, 96, 3)]
        return peer

    async def _subscriber(self, feeds: list[int], suite: Suite) -> Peer:
        handle = await self._attach()
        join = {"request": "join", "ptype": "subscriber", "room": ROOM, "streams": [{"feed": feed} for feed in feeds]}
        for attempt in range(20):
            try:
                answer = await self._ask({"janus": "message", "handle_id": handle, "body": dict(join)})
                break
            except RuntimeError as error:
                if "No such feed" not in str(error) or attempt == 19:
                    raise
                await asyncio.sleep(0.1)  # a publisher becomes a feed a little after its DTLS is up
        offer: str = answer["jsep"]["sdp"]
        wire = Wire(self._address, suite)
        jsep = {"type": "answer", "sdp": self._sdp(wire, "active", _answered(offer))}
        await self._ask({"janus": "message", "handle_id": handle, "body": {"request": "start"}, "jsep": jsep})
        peer = await self._up(wire, offer, "client")
        peer.twcc_id = next(
            (
                int(line[9:].split()[0].split("/")[0])
                for line in offer.splitlines()
                if line.startswith("a=extmap:") and TWCC in line
            ),
            0,
        )
        return peer

    async def _up(self, wire: Wire, sdp: str, role: Any) -> Peer:
        algorithm, value = next(line for line in sdp.splitlines() if line.startswith("a=fingerprint:"))[14:].split()
        return await wire.up(role, [(algorithm, value)])

    def _sdp(self, wire: Wire, setup: str, media: list[tuple[str, str, str, list[str]]]) -> str:
        algorithm, value = wire.fingerprint.algorithm, wire.fingerprint.value
        credentials = wire.lite.credentials
        lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=ice-lite"]
        lines.append("a=group:BUNDLE " + " ".join(mid for _, _, mid, _ in media))
        for kind, formats, mid, attributes in media:
            lines += [
                f"m={kind} UDP/TLS/RTP/SAVPF {formats}",
                f"c=IN IP4 {self._address}",
                f"a=mid:{mid}",
                "a=rtcp-mux",
            ]
            lines += [f"a=ice-ufrag:{credentials.ufrag}", f"a=ice-pwd:{credentials.password}"]
            lines += [f"a=fingerprint:{algorithm} {value}", f"a=setup:{setup}"]
            lines += [f"a={attribute}" for attribute in attributes]
            lines.append(f"a=candidate:1 1 udp 2130706431 {self._address} {wire.port} typ host")
        return "\r\n".join([*lines, ""])


def _answered(offer: str) -> list[tuple[str, str, str, list[str]]]:
    """Each media section of the offer, accepted as it is, to receive."""
    media = []
    for section in offer.replace("\r\n", "\n").split("\nm=")[1:]:
        head, *lines = section.split("\n")
        kind, port, _, formats = head.split(" ", 3)
        mid = next(line[6:] for line in lines if line.startswith("a=mid:"))
        kept = [line[2:] for line in lines if line.startswith(("a=rtpmap:", "a=fmtp:", "a=rtcp-fb:", "a=extmap:"))]
        media.append((f"{kind} {port}", formats, mid, [*kept, "recvonly"]))
    return media
