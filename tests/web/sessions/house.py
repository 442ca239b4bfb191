# SPDX-License-Identifier: Apache-2.0
"""The web program beside a real mediaserver, a real recorder and (where wanted) a real store."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from storage.embedded import StoreNotStarted
from storage.objects import StoreError, open_store
from storage.settings import Settings
from tests.mediaserver.shell.endpoint import Page
from tests.ports import free_port
from tests.web.front import Browser, Clock, Front, start_front
from web.casework.consent_text import CURRENT
from web.sessions.running import RUNNING, Running


class RealClock(Clock):
    """The machine's clock, moved forward by tests."""

    ahead_ms = 0

    def __call__(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead_ms

    def forward(self, ms: int) -> None:
        self.ahead_ms += ms


class FrontPage(Page):
    """An endpoint whose signalling goes through the web program."""

    def __init__(self, browser: Browser, session_id: str) -> None:
        super().__init__(browser.http, session_id)
        self.browser = browser

    async def open(self) -> None:
        self.socket = await self.browser.http.ws_connect(
            self.browser.front.url.with_path(f"/api/sessions/{self.room}/ws"),
            headers={"Origin": str(self.browser.front.url.origin())},
        )
        self._reader = asyncio.create_task(self._read(self.socket))

    async def close(self) -> None:
        await super().close()
        self.wires.clear()  # closing twice is no fault


def _answers(path: Path) -> bool:
    """A file is there, a socket takes connections: it lies there a moment before."""
    if not path.is_socket():
        return path.exists()
    with socket.socket(socket.AF_UNIX) as link:
        return link.connect_ex(str(path)) == 0


class House:
    """All programs of one test, each started and killed by name."""

    def __init__(self, data_dir: Path, ui_folder: Path, **settings: Any) -> None:
        usual = {"bind": "127.0.0.1", "disk_low_bytes": 0, "disk_full_bytes": 0}
        ports = {"media_port": free_port(), "https_port": free_port()}
        self.settings = Settings(data_dir=data_dir, **{**usual, **ports, **settings})
        self.ui_folder = ui_folder
        self.clock = RealClock()
        self._environment = {
            **os.environ,
            "VIDEOHOME_DATA_DIR": str(data_dir),
            "VIDEOHOME_BIND": "127.0.0.1",
            "VIDEOHOME_MEDIA_PORT": str(self.settings.media_port),
            "VIDEOHOME_HTTPS_PORT": str(self.settings.https_port),
            "VIDEOHOME_DISK_LOW_BYTES": str(self.settings.disk_low_bytes),
            "VIDEOHOME_DISK_FULL_BYTES": str(self.settings.disk_full_bytes),
            "VIDEOHOME_CONFIG": str(data_dir / "none.toml"),
            "VIDEOHOME_WORKERS": str(self.settings.workers),
            "VIDEOHOME_DRAIN_SECONDS": str(self.settings.drain_seconds),
            "VIDEOHOME_RECORDING_KEYS": self.settings.recording_keys,
        }
        self.processes: dict[str, asyncio.subprocess.Process] = {}
        self.pages: list[FrontPage] = []
        self.front: Front
        self._runner: web.AppRunner

    async def start_web(self) -> None:
        """The web program, in this process; its keeper has heard mediaserver and recorder where they run."""
        self.settings.data_dir.mkdir(parents=True, exist_ok=True)
        self.front, self._runner = await start_front(self.settings, self.clock, self.ui_folder)
        if "mediaserver" in self.processes:
            await until(lambda: self.running.media.up)
        if "mediaserver.recorder" in self.processes:
            await until(lambda: self.running.recorder.last)

    async def stop_web(self) -> None:
        """End it as a signal would."""
        await self._runner.cleanup()
        await self.front.close()

    @property
    def running(self) -> Running:
        """The parts of the web program."""
        return self.front.app[RUNNING]

    async def start(self, module: str, ready: Path | None = None, worker: int = 0) -> None:
        """Run a program; `ready` is there when it can be asked, and takes connections where it is a socket. Those of
        further workers have their number behind."""
        self.settings.data_dir.mkdir(parents=True, exist_ok=True)
        if ready is not None:
            ready.unlink(missing_ok=True)
        with (self.settings.data_dir / f"{module}.log").open("ab") as log:
            environment = {**self._environment, "VIDEOHOME_WORKER": str(worker)}
            process = self.processes[named(module, worker)] = await asyncio.create_subprocess_exec(
                sys.executable, "-m", module, env=environment, stdout=log, stderr=log
            )
        if ready is not None:
            await until(lambda: process.returncode is not None or _answers(ready), 90)
            assert process.returncode is None, Path(log.name).read_text("utf-8")[-2_000:]

    async def start_mediaserver(self, worker: int = 0) -> None:
        await self.start("mediaserver", self.settings.worker_dir(worker) / "media.sock", worker)

    async def start_recorder(self, worker: int = 0) -> None:
        await self.start("mediaserver.recorder", self.settings.worker_dir(worker) / "recorder.sock", worker)

    async def start_store(self) -> None:
        """The embedded store, ready."""
        await self.start("storage.embedded")
        await until(self._store_answers, 60)

    def _store_answers(self) -> bool:
        with contextlib.suppress(StoreError, StoreNotStarted):
            open_store(self.settings).ensure_bucket()
            return True
        return False

    async def kill(self, module: str) -> None:
        """kill -9."""
        process = self.processes.pop(module)
        if process.returncode is None:
            process.kill()
        await process.wait()

    async def close(self) -> None:
        """End everything."""
        for page in self.pages:
            await page.close()
        await self.stop_web()
        for module in list(self.processes):
            await self.kill(module)

    # What people do

    async def session(self, browser: Browser, title: str = "田埂纠纷") -> str:
        """A new session; its id."""
        reply = await browser.post("/api/sessions", {"title": title})
        assert reply.status == 200, reply.body
        return str(reply.body["id"])

    async def consented(self, browser: Browser, session_id: str, *names: str) -> list[str]:
        """List people before this browser's camera, all of whom agree; their ids."""
        ids = await self.listed(browser, session_id, *names)
        for attendee_id in ids:
            assert (await self.say(browser, session_id, attendee_id, True)).status == 200
        return ids

    async def listed(self, browser: Browser, session_id: str, *names: str) -> list[str]:
        """List people who have not agreed yet; their ids."""
        people = [{"name": name, "kind": "party"} for name in names]
        reply = await browser.put(f"/api/sessions/{session_id}/attendees", {"people": people})
        assert reply.status == 200, reply.body
        mine = next(item for item in reply.body["participants"] if item["me"])
        return [str(attendee["id"]) for attendee in mine["attendees"]]

    async def say(self, browser: Browser, session_id: str, attendee_id: str, agreed: bool) -> Any:
        """Somebody agrees or withdraws."""
        body = {"attendee_id": attendee_id, "agreed": agreed, "text_version": CURRENT.version}
        return await browser.post(f"/api/sessions/{session_id}/consents", body)

    async def enter(self, browser: Browser, session_id: str) -> FrontPage:
        """Join with media."""
        reply = await browser.post(f"/api/sessions/{session_id}/join")
        assert reply.status == 200, reply.body
        page = self.page(browser, session_id)
        await page.join(reply.body["token"])
        return page

    def page(self, browser: Browser, session_id: str) -> FrontPage:
        """An endpoint that has not come in yet; closed with the house."""
        page = FrontPage(browser, session_id)
        self.pages.append(page)
        return page

    async def detail(self, browser: Browser, session_id: str) -> dict[str, Any]:
        """The session as the browser sees it."""
        reply = await browser.get(f"/api/sessions/{session_id}")
        assert reply.status == 200, reply.body
        found: dict[str, Any] = reply.body
        return found

    async def wait(
        self,
        browser: Browser,
        session_id: str,
        check: Callable[[dict[str, Any]], Any],
        within_s: float = 15.0,
    ) -> dict[str, Any]:
        """Wait until the session is as `check` wants it."""
        end = time.monotonic() + within_s
        while True:
            found = await self.detail(browser, session_id)
            if check(found):
                return found
            assert time.monotonic() < end, found
            await asyncio.sleep(0.05)

    async def rooms(self, worker: int = 0) -> dict[str, dict[str, Any]]:
        """What the mediaserver itself says of its rooms."""
        connector = aiohttp.UnixConnector(str(self.settings.worker_dir(worker) / "media.sock"))
        async with aiohttp.ClientSession(connector=connector) as http, http.get("http://media/rooms") as answer:
            return {room["room"]: room for room in (await answer.json())["rooms"]}


def named(module: str, worker: int) -> str:
    """Key of a process in `House.processes`."""
    return f"{module}-{worker}" if worker else module


async def until(check: Callable[[], Any], within_s: float = 10.0) -> Any:
    """Wait until `check` gives something true."""
    end = time.monotonic() + within_s
    while not (found := check()):
        assert time.monotonic() < end, "not in time"
        await asyncio.sleep(0.02)
    return found


async def eventually(check: Callable[[], Awaitable[Any]], within_s: float = 10.0) -> Any:
    """The same for a question that must be awaited."""
    end = time.monotonic() + within_s
    while not (found := await check()):
        assert time.monotonic() < end, "not in time"
        await asyncio.sleep(0.05)
    return found


@contextlib.asynccontextmanager
async def house_with_media(data_dir: Path, pages: Path) -> AsyncIterator[House]:
    """Web with these pages, mediaserver and recorder, running."""
    made = House(data_dir, pages)
    await made.start_mediaserver()
    await made.start_recorder()
    await made.start_web()
    yield made
    await made.close()
