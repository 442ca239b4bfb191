# SPDX-License-Identifier: Apache-2.0
"""A stand for the record page: serves the built pages and, as the API does, one session that a test arranges.

It stands in for the database and the object store only; what it answers has the shapes of the real API.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from web.api.middleware import add_headers

SESSION = "s1"
ORIGIN_UTC_MS = 1_790_000_000_000


@dataclass
class Stand:
    """One session and what the server says of it. Change `detail` and call `tell` to send it to open pages."""

    files: Path
    detail: dict[str, Any]
    playback: dict[str, Any] | None = None
    lines: list[dict[str, Any]] = field(default_factory=list)
    pages: Path = Path()
    """The built pages."""
    language: str = "zh-CN"
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    """Path and Range of every request for a segment."""
    refuse: dict[str, int] = field(default_factory=dict)
    """Status that a path answers instead, until it is taken out."""
    composite: dict[str, Any] | None = None
    overview: dict[str, Any] | None = None
    sheets: list[str] = field(default_factory=list)
    """Sheets of small pictures that were asked for."""
    url: str = ""
    _streams: set[web.StreamResponse] = field(default_factory=set)
    _runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen on a free port of loopback."""
        app = web.Application(middlewares=[self._refusing])
        app.on_response_prepare.append(add_headers)
        app.router.add_get("/api/me", self._me)
        app.router.add_get("/api/events", self._events)
        base = f"/api/sessions/{SESSION}"
        app.router.add_get(base, self._detail)
        app.router.add_get(f"{base}/playback", self._playback)
        app.router.add_get(f"{base}/transcript", self._transcript)
        app.router.add_post(f"{base}/transcript", self._again)
        for method in ("GET", "POST", "DELETE"):
            app.router.add_route(method, f"{base}/composite", self._composite)
        app.router.add_get(f"{base}/overview", self._overview)
        app.router.add_get(f"{base}/overview/{{sheet}}.jpg", self._sheet)
        app.router.add_get("/segments/{name}", self._segment)
        self.add_routes(app)
        app.router.add_get("/{path:.*}", self._page)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    def add_routes(self, app: web.Application) -> None:
        """What a stand for another page answers beside the record page's requests."""

    async def close(self) -> None:
        """Stop listening."""
        assert self._runner is not None
        await self._runner.cleanup()

    @property
    def page(self) -> str:
        """Address of the record page."""
        return f"{self.url}/sessions/{SESSION}"

    async def tell(self) -> None:
        """Send the session to all open pages, as the server does after a change."""
        for stream in list(self._streams):
            with contextlib.suppress(ConnectionResetError):  # a page that was left
                await stream.write(self._event())

    def _event(self) -> bytes:
        return f"event: session\ndata: {json.dumps(self.detail)}\n\n".encode()

    @web.middleware
    async def _refusing(self, request: web.Request, handler: Any) -> web.StreamResponse:
        status = self.refuse.get(request.path)
        if status is None:
            answer: web.StreamResponse = await handler(request)
            return answer
        code = {403: "forbidden", 404: "session_not_found"}.get(status, "internal")
        error = {"code": code, "params": {}, "message": f"no ({status})"}
        return web.json_response({"error": error}, status=status)

    async def _overview(self, _: web.Request) -> web.Response:
        if self.overview is None:
            error = {"code": "overview_not_ready", "params": {"state": "none"}, "message": "not yet"}
            return web.json_response({"error": error}, status=409)
        return web.json_response(self.overview)

    async def _sheet(self, request: web.Request) -> web.Response:
        self.sheets.append(request.match_info["sheet"])
        return web.Response(body=b"", content_type="image/jpeg")

    async def _composite(self, request: web.Request) -> web.Response:
        if request.method != "GET":
            state = "queued" if request.method == "POST" else "cancelled"
            self.composite = {"id": "c1", "state": state, "progress": 0.0, "error_code": None, "bytes": None}
        return web.json_response({"composite": self.composite})

    async def _me(self, _: web.Request) -> web.Response:
        me = {"kind": "account", "id": "a1", "name": "李秀英", "username": "li", "role": "clerk", "county": "default"}
        more = {"place": None, "must_change_password": False, "language": self.language, "version": "0.1.0"}
        return web.json_response({**me, **more, "server_utc_ms": ORIGIN_UTC_MS + 3_600_000})

    async def _events(self, request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await stream.prepare(request)
        self._streams.add(stream)
        try:
            await stream.write(self._event())
            while True:
                await stream.write(b": still here\n\n")
                await asyncio.sleep(1)
        except ConnectionResetError:
            return stream
        finally:
            self._streams.discard(stream)

    async def _detail(self, _: web.Request) -> web.Response:
        return web.json_response(self.detail)

    async def _playback(self, _: web.Request) -> web.Response:
        if self.playback is None:
            error = {"code": "recording_not_ready", "params": {}, "message": ""}
            return web.json_response({"error": error}, status=409)
        return web.json_response(self.playback)

    async def _transcript(self, _: web.Request) -> web.Response:
        return web.json_response({"transcript": self.detail["transcript"], "lines": self.lines})

    async def _again(self, _: web.Request) -> web.Response:
        self.detail["transcript"] |= {"state": "queued", "error_code": None, "progress": 0.0}
        return web.json_response(self.detail["transcript"])

    async def _segment(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.path, request.headers.get("Range")))
        return web.FileResponse(self.files / request.match_info["name"])

    async def _page(self, request: web.Request) -> web.StreamResponse:
        file = self.pages / request.match_info["path"]
        return web.FileResponse(file if file.is_file() else self.pages / "index.html")


