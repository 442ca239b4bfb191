# SPDX-License-Identifier: Apache-2.0
"""A disk that fills up under an open call: one clear sentence on the page each time, and all goes on by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.small_disk import fill, small_disk
from tests.web.sessions.house import House, until
from tests.web.ui.test_record_served import open_as

pytestmark = pytest.mark.asyncio(loop_scope="session")
SLOW_MS = 60_000
"""The recorder looks at its disk every few seconds, and the machine may be busy."""
FULL_BYTES = 1_000_000


@pytest_asyncio.fixture(loop_scope="session")
async def house(tmp_path: Path, built_pages: Path) -> AsyncIterator[House]:
    """Web with the shipped pages, mediaserver and recorder, with a small disk under the recordings."""
    with small_disk(tmp_path / "disk.img", tmp_path / "data" / "spool"):
        made = House(tmp_path / "data", built_pages, disk_full_bytes=FULL_BYTES)
        await made.start_mediaserver()
        await made.start_recorder()
        await made.start_web()
        yield made
        await made.close()


def recorder_sees(house: House) -> str:
    """What the web program last heard of the disk."""
    last = house.running.recorder.last
    return "" if last is None else last.disk_state


async def test_an_open_call_says_that_the_disk_is_full_and_goes_on_when_there_is_room(
    house: House, camera_chromium: Browser, tmp_path: Path
) -> None:
    officer = await house.front.signed_in("station_officer")
    session_id = await house.session(officer)
    context, page = await open_as(camera_chromium, officer, session_id)
    page.set_default_timeout(SLOW_MS)
    await page.goto(f"{house.front.url}call/{session_id}")
    await page.locator("[data-test=consent-tick]").click()
    await page.locator("[data-test=call-join]").click()
    await page.wait_for_selector("[data-test=conn-state][data-state=connected]")
    state, refusal = page.locator("[data-test=rec-state]"), page.locator("[data-test=error-text]")
    warning = page.locator("[data-test=rec-warning]", has_text="磁盘已满")

    ballast = fill(tmp_path / "data" / "spool", leave_bytes=FULL_BYTES // 2)
    await until(lambda: recorder_sees(house) == "full", 60)
    await page.locator("[data-test=rec-start]").click()
    await expect(refusal).to_have_text("服务器磁盘已满，不能开始录制，请马上告诉技术人员。", timeout=SLOW_MS)
    await expect(state).to_have_attribute("data-state", "off")

    ballast.unlink()
    await until(lambda: recorder_sees(house) == "ok", 60)
    await page.locator("[data-test=rec-start]").click()
    await expect(state).to_have_attribute("data-state", "on", timeout=SLOW_MS)
    await expect(refusal).to_have_count(0)
    await expect(warning).to_have_count(0)

    ballast = fill(tmp_path / "data" / "spool", leave_bytes=FULL_BYTES // 2)
    await expect(warning).to_have_count(1, timeout=SLOW_MS)
    ballast.unlink()
    await expect(warning).to_have_count(0, timeout=SLOW_MS)
    await expect(state).to_have_attribute("data-state", "on")
    await context.close()
