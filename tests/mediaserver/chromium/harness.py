# SPDX-License-Identifier: Apache-2.0
"""Real Chromium pages with the product's call engine, and a real mediaserver process behind a relay like web's."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import WSMsgType, web
from playwright.async_api import Browser, Page, async_playwright

from hatch_build import install_modules, node_programs
from storage.access import RoomOrder, RoomToken, mint_order, mint_room_token
from storage.ids import new_id
from tests.acceptance.machine import CHROMIUM, CHROMIUM_FLAGS
from tests.acceptance.picture import READ_NUMBER_JS
from tests.mediaserver.shell.endpoint import unix_session, until
from tests.ports import free_port

ROOT = Path(__file__).parents[3]
UI = ROOT / "web" / "ui"
ROOM = new_id()


def build_page(out: Path) -> None:
    """Bundle the harness page with the tools of the product's pages."""
    install_modules(ROOT)
    node, _ = node_programs()
    vite = UI / "node_modules" / "vite" / "bin" / "vite.js"
    done = subprocess.run(
        [node, vite, "build", Path(__file__).parent / "page", "--outDir", out, "--emptyOutDir", "--logLevel", "warn"],
        capture_output=True,
        text=True,
        check=False,
        cwd=UI,
    )
    assert done.returncode == 0, done.stdout + done.stderr


