# SPDX-License-Identifier: Apache-2.0
"""The pause button asks why; any answer pauses, and everybody reads the reason."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from tests.web.sessions.house import House
from tests.web.ui.test_record_served import open_as
from web.casework.breaks import LONGEST_REASON

pytestmark = pytest.mark.asyncio(loop_scope="session")
SLOW_MS = 60_000


async def test_one_touch_or_a_few_words_say_why(house: House, camera_chromium: Browser) -> None:
    officer = await house.front.signed_in("station_officer")
    session_id = await house.session(officer)
    context, page = await open_as(camera_chromium, officer, session_id)
    page.set_default_timeout(SLOW_MS)
    await page.goto(f"{house.front.url}call/{session_id}")
    await page.locator("[data-test=consent-tick]").click()
    await page.locator("[data-test=call-join]").click()
    await page.wait_for_selector("[data-test=conn-state][data-state=connected]")
    state, question = page.locator("[data-test=rec-state]"), page.locator("[data-test=break-question]")
    await page.locator("[data-test=rec-start]").click()
    await expect(state).to_have_attribute("data-state", "on", timeout=SLOW_MS)

    await page.locator("[data-test=rec-pause]").click()
    await expect(question).to_be_visible(timeout=SLOW_MS)
    await page.locator("[data-test=break-cancel]").click()
    await expect(question).to_have_count(0, timeout=SLOW_MS)
    await expect(state).to_have_attribute("data-state", "on", timeout=SLOW_MS)

    await page.locator("[data-test=rec-pause]").click()
    await page.locator("[data-test=break-rest]").click()
    await expect(state).to_contain_text("休息", timeout=SLOW_MS)
    await expect(question).to_have_count(0, timeout=SLOW_MS)
    await page.locator("[data-test=rec-resume]").click()
    await expect(state).to_have_attribute("data-state", "on", timeout=SLOW_MS)
    await expect(question).to_have_count(0, timeout=SLOW_MS)

    await page.locator("[data-test=rec-pause]").click()
    await page.locator("[data-test=break-own]").fill("等" * (LONGEST_REASON + 20))
    await page.locator("[data-test=break-own-save]").click()
    await expect(state).to_have_attribute("data-state", "paused", timeout=SLOW_MS)
    detail = await house.detail(officer, session_id)
    assert detail["recording"]["reason"] == "等" * LONGEST_REASON
    await context.close()
