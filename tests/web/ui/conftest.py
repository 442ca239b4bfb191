# SPDX-License-Identifier: Apache-2.0
"""The pages as they are shipped, built from this checkout; Chromium; and one small recording for the record page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright

from hatch_build import UI, build_pages
from tests.acceptance.machine import CHROMIUM, CHROMIUM_FLAGS
from tests.web.sessions.house import House, house_with_media
from tests.web.ui.call_stand import CallStand, open_session
from tests.web.ui.recording import Recording, Stretch
from tests.web.ui.stand import ORIGIN_UTC_MS, Stand, detail

ROOT = Path(__file__).parents[3]
Enter = Callable[..., Awaitable[tuple[CallStand, Page]]]
"""Makes a room and joins it: how many others, the size of the window, and more for the stand."""
PAUSE = (20_000, 26_000)
LENGTH_MS = 44_000


@pytest.fixture(scope="session")
def built_pages() -> Path:
    """The folder web/ui/dist, up to date."""
    build_pages(ROOT)
    return ROOT / UI / "dist"


@pytest_asyncio.fixture(loop_scope="session")
async def house(tmp_path: Path, built_pages: Path) -> AsyncIterator[House]:
    """Web with the shipped pages, mediaserver and recorder."""
    async with house_with_media(tmp_path / "data", built_pages) as made:
        yield made


def _camera_stalls(time_ms: int) -> bool:
    """Six hundred milliseconds without a picture, from the end of one part into the next."""
    return 10_900 < time_ms < 11_500


def _every_tenth(time_ms: int) -> bool:
    return time_ms // 20 % 10 == 3


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """Two people for 44 seconds, with a pause of six.

    The station's key frames are a minute apart, its camera stalls once, and its clock was mended (offset) after the
    pause. Headquarters comes later, and every tenth packet of its sound is lost.
    """
    made = Recording(tmp_path_factory.mktemp("recording"))
    before, after, late = PAUSE[0], Stretch(PAUSE[1], LENGTH_MS), 3_200
    mended = Stretch(PAUSE[1], LENGTH_MS, offset_ms=1_500)
    made.add("st1-cam", "video", Stretch(0, before, lost=_camera_stalls), mended)
    made.add("st1-mic", "audio", Stretch(0, before), mended)
    made.add("hq1-cam", "video", Stretch(late, before, -700, keyframe_every_ms=12_500), after)
    made.add("hq1-mic", "audio", Stretch(late, before, lost=_every_tenth), after)
    return made


def playback(recording: Recording) -> dict[str, Any]:
    """What `/playback` says of it."""
    return {
        "origin_utc_ms": ORIGIN_UTC_MS,
        "duration_ms": LENGTH_MS,
        "complete": True,
        "public_key": "0123456789abcdef" * 4,
        "integrity_code": "0PST-QWJQ-K9FB-CS03-SNWW",
        "peers": [
            {"peer_id": "st1", "name": "永安派出所", "place": "调解室"},
            {"peer_id": "hq1", "name": "指挥中心", "place": "县公安局"},
        ],
        "tracks": recording.tracks,
        "gaps": [{"track_id": None, "from_ms": PAUSE[0], "to_ms": PAUSE[1], "cause": "paused", "packets": 0}],
        "events": [{"at_ms": 3_200, "type": "peer_joined", "data": {"peer_id": "hq1", "name": "指挥中心"}}],
        "markers": [{"id": "m1", "label": "", "at_ms": 34_000}],
        "sections": [
            {"id": "s1", "label": "听取陈述", "from_ms": 1_000, "to_ms": 30_000},
            {"id": "s2", "label": "宣读协议", "from_ms": 30_000, "to_ms": None},
        ],
    }


def lines(count: int) -> list[dict[str, Any]]:
    """Lines of a second each, spread over the recording."""
    step = LENGTH_MS / count
    return [
        {
            "n": n,
            "turn": n // 3,
            "start_ms": int(n * step),
            "end_ms": int(n * step + min(1_000, step)),
            "peer_id": ("st1", "hq1")[n // 3 % 2],
            "speaker": ("永安派出所", "指挥中心")[n // 3 % 2],
            "text": f"第{n}行，说的是宅基地的事。",
            "flags": ["unsure", "echo"] if n % 10 == 4 else [],
        }
        for n in range(count)
    ]


@pytest_asyncio.fixture(loop_scope="session")
async def stand(recording: Recording, built_pages: Path) -> AsyncIterator[Stand]:
    """A sealed and transcribed session on its page."""
    made = Stand(recording.folder, detail(), playback(recording), lines(60), pages=built_pages)
    await made.start()
    yield made
    await made.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """Debian's Chromium, with no picture and no sound card."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(chromium: Browser, stand: Stand) -> AsyncIterator[Page]:
    """The record page, opened and with its lines. Any fault in the page's own scripts fails the test."""
    context = await chromium.new_context(
        viewport={"width": 1366, "height": 768}, locale="zh-CN", timezone_id="Asia/Shanghai"
    )
    opened = await context.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    await opened.goto(stand.page)
    await opened.wait_for_selector("[data-test=transcript-line]")
    yield opened
    await context.close()
    assert faults == []


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def camera_chromium() -> AsyncIterator[Browser]:
    """A Chromium with a camera of its own."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def enter(camera_chromium: Browser, built_pages: Path) -> AsyncIterator[Enter]:
    """Rooms and pages in them. Any fault in the pages' own scripts fails the test."""
    stands: list[CallStand] = []
    faults: list[str] = []

    async def go(
        others: int, size: tuple[int, int] = (1366, 768), script: str = "", **options: Any
    ) -> tuple[CallStand, Page]:
        stand = CallStand(Path(), open_session(), pages=built_pages, others=others, **options)
        await stand.start()
        stands.append(stand)
        context = await camera_chromium.new_context(
            viewport={"width": size[0], "height": size[1]}, locale="zh-CN", permissions=["camera", "microphone"]
        )
        await context.add_init_script(script)
        page = await context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        await page.goto(stand.page)
        await page.click("[data-test=call-join]")
        await page.wait_for_selector("[data-test=conn-state][data-state=connected]")
        return stand, page

    yield go
    for context in camera_chromium.contexts:
        await context.close()
    for stand in stands:
        await stand.close()
    assert faults == []