class Media:
    """The mediaserver process under a supervisor: started again at once when it dies, and told its room again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.secrets = folder / "secrets"
        self.port = free_port()
        self.starts = 0
        self.recording = "off"
        self.restart_delay_s = 0.5
        self.bind = "127.0.0.1"
        self.process: asyncio.subprocess.Process | None = None
        self.log = folder / "mediaserver.log"
        self._keeper: asyncio.Task[None] | None = None

    @property
    def socket(self) -> Path:
        return self.folder / "run" / "media.sock"

    async def start(self) -> None:
        """Start, and keep it running."""
        self._keeper = asyncio.create_task(self._keep())
        await until(lambda: self.starts > 0, 15)

    @property
    def environment(self) -> dict[str, str]:
        """Settings of the programs."""
        return {
            **os.environ,
            "VIDEOHOME_DATA_DIR": str(self.folder),
            "VIDEOHOME_MEDIA_PORT": str(self.port),
            "VIDEOHOME_BIND": self.bind,
            "VIDEOHOME_CONFIG": str(self.folder / "none.toml"),
        }

    async def _keep(self) -> None:
        while True:
            with self.log.open("ab") as log:
                self.process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "mediaserver", env=self.environment, stdout=log, stderr=log, cwd=ROOT
                )
            await self._put_when_ready()
            self.starts += 1
            await self.process.wait()
            await asyncio.sleep(self.restart_delay_s)

    async def _put_when_ready(self) -> None:
        for _ in range(400):
            with contextlib.suppress(OSError, aiohttp.ClientError):
                await self.put()
                return
            await asyncio.sleep(0.05)
        raise AssertionError(self.log.read_text())

    async def put(self, recording: str | None = None, version: int = 1) -> None:
        """Order the room as web does."""
        self.recording = recording or self.recording
        order = RoomOrder("default", ROOM, ROOM, self.recording, version)  # type: ignore[arg-type]
        async with (
            unix_session(self.socket) as http,
            http.put(f"http://media/rooms/{ROOM}", json={"order": mint_order(self.secrets, order)}) as answer,
        ):
            assert answer.status == 200, await answer.text()

    async def stats(self) -> dict[str, Any]:
        """The room with its counters."""
        async with unix_session(self.socket) as http, http.get(f"http://media/rooms/{ROOM}") as answer:
            found = await answer.json()
            assert isinstance(found, dict)
            return found

    async def metrics(self) -> str:
        """Prometheus text."""
        async with unix_session(self.socket) as http, http.get("http://media/metrics") as answer:
            return await answer.text()

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()

    async def stop(self) -> None:
        """End process and supervisor."""
        assert self._keeper is not None
        self._keeper.cancel()
        await asyncio.gather(self._keeper, return_exceptions=True)
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            await self.process.wait()


class Cable(asyncio.DatagramProtocol):
    """The network between the browsers and the media port: loses what it is told to lose, or everything."""

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self.loss = 0.0
        self.cut = False
        self._target = ("127.0.0.1", target_port)
        self._chance = random.Random(20)
        self.dropped = {"up": 0, "down": 0}
        self._near: asyncio.DatagramTransport | None = None
        self._far: dict[tuple[str, int], asyncio.DatagramTransport] = {}

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._near, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self.port = self._near.get_extra_info("sockname")[1]

    def stop(self) -> None:
        for transport in [self._near, *self._far.values()]:
            if transport is not None:
                transport.close()

    def lost(self, way: str) -> bool:
        """Decide about one datagram."""
        gone = self.cut or self._chance.random() < self.loss
        self.dropped[way] += gone
        return gone

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self.lost("up"):
            return
        far = self._far.get(addr)
        if far is not None:
            far.sendto(data)
        else:
            self._open = asyncio.get_running_loop().create_task(self._add(addr, data))

    async def _add(self, addr: tuple[str, int], data: bytes) -> None:
        cable = self

        class Back(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, _: tuple[str, int]) -> None:
                if not cable.lost("down") and cable._near is not None:
                    cable._near.sendto(data, addr)

        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Back, remote_addr=self._target)
        if addr in self._far:
            self._far[addr].close()
        self._far[addr] = transport
        transport.sendto(data)


class Relay:
    """Pages, tokens and the signalling pass-through: what `web` is to a browser."""

    def __init__(self, media: Media, pages: Path) -> None:
        self.media, self.pages = media, pages
        self.port = free_port()
        self.host = "127.0.0.1"
        self.tokens = 0
        self.rights: dict[str, tuple[str, ...]] = {}
        self._runner: web.AppRunner | None = None
        self.cable: Cable | None = None
        self.tcp = False
        """Offer the TCP candidates too; they do not lead through the cable."""
        self._requests: list[web.Request] = []

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/token/{peer}", self._token)
        app.router.add_get("/ws/{peer}", self._pass)
        app.router.add_static("/", self.pages)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, self.host, self.port).start()

    async def stop(self) -> None:
        """As when web dies: every socket ends without a close frame, and nothing listens."""
        self.cut()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def cut(self, peer: str | None = None) -> None:
        """Every socket (or those of one peer) ends without a close frame."""
        for request in list(self._requests):
            if request.transport is not None and peer in (None, request.match_info["peer"]):
                request.transport.abort()

    async def _token(self, request: web.Request) -> web.Response:
        self.tokens += 1
        peer = request.match_info["peer"]
        rights = self.rights.get(peer, ("publish", "subscribe"))
        token = RoomToken("default", ROOM, ROOM, peer, f"name {peer}", "place", rights)  # type: ignore[arg-type]
        return web.Response(text=mint_room_token(self.media.secrets, token))

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        async with unix_session(self.media.socket) as http:
            try:
                inner = await http.ws_connect(f"http://media/rooms/{ROOM}/ws")
            except (OSError, aiohttp.ClientError):
                raise web.HTTPServiceUnavailable from None
            outer = web.WebSocketResponse()
            await outer.prepare(request)
            self._requests.append(request)
            try:
                await asyncio.gather(_copy(outer, inner), _copy(inner, outer, self._change))
            finally:
                self._requests.remove(request)
            return outer

    def _change(self, text: str) -> str:
        """Candidates that lead through the cable, and through nothing else."""
        if self.cable is None or '"iceCandidates"' not in text:
            return text
        message = json.loads(text)
        for name in ("send_transport", "recv_transport"):
            if name in message["data"]:
                offered = message["data"][name]["iceCandidates"]
                udp = [{**c, "port": self.cable.port} for c in offered if c["protocol"] == "udp"]
                message["data"][name]["iceCandidates"] = udp + [
                    c for c in offered if self.tcp and c["protocol"] == "tcp"
                ]
        return json.dumps(message)


Socket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


async def _copy(source: Socket, target: Socket, change: Callable[[str], str] = str) -> None:
    async for message in source:
        if message.type is not WSMsgType.TEXT:
            break
        with contextlib.suppress(ConnectionError, aiohttp.ClientError):
            await target.send_str(change(message.data))
    code = source.close_code or 1006
    await target.close(code=1012 if code == 1006 else code)


class Tab:
    """One person's page."""

    def __init__(self, page: Page, peer: str) -> None:
        self.page, self.peer = page, peer

    async def diary(self) -> list[tuple[float, str]]:
        """What happened when, in ms of this page."""
        return [(e["at"], e["what"]) for e in await self.page.evaluate("diary")]

    async def now(self) -> float:
        """This page's clock, ms."""
        return float(await self.page.evaluate("performance.now()"))

    async def when(self, what: str, after_ms: float = -1.0, within_s: float = 10.0) -> float:
        """The first time that `what` was written after `after_ms`."""
        end = time.monotonic() + within_s
        entries: list[tuple[float, str]] = []
        while time.monotonic() < end:
            entries = await self.diary()
            for at, entry in entries:
                if at > after_ms and entry == what:
                    return at
            await asyncio.sleep(0.05)
        raise AssertionError(f"{self.peer}: no {what!r} after {after_ms:.0f}: {entries}")

    async def number(self, video: str) -> int | None:
        """The running number that a video shows now; None without a picture."""
        value = await self.page.evaluate(
            f"(id) => {{ const v = document.getElementById(id); return v && ({READ_NUMBER_JS})(v) }}", video
        )
        return None if value is None else int(value)

    async def moves(self, video: str, within_s: float = 10.0) -> None:
        """The picture's number advances: three readings in a row that differ."""
        seen: list[int] = []
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            number = await self.number(video)
            if number is not None and (not seen or number != seen[-1]):
                seen.append(number)
            if len(seen) >= 4:
                return
            await asyncio.sleep(0.08)
        raise AssertionError(f"{self.peer}: {video} does not move: {seen}; {await self.diary()}")

    async def sound(self, peer: str) -> dict[str, float]:
        """Counters of the sound from a peer."""
        found = await self.page.evaluate(
            """async () => (await engine.browserStatistics()).received.filter(
                s => s.type === 'inbound-rtp' && s.kind === 'audio')"""
        )
        assert found, f"{self.peer} receives no sound"
        totals = ("totalAudioEnergy", "totalSamplesReceived", "concealedSamples", "packetsReceived", "packetsLost")
        return {name: sum(float(s.get(name, 0)) for s in found) for name in totals}

    async def video(self) -> dict[str, float]:
        """Counters of the received pictures, summed."""
        found = await self.page.evaluate(
            """async () => (await engine.browserStatistics()).received.filter(
                s => s.type === 'inbound-rtp' && s.kind === 'video')"""
        )
        totals = ("framesDecoded", "freezeCount", "packetsReceived", "packetsLost", "nackCount", "pliCount")
        totals += ("retransmittedPacketsReceived", "keyFramesDecoded", "totalFreezesDuration")
        return {name: sum(float(s.get(name, 0)) for s in found) for name in totals}


