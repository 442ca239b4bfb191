# SPDX-License-Identifier: Apache-2.0
"""A publisher's browser and a viewer's browser, each behind a bad link of its own, and a real mediaserver."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import Page, async_playwright

from tests.acceptance.machine import CHROMIUM, CHROMIUM_FLAGS
from tests.acceptance.speech import load, mixed, write_microphone
from tests.badlink.camera import write_camera
from tests.badlink.links import Leg, Links, bad_links
from tests.badlink.pages import STATISTICS_JS, WATCH_CAMERA_JS, WATCH_PICTURE_JS
from tests.mediaserver.chromium.harness import Media, Relay, build_page

PUBLISHER, VIEWER = "publisher", "viewer"
SETTLE_S = 5.0
WINDOW_S = 20.0
SAMPLE_S = 0.5
FIRST_FRAME_WITHIN_S = 30.0


@dataclass(frozen=True)
class Files:
    """What every run needs and none changes."""

    page: Path
    camera: Path
    microphone: Path


def make_files(folder: Path) -> Files:
    """Build the page, and the camera file (330 MB) and the microphone file where the folder has none yet."""
    files = Files(folder / "page", folder / "camera.y4m", folder / "mic.wav")
    folder.mkdir(parents=True, exist_ok=True)
    build_page(files.page)
    if not files.camera.exists():
        write_camera(files.camera)
    if not files.microphone.exists():
        session = load(Path(__file__).parents[1] / "data" / "synth-a")
        write_microphone(files.microphone, mixed(session, ("hq", "station", "villager")), 0.0)
    return files


@dataclass
class Sample:
    """Everything known at one moment."""

    at_ms: float
    publisher: dict[str, Any]
    viewer: dict[str, Any]
    server: dict[str, Any]
    relay: dict[str, dict[str, dict[str, int]]]


@dataclass
class Observation:
    """One window, raw."""

    samples: list[Sample] = field(default_factory=list)
    taken: list[tuple[float, int]] = field(default_factory=list)
    """(ms since 1970, number) at the publisher's camera."""
    shown: list[tuple[float, int, int]] = field(default_factory=list)
    """(ms since 1970, number, height) at the viewer."""
    join_ms: float = 0.0


class BadCall:
    """One call; use as an async context manager."""

    def __init__(self, folder: Path, files: Files, seed: int) -> None:
        self.media = Media(folder)
        self.media.bind = "0.0.0.0"
        self.relay = Relay(self.media, files.page)
        self.relay.host = "0.0.0.0"
        self._folder, self._files, self._seed = folder, files, seed
        self._stack = contextlib.AsyncExitStack()
        self.links: Links
        self.pages: dict[str, Page] = {}
        self._playwright: Any = None

    async def __aenter__(self) -> BadCall:
        try:
            self.links = self._stack.enter_context(bad_links((PUBLISHER, VIEWER), self._seed))
            await self.media.start()
            self._stack.push_async_callback(self.media.stop)
            await self.relay.start()
            self._stack.push_async_callback(self.relay.stop)
            self._playwright = await self._stack.enter_async_context(async_playwright())
            await asyncio.gather(self._open(PUBLISHER, ""), self._open(VIEWER, "&no-mic&no-cam"))
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    async def _open(self, name: str, query: str) -> None:
        leg = self.links.legs[name]
        origin = f"http://{leg.server_address}:{self.relay.port}"
        browser = await self._playwright.chromium.launch(
            executable_path=self._program(leg),
            args=[
                *CHROMIUM_FLAGS,
                "--autoplay-policy=no-user-gesture-required",
                f"--unsafely-treat-insecure-origin-as-secure={origin}",
                f"--use-file-for-fake-video-capture={self._files.camera}",
                f"--use-file-for-fake-audio-capture={self._files.microphone}",
            ],
        )
        self._stack.push_async_callback(browser.close)
        page = self.pages[name] = await browser.new_page()
        page.on("console", lambda message: print(name, message.text))
        page.on("pageerror", lambda error: print(name, "error:", error))
        await page.goto(f"{origin}/index.html?wait{query}#{name}")
        await page.wait_for_function("typeof window.go === 'function'")

    def _program(self, leg: Leg) -> Path:
        script = self._folder / f"chromium-{leg.name}"
        script.write_text(f'#!/bin/sh\nexec ip netns exec {leg.namespace} {CHROMIUM} "$@"\n')
        script.chmod(0o755)
        return script

    async def join(self) -> float:
        """Both join over the links as they are now; ms until the viewer's first picture."""
        publisher, viewer = self.pages[PUBLISHER], self.pages[VIEWER]
        await publisher.evaluate("go()")
        await publisher.wait_for_function("engine.view().link.name === 'joined'", timeout=FIRST_FRAME_WITHIN_S * 1000)
        await publisher.evaluate(WATCH_CAMERA_JS)
        began = time.monotonic()
        await viewer.evaluate("go()")
        picture = f"cam-{PUBLISHER}"
        await viewer.wait_for_function(
            f"document.getElementById('{picture}')?.videoWidth", timeout=FIRST_FRAME_WITHIN_S * 1000
        )
        took = (time.monotonic() - began) * 1000
        await viewer.evaluate(WATCH_PICTURE_JS, picture)
        return took

    async def sample(self) -> Sample:
        """Both browsers, the server and the relay now."""
        publisher, viewer, server = await asyncio.gather(
            self.pages[PUBLISHER].evaluate(STATISTICS_JS),
            self.pages[VIEWER].evaluate(STATISTICS_JS),
            self.media.stats(),
        )
        return Sample(time.time() * 1000, publisher, viewer, server, self.links.counters())

    async def watch(self, window_s: float, observation: Observation) -> None:
        """Add samples over a window, from its first moment to its last."""
        begin = time.monotonic()
        observation.samples.append(await self.sample())
        while (left := begin + window_s - time.monotonic()) > 0:
            await asyncio.sleep(min(SAMPLE_S, left))
            observation.samples.append(await self.sample())

    async def collect(self, observation: Observation) -> Observation:
        """Add what the pages wrote down."""
        observation.taken = [
            (row[0], row[1]) for row in await self.pages[PUBLISHER].evaluate("taken.map(([at, n]) => [at + ahead, n])")
        ]
        observation.shown = [(row[0], row[1], row[2]) for row in await self.pages[VIEWER].evaluate("shown")]
        return observation


async def observe_loss(folder: Path, files: Files, seed: int, loss: float, window_s: float = WINDOW_S) -> Observation:
    """One run of a loss row: 100 ms round trip and `loss` in both directions of both legs, from before the join."""
    folder.mkdir(parents=True, exist_ok=True)
    async with BadCall(folder, files, seed) as call:
        call.links.change_all(delay_ms=50, loss=loss)
        observation = Observation(join_ms=await call.join())
        await asyncio.sleep(SETTLE_S)
        await call.watch(window_s, observation)
        return await call.collect(observation)
