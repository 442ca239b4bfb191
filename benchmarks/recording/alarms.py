# SPDX-License-Identifier: Apache-2.0
"""How long an alarm takes: from the moment of a fault to its words on the pages, and to the webhook outside.

All programs run as they do for a station: two people in Chromium, whose cameras and microphones do what this module
says, a station's IP camera (GStreamer's RTSP server) that no page measures, the embedded store, and a receiver of
webhooks. Each fault is made, timed, and undone before the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from aiohttp import web
from playwright.async_api import Browser, Locator, Page, async_playwright, expect

from hatch_build import UI, build_pages
from tests.acceptance.machine import CHROMIUM, CHROMIUM_FLAGS
from tests.mediaserver.cameras.servers import ALAW, H264, RtspServer, gstreamer
from tests.ports import free_port
from tests.web.front import Browser as Person
from tests.web.sessions.house import House, until
from tests.web.sessions.test_cameras import add_camera
from tests.web.ui.test_record_served import open_as

Run = dict[str, Any]
ROOT = Path(__file__).parents[2]
PAGE_MEASURED_S, SAMPLED_S = 5.0, 15.0
"""What is promised where a page measures, and where samples are decoded."""
LOOK_S = 0.02
GIVE_UP_S = 60.0
SETTLE_S = 6.0
"""Between two faults: whatever ended last is over for certain."""
SPARE_BYTES = 2_000_000_000
"""The disk's threshold lies so far under what is free at the start; a file twice as large takes it."""

DEVICES_JS = """(() => {
  window.bright = 128;
  const paint = document.createElement('canvas');
  [paint.width, paint.height] = [320, 180];
  const paper = paint.getContext('2d');
  let turn = 0;
  setInterval(() => {
    const shade = window.bright && window.bright + (turn = (turn + 7) % 100);
    paper.fillStyle = `rgb(${shade}, ${shade}, ${shade})`;
    paper.fillRect(0, 0, 320, 180);
  }, 50);
  let ready = null;
  const sound = () => (ready ??= (() => {
    const audio = new AudioContext();
    audio.resume();
    window.loud = new GainNode(audio, { gain: 0.2 });
    const tone = new OscillatorNode(audio);
    const out = audio.createMediaStreamDestination();
    tone.connect(window.loud).connect(out);
    tone.start();
    return out.stream.getAudioTracks()[0];
  })());
  MediaDevices.prototype.getUserMedia = async ({ video }) =>
    new MediaStream([video ? paint.captureStream(20).getVideoTracks()[0] : sound().clone()]);
  window.links = [];
  const Real = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Real {
    constructor(...facts) { super(...facts); window.links.push(this); }
  };
  window.flow = async (on) => {
    for (const link of window.links) for (const sender of link.getSenders()) {
      if (sender.track?.kind !== 'video') continue;
      const facts = sender.getParameters();
      for (const encoding of facts.encodings) encoding.active = on;
      await sender.setParameters(facts);
    }
  };
})();"""


@dataclass
class Outside:
    """A receiver of webhooks."""

    port: int = field(default_factory=free_port)
    told: list[tuple[float, str, dict[str, Any]]] = field(default_factory=list)
    """When each came, its type, what it is about."""

    async def take(self, request: web.Request) -> web.Response:
        event = json.loads(await request.read())
        self.told.append((time.monotonic(), event["type"], event["data"]))
        return web.Response()

    async def raised(self, name: str, after_s: float) -> float:
        """When an alarm of that name came, that began after a moment. Raises TimeoutError."""
        async with asyncio.timeout(GIVE_UP_S):
            while True:
                for at_s, kind, data in self.told:
                    if at_s >= after_s and kind == "alarm.raised" and data["name"] == name:
                        return at_s
                await asyncio.sleep(LOOK_S)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something goes wrong: the alarm's name outside, where it is read on a page, how it begins and ends."""

    name: str
    source: str
    within_s: float
    begin: Callable[[], Awaitable[Any]]
    end: Callable[[], Awaitable[Any]]
    words: Locator | None


