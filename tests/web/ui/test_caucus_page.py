# SPDX-License-Identifier: Apache-2.0
"""A private talk in real browsers: those asked in go there and come back without a click, the others wait."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from tests.web.front import Browser as Person
from tests.web.sessions.house import House
from tests.web.ui.test_record_served import open_as

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.alone, pytest.mark.timeout(400)]
SLOW_MS = 60_000
PICTURES = os.environ.get("VIDEOHOME_TEST_PICTURES", "")


def hook(page: Page, name: str) -> Locator:
    return page.locator(f"[data-test={name}]")


async def picture(page: Page, name: str) -> None:
    """Keep a picture at a station's size and at a phone's."""
    if not PICTURES:
        return
    for size, (width, height) in {"phone": (390, 844), "1366": (1366, 768)}.items():
        await page.set_viewport_size({"width": width, "height": height})
        await page.wait_for_timeout(300)
        await page.screenshot(path=Path(PICTURES) / f"{name}-{size}.png")


async def enter(chromium: Browser, person: Person, session_id: str, errors: list[str]) -> Page:
    _, page = await open_as(chromium, person, session_id)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_default_timeout(SLOW_MS)
    await page.set_viewport_size({"width": 1366, "height": 768})
    await page.goto(f"{person.front.url}call/{session_id}")
    await hook(page, "consent-tick").first.click()
    await hook(page, "call-cam").click()  # three encoders would be all that this machine does
    await hook(page, "call-join").click()
    await joined(page)
    return page


async def joined(page: Page) -> None:
    await expect(hook(page, "conn-state")).to_have_attribute("data-state", "connected", timeout=SLOW_MS)


async def test_two_talk_alone_and_the_third_waits(house: House, camera_chromium: Browser) -> None:
    host = await house.front.signed_in("station_officer", name="刘卫国")
    guest = await house.front.signed_in("hq_officer", name="周敏")
    other = await house.front.signed_in("hq_officer", name="陈建")
    session_id, errors = await house.session(host, "田埂纠纷"), list[str]()
    pages = [await enter(camera_chromium, person, session_id, errors) for person in (host, guest, other)]
    mediator, party, waiting = pages
    await hook(mediator, "rec-start").click()
    await expect(hook(waiting, "rec-state")).to_have_attribute("data-state", "on", timeout=SLOW_MS)

    await hook(mediator, "panel-people").click()
    await hook(mediator, "caucus-open").click()
    await expect(hook(mediator, "caucus-start")).to_be_disabled()
    await mediator.locator("[data-test=caucus-person][data-name=周敏]").check()
    await picture(mediator, "caucus-choice")
    await hook(mediator, "caucus-start").click()
    for page in (mediator, party):
        await expect(hook(page, "caucus-banner")).to_contain_text("背靠背谈话", timeout=SLOW_MS)
        await joined(page)
        await expect(hook(page, "rec-state")).to_have_attribute("data-state", "off")
    await expect(hook(waiting, "caucus-wait")).to_contain_text("请稍候", timeout=SLOW_MS)
    await expect(hook(waiting, "rec-state")).to_contain_text("背靠背谈话")
    await expect(hook(waiting, "caucus-enter")).to_have_count(0)
    await expect(hook(party, "caucus-end")).to_have_count(0)
    await expect(waiting.locator(".tile")).to_have_count(0)  # no picture of before stands there
    await picture(waiting, "caucus-waiting")
    await picture(mediator, "caucus-talk")

    # Loaded anew, everybody is where they were.
    for page in (party, waiting):
        await page.reload()
        await joined(page)
    await expect(hook(party, "caucus-banner")).to_be_visible()
    await expect(hook(waiting, "caucus-wait")).to_be_visible()
    # Who leaves the talk waits with the others, and may go back.
    await hook(party, "call-leave").click()
    await expect(hook(party, "caucus-wait")).to_be_visible(timeout=SLOW_MS)
    await picture(party, "caucus-left")
    await hook(party, "caucus-enter").click()
    await expect(hook(party, "caucus-banner")).to_be_visible(timeout=SLOW_MS)
    await joined(party)

    await hook(mediator, "caucus-end").click()
    for page in pages:
        await expect(page).to_have_url(f"{house.front.url}call/{session_id}", timeout=SLOW_MS)
        await joined(page)
        await expect(hook(page, "rec-state")).to_have_attribute("data-state", "on", timeout=SLOW_MS)
        await expect(hook(page, "caucus-wait")).to_have_count(0)

    await hook(mediator, "call-end").click()
    await hook(mediator, "call-end-confirm").click()
    for page in (mediator, waiting):
        await page.goto(f"{house.front.url}sessions/{session_id}")
        await expect(hook(page, "record-caucus")).to_contain_text("背靠背谈话")
    await expect(hook(waiting, "record-caucus-link")).to_have_count(0)
    await picture(waiting, "caucus-record")
    await hook(mediator, "record-caucus-link").click()
    await expect(hook(mediator, "record-is-caucus")).to_contain_text("只有主持谈话的人能看")
    await picture(mediator, "caucus-record-own")
    assert errors == []
