# SPDX-License-Identifier: Apache-2.0
"""A stand for the call page: the built page joins a room whose server is this test. No media flows; what the page says
to the server is kept, and the server says what the test wants."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from mediaserver.rtp import codecs
from mediaserver.sfu.parameters import receive_parameters
from mediaserver.signalling.capabilities import router_rtp_capabilities
from tests.web.ui.stand import ORIGIN_UTC_MS, SESSION, Stand, detail

ME = "st1"


def _transport(name: str) -> dict[str, Any]:
    """A transport that leads nowhere."""
    return {
        "id": name,
        "iceParameters": {"usernameFragment": "f" * 8, "password": "p" * 24, "iceLite": True},
        "iceCandidates": [
            {
                "foundation": "1",
                "component": 1,
                "priority": 1,
                "ip": "127.0.0.1",
                "address": "127.0.0.1",
                "protocol": "udp",
                "port": 9,
                "type": "host",
            }
        ],
        "dtlsParameters": {"role": "auto", "fingerprints": [{"algorithm": "sha-256", "value": ":".join(["AB"] * 32)}]},
    }


@dataclass
class CallStand(Stand):
    """The session `s1`, open to be joined, with `others` in it."""

    others: int = 0
    features: list[str] = field(default_factory=lambda: ["simulcast", "view"])
    views: list[dict[str, Any]] = field(default_factory=list)
    """Every `view` that the page sent, in order."""
    produced: list[dict[str, Any]] = field(default_factory=list)
    """Every `produce`, in order; the answer names them `made-1`, `made-2`, …"""
    reports: list[dict[str, Any]] = field(default_factory=list)
    """Every `report_source`, in order."""
    tracks: list[dict[str, Any]] = field(default_factory=list)
    requests_made: list[str] = field(default_factory=list)
    _socket: web.WebSocketResponse | None = None

    def add_routes(self, app: web.Application) -> None:
        """Joining and signalling."""
        app.router.add_get("/api/consent-text", self._consent)
        app.router.add_post(f"/api/sessions/{SESSION}/join", self._join)
        app.router.add_get("/signalling", self._signalling)
        app.router.add_get(f"/api/sessions/{SESSION}/tracks", lambda _: _answer({"tracks": self.tracks}))
        app.router.add_post("/api/device-faults", lambda _: _answer({}))

    @property
    def page(self) -> str:
        """Address of the call page."""
        return f"{self.url}/call/{SESSION}"

    async def _consent(self, _: web.Request) -> web.Response:
        return web.json_response({"version": "1", "texts": {"zh-CN": "告知书", "en": "notice"}})

    async def _join(self, _: web.Request) -> web.Response:
        return web.json_response({"token": "t", "ws_path": "/signalling", "peer_id": ME})

    async def _signalling(self, request: web.Request) -> web.WebSocketResponse:
        socket = self._socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                break
            asked = json.loads(message.data)
            self.requests_made.append(asked["type"])
            if asked["type"] == "view":
                self.views.append(asked["data"])
            elif asked["type"] == "report_source":
                self.reports.append(asked["data"])
            await socket.send_json({"id": asked["id"], "ok": True, "data": self._obey(asked)})
        return socket

    def _obey(self, asked: dict[str, Any]) -> dict[str, Any]:
        if asked["type"] == "hello":
            return self._welcome()
        if asked["type"] == "produce":
            self.produced.append(asked["data"])
            return {"producer_id": f"made-{len(self.produced)}"}
        return {}

    def _welcome(self) -> dict[str, Any]:
        peers = [f"p{n}" for n in range(self.others)]
        return {
            "version": 1,
            "boot_id": "b",
            "peer_id": ME,
            "resume_token": "again",
            "features": self.features,
            "room": {"id": SESSION, "recording": {"state": "off", "since_utc_ms": ORIGIN_UTC_MS, "reason": ""}},
            "peers": [
                {"peer_id": peer, "name": f"第{n + 1}所", "place": "调解室", "state": "connected"}
                for n, peer in enumerate(peers)
            ],
            "consumers": [consumer(n) for n in range(self.others)],
            "router_rtp_capabilities": router_rtp_capabilities(),
            "send_transport": _transport("send"),
            "recv_transport": _transport("recv"),
        }

    async def note(self, kind: str, data: dict[str, Any]) -> None:
        """The server says something that nobody asked for."""
        assert self._socket is not None
        await self._socket.send_json({"type": kind, "data": data})

    async def made(
        self, source: str, check: Any = lambda _: True, within_s: float = 10.0
    ) -> tuple[str, dict[str, Any]]:
        """The newest producer of a source, once it is as `check` wants it: its id and its parameters."""
        async with asyncio.timeout(within_s):
            while True:
                for number, body in reversed(list(enumerate(self.produced, 1))):
                    if body["source"] == source and check(body["rtp_parameters"]):
                        return f"made-{number}", body["rtp_parameters"]
                await asyncio.sleep(0.02)

    async def view(self, check: Any = lambda _: True, within_s: float = 10.0) -> dict[str, Any]:
        """The newest view, once it is as `check` wants it."""
        async with asyncio.timeout(within_s):
            while not self.views or not check(self.views[-1]):
                await asyncio.sleep(0.02)
        return self.views[-1]


def consumer(number: int) -> dict[str, Any]:
    """The camera of one of the others."""
    parameters = receive_parameters(codecs.VP8, str(number), 1000 + number, 2000 + number, f"p{number}")
    return {
        "id": f"c{number}",
        "producer_id": f"p{number}-cam",
        "peer_id": f"p{number}",
        "source": "cam",
        "kind": "video",
        "paused": False,
        "rtp_parameters": parameters,
    }


async def _answer(data: dict[str, Any]) -> web.Response:
    return web.json_response(data)


def open_session() -> dict[str, Any]:
    """Everybody here has agreed; nothing is recorded."""
    made = detail(state="live", ended_utc_ms=None, transcript=None, can={"join": True, "lead": False, "read": False})
    made["recording"] |= {"state": "off", "since_utc_ms": None, "started_utc_ms": None, "complete": None}
    made["participants"] = [one | {"present": True, "me": one["peer_id"] == ME} for one in made["participants"][:1]]
    return made