class Station:
    """Two people in one recorded session, with the station's camera."""

    def __init__(self, house: House, outside: Outside, camera: RtspServer, host: Page, guest: Page) -> None:
        self.house, self.outside, self.camera, self.host, self.guest = house, outside, camera, host, guest

    async def measure(self, fault: Fault) -> Run:
        """One fault; seconds until page and webhook told it (None: not in a minute)."""
        row: Run = {"table": "alarms", "fault": fault.name, "source": fault.source, "within_s": fault.within_s}
        began_s = time.monotonic()
        await fault.begin()
        try:
            row["webhook_s"], row["page_s"] = await asyncio.gather(
                _since(began_s, self.outside.raised(fault.name, began_s)),
                _since(began_s, _shown(fault.words)) if fault.words is not None else _none(),
            )
        finally:
            await fault.end()
        if fault.words is not None:
            await expect(fault.words).to_have_count(0, timeout=GIVE_UP_S * 1000)
        await asyncio.sleep(SETTLE_S)
        return row

    def faults(self) -> list[Fault]:
        """All of them, in an order in which none hides the next."""

        def guest(script: str) -> Callable[[], Awaitable[Any]]:
            return lambda: self.guest.evaluate(script)

        def tell(*words: str) -> Callable[[], Awaitable[Any]]:
            return lambda: asyncio.to_thread(self.camera.tell, *words)

        def other(trouble: str) -> Locator:
            return self.host.locator(f"[data-test=alarm-other] [data-trouble={trouble}]")

        def warning(text: str) -> Locator:
            return self.host.locator("[data-test=rec-warning]", has_text=text)

        measured, sampled = PAGE_MEASURED_S, SAMPLED_S
        return [
            Fault("camera_black", "page", measured, guest("window.bright = 0"), guest("window.bright = 128"),
                  other("black")),
            Fault("mic_silent", "page", measured, guest("window.loud.gain.value = 0"),
                  guest("window.loud.gain.value = 0.2"), other("silent")),
            Fault("mic_clipping", "page", measured, guest("window.loud.gain.value = 40"),
                  guest("window.loud.gain.value = 0.2"), other("clipping")),
            Fault("track_stalled", "page", measured, guest("window.flow(false)"), guest("window.flow(true)"),
                  other("stalled")),
            Fault("store_away", "store", measured, self._store(signal.SIGSTOP), self._store(signal.SIGCONT),
                  warning("存储服务器暂时连不上")),
            Fault("disk_full", "disk", measured, self._disk(SPARE_BYTES * 2), self._disk(0), warning("磁盘已满")),
            Fault("camera_black", "IP camera", sampled, tell("picture", "pattern", "black"),
                  tell("picture", "pattern", "smpte"), other("black")),
            Fault("mic_silent", "IP camera", sampled, tell("tone", "volume", "0"), tell("tone", "volume", "0.5"),
                  other("silent")),
        ]  # fmt: skip

    def _store(self, word: signal.Signals) -> Callable[[], Awaitable[None]]:
        async def send() -> None:
            for process in self.house.processes["storage.embedded"], *_children(self.house):
                os.kill(process.pid, word)

        return send

    def _disk(self, size: int) -> Callable[[], Awaitable[None]]:
        async def take() -> None:
            ballast = self.house.settings.data_dir / "ballast"
            if size == 0:
                ballast.unlink()
                return
            with ballast.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, size)

        return take


def _children(house: House) -> list[psutil.Process]:
    found: list[psutil.Process] = psutil.Process(house.processes["storage.embedded"].pid).children(recursive=True)
    return found


async def _none() -> None:
    return None


async def _shown(words: Locator) -> float:
    await words.first.wait_for(state="visible", timeout=GIVE_UP_S * 1000)
    return time.monotonic()


async def _since(began_s: float, wait: Awaitable[float]) -> float | None:
    try:
        return round(await wait - began_s, 2)
    except Exception as error:  # a browser's time-out and our own mean the same
        if "imeout" not in type(error).__name__:
            raise
        return None