class Meeting:
    """Relay, mediaserver and browsers of one test."""

    def __init__(self, folder: Path, pages: Path, camera: Path, microphone: Path) -> None:
        self.media = Media(folder)
        self.relay = Relay(self.media, pages)
        self._files = [f"--use-file-for-fake-video-capture={camera}", f"--use-file-for-fake-audio-capture={microphone}"]
        self._stack = contextlib.AsyncExitStack()
        self._playwright: Any = None
        self.tabs: list[Tab] = []
        self.init_script = ""
        """Run by every page that joins from now on, before anything of its own."""

    async def __aenter__(self) -> Meeting:
        await self.media.start()
        self._stack.push_async_callback(self.media.stop)
        await self.relay.start()
        self._stack.push_async_callback(self.relay.stop)
        self._playwright = await self._stack.enter_async_context(async_playwright())
        return self

    async def __aexit__(self, *error: object) -> None:
        for tab in self.tabs:
            await tab.page.context.browser.close()  # type: ignore[union-attr]
        await self._stack.aclose()

    async def lay_cable(self) -> Cable:
        """From now on pages reach the media port through a network that can be spoilt."""
        cable = self.relay.cable = Cable(self.media.port)
        await cable.start()
        self._stack.callback(cable.stop)
        return cable

    async def join(self, peer: str, query: str = "") -> Tab:
        """A browser of its own that joins as `peer`."""
        browser: Browser = await self._playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*CHROMIUM_FLAGS, "--autoplay-policy=no-user-gesture-required", *self._files]
        )
        page = await browser.new_page()
        page.on("console", lambda message: print(peer, message.text))
        page.on("pageerror", lambda error: print(peer, "error:", error))
        if self.init_script:
            await page.add_init_script(self.init_script)
        tab = Tab(page, peer)
        self.tabs.append(tab)
        await page.goto(f"http://127.0.0.1:{self.relay.port}/index.html{query}#{peer}")
        await page.wait_for_function("window.engine")
        return tab


@contextlib.asynccontextmanager
async def meeting(folder: Path, pages: Path, camera: Path, microphone: Path) -> AsyncIterator[Meeting]:
    """A meeting that is cleaned up whatever happens."""
    async with Meeting(folder, pages, camera, microphone) as made:
        yield made


class Recording:
    """A recorder beside the mediaserver, without a store: what it wrote lies in the spool."""

    def __init__(self, media: Media) -> None:
        self.media = media
        self.socket = media.folder / "run" / "recorder.sock"
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start, and wait until it answers."""
        environment = {**self.media.environment, "VIDEOHOME_DISK_LOW_BYTES": "0", "VIDEOHOME_DISK_FULL_BYTES": "0"}
        with (self.media.folder / "recorder.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "mediaserver.recorder", env=environment, stdout=log, stderr=log, cwd=ROOT
            )
        await until(self.socket.exists, 20)

    async def state(self) -> str:
        """What the recorder says of the session."""
        async with unix_session(self.socket) as http, http.get("http://recorder/sessions") as answer:
            sessions = (await answer.json())["sessions"]
            return str(sessions[0]["state"]) if sessions else ""

    async def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.terminate()
            await self.process.wait()

    def journal(self) -> list[dict[str, Any]]:
        """Every line of the session's journal."""
        (path,) = self.media.folder.glob("spool/**/journal.jsonl")
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]

    def files(self, track: str) -> list[Path]:
        """The track's segments, in order."""
        return sorted(self.media.folder.glob(f"spool/**/tracks/{track}/*.webm"))