def detail(**changes: Any) -> dict[str, Any]:
    """A session that has ended, was sealed and transcribed."""
    people = [
        ("st1", "永安派出所", "调解室", ["王大山", "张翠花", "刘民警"]),
        ("hq1", "指挥中心", "县公安局", ["周调解员"]),
    ]
    return {
        "id": SESSION,
        "title": "张家与李家的宅基地纠纷",
        "place": {"id": "p1", "name": "永安派出所"},
        "state": "ended",
        "created_utc_ms": ORIGIN_UTC_MS - 600_000,
        "started_utc_ms": ORIGIN_UTC_MS,
        "ended_utc_ms": ORIGIN_UTC_MS + 44_000,
        "people": [name for *_, names in people for name in names],
        "duration_ms": 44_000,
        "recording": {
            "state": "sealed",
            "since_utc_ms": ORIGIN_UTC_MS,
            "started_utc_ms": ORIGIN_UTC_MS,
            "recorded_to_ms": 44_000,
            "uploaded_to_ms": 44_000,
            "waiting_uploads": 0,
            "waiting_bytes": 0,
            "warning": None,
            "complete": True,
        },
        "transcript": {
            "id": "t1",
            "state": "done",
            "progress": 1.0,
            "step": "done",
            "error_code": None,
            "model": "base",
        },
        "can": {"join": False, "lead": False, "moderate": False, "take_over": False, "read": True},
        "caucus_of": None,
        "caucuses": [],
        "moderation": {
            "host_peer_id": None,
            "host_present": False,
            "locked": False,
            "waiting_room": False,
            "kept_out": [],
        },
        "participants": [
            {
                "peer_id": peer_id,
                "kind": "account",
                "name": name,
                "place_name": place,
                "role": "station_officer",
                "present": False,
                "me": False,
                "attendees": [
                    {
                        "id": f"{peer_id}-{n}",
                        "name": person,
                        "kind": "party",
                        "agreed": True,
                        "agreed_utc_ms": ORIGIN_UTC_MS - 60_000,
                    }
                    for n, person in enumerate(names)
                ],
            }
            for peer_id, name, place, names in people
        ],
        "missing_consents": [],
        "alarms": [],
        "consent_text_version": "1",
        "marks": {"may_mark": False, "markers": [], "sections": []},
        "events": [],
        **changes,
    }