async def _enter(chromium: Browser, person: Person, session_id: str) -> Page:
    context, page = await open_as(chromium, person, session_id)
    await context.add_init_script(DEVICES_JS)
    page.set_default_timeout(GIVE_UP_S * 1000)
    await page.goto(f"{person.front.url}call/{session_id}")
    await page.locator("[data-test=consent-tick]").first.click()
    await page.locator("[data-test=call-join]").click()
    await page.wait_for_selector("[data-test=conn-state][data-state=connected]")
    return page


@asynccontextmanager
async def _station(folder: Path) -> AsyncIterator[Station]:
    build_pages(ROOT)
    outside = Outside()
    app = web.Application()
    app.router.add_post("/", outside.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", outside.port).start()
    picture, tone = H264.replace("src", "src name=picture", 1), ALAW.replace("src", "src name=tone volume=0.5", 1)
    camera = gstreamer({"live": f"{picture} {tone}"})
    house = House(
        folder / "data",
        ROOT / UI / "dist",
        disk_full_bytes=shutil.disk_usage(folder).free - SPARE_BYTES,
        webhook_urls=[f"http://127.0.0.1:{outside.port}/"],
        webhook_secret="benchmark-of-alarms",
    )
    try:
        await camera.start()
        await house.start_store()
        await house.start_mediaserver()
        await house.start_recorder()
        await house.start_web()
        place = await house.front.add_place("青石镇派出所")
        host = await house.front.signed_in("station_officer", name="刘卫国", place_id=place)
        guest = await house.front.signed_in("hq_officer", name="周敏")
        session_id = await house.session(host)
        camera_id = await add_camera(house, place, camera.address(), sound=True)
        async with async_playwright() as playwright:
            chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
            pages = [await _enter(chromium, person, session_id) for person in (host, guest)]
            await host.put(f"/api/sessions/{session_id}/cameras", {"camera_ids": [camera_id]})
            await until(lambda: house.running.media.up)
            await pages[0].locator("[data-test=rec-start]").click()
            await pages[0].wait_for_selector("[data-test=rec-state][data-state=on]")
            await house.wait(
                host, session_id, lambda d: any(p["kind"] == "camera" and p["present"] for p in d["participants"]), 60
            )
            await asyncio.sleep(25)  # the camera was looked into twice, and everything is well
            yield Station(house, outside, camera, pages[0], pages[1])
            await chromium.close()
    finally:
        with contextlib.suppress(AttributeError):  # it did not come that far
            await house.close()
        await camera.kill()
        await runner.cleanup()


async def measure(repeats: int) -> list[Run]:
    """Every fault so many times. Raises AssertionError, RuntimeError, OSError when it could not be measured."""
    with tempfile.TemporaryDirectory(prefix="videohome-alarms-") as name:
        async with _station(Path(name)) as station:
            return [await station.measure(fault) for _ in range(repeats) for fault in station.faults()]


def summed(runs: list[Run]) -> tuple[list[Run], list[Run]]:
    """A row for each fault with median and slowest, and whether the slowest is in time."""
    rows, decided = [], []
    for key in dict.fromkeys((run["fault"], run["source"], run["within_s"]) for run in runs):
        group = [run for run in runs if (run["fault"], run["source"], run["within_s"]) == key]
        row: Run = {"table": "alarms", "fault": key[0], "source": key[1], "runs": len(group)}
        for way in ("page", "webhook"):
            times = [run[f"{way}_s"] for run in group]
            missed = None in times
            row[f"{way}_median_s"] = None if missed else median(times)
            row[f"{way}_slowest_s"] = None if missed else max(times)
            decided.append(
                {
                    "name": f"{key[0]} of {key[1]} to {way}, slowest of {len(group)}, s",
                    "target": f"<= {key[2]:g}",
                    "figure": row[f"{way}_slowest_s"],
                    "met": not missed and max(times) <= key[2],
                }
            )
        rows.append(row)
    return rows, decided
