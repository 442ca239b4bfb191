# SPDX-License-Identifier: Apache-2.0
"""Doors for devices by the pages alone: opened, told once, used, and taken back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.mediaserver.shell.offers import offer
from tests.web.sessions.house import House
from tests.web.ui.test_record_served import open_as

SLOW_MS = 30_000
"""Several requests, one after the other, on a busy machine."""
pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def house(tmp_path: Path, built_pages: Path) -> AsyncIterator[House]:
    """Web with the shipped pages, and the mediaserver."""
    made = House(tmp_path / "data", built_pages)
    await made.start_mediaserver()
    await made.start_web()
    yield made
    await made.close()


async def device(house: House, address: str, token: str) -> int:
    """Somebody's encoder connects with what was copied into it; the status of the answer."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"}
    async with house.front.browser().http.post(address, data=offer(), headers=headers) as reply:
        return reply.status


async def open_door(page: Page, name: str, right: str, people: str = "") -> None:
    await page.locator("[data-test=door-new]").click()
    await page.locator("input[data-test=door-name]").fill(name)
    await page.locator("[data-test=door-right]").select_option(right)
    if people:
        await page.locator("[data-test=door-people]").fill(people)
    await page.keyboard.press("Enter")


async def test_a_door_is_opened_told_once_used_and_taken_back(house: House, chromium: Browser) -> None:
    officer = await house.front.signed_in("station_officer")
    session_id = await house.session(officer)
    context, page = await open_as(chromium, officer, session_id)
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.locator("[data-test=doors-link]").click()
    await expect(page.locator("[data-test=doors-none]")).to_contain_text("还没有设备接入")

    await open_door(page, "会议室编码器", "publish")
    await expect(page.locator("[data-test=door-key]")).to_have_count(0)  # nobody is named before its camera
    await page.locator("[data-test=door-people]").fill("陈红、李强")
    await page.locator("[data-test=door-make]").click()
    address = await page.locator("[data-test=door-address]").input_value()
    token = await page.locator("[data-test=door-token]").input_value()
    assert address == f"{house.front.url}whip/{session_id}"
    await page.locator("[data-test=door-token-copy]").click()
    assert await page.evaluate("navigator.clipboard.readText()") == token
    await page.locator("[data-test=door-key-close]").click()
    row = page.locator("[data-test=door-row]")
    await expect(row.locator("[data-test=door-state]")).to_have_text("未接入")

    for name in ("陈红", "李强"):
        await row.locator(f"[data-test=door-consent][data-name={name}]").click()
        await expect(row).to_contain_text(f"{name} 已同意录音录像", timeout=SLOW_MS)
    assert await device(house, address, token) == 201
    await expect(row.locator("[data-test=door-state]")).to_have_text("正在使用", timeout=SLOW_MS)
    assert token not in await page.content(), "it was told once"

    await row.locator("[data-test=door-close]").click()
    await page.locator("[data-test=confirm]").click()
    await expect(page.locator("[data-test=doors-none]")).to_be_visible(timeout=SLOW_MS)
    assert await device(house, address, token) == 403
    await context.close()


async def test_a_wall_gets_the_address_of_whom_it_shows(house: House, chromium: Browser) -> None:
    officer = await house.front.signed_in("station_officer")
    session_id = await house.session(officer)
    context, page = await open_as(chromium, officer, session_id)
    await page.goto(f"{house.front.url}sessions/{session_id}/doors")
    await open_door(page, "大屏", "watch")
    await expect(page.locator("[data-test=door-nobody]")).to_contain_text("还没有人加入会话")
    assert await page.locator("[data-test=door-token]").input_value() != ""
    await page.locator("[data-test=door-key-close]").click()
    await open_door(page, "编码器", "publish", "陈红")
    await page.locator("[data-test=door-key-close]").click()
    listed = (await officer.get(f"/api/sessions/{session_id}/doors")).body["doors"]
    encoder = next(door["peer_id"] for door in listed if door["right"] == "publish")
    wall = page.locator("[data-test=door-row]", has_text="大屏")
    await wall.locator("[data-test=door-show]").click()
    await expect(page.locator("[data-test=door-address]")).to_have_value(
        f"{house.front.url}whep/{session_id}/{encoder}"
    )
    await expect(page.locator("[data-test=door-token]")).to_have_count(0)
    await context.close()


async def test_who_does_not_lead_is_told_so(house: House, chromium: Browser) -> None:
    officer, clerk = await house.front.signed_in("station_officer"), await house.front.signed_in("clerk")
    session_id = await house.session(officer)
    context, page = await open_as(chromium, clerk, session_id)
    await expect(page.locator("[data-test=record]")).to_be_visible()
    await expect(page.locator("[data-test=doors-link]")).to_have_count(0)
    await page.goto(f"{house.front.url}sessions/{session_id}/doors")
    await expect(page.locator("[data-test=error-text]").first).to_contain_text("没有这项权限")
    await expect(page.locator("[data-test=door-new]")).to_be_disabled()
    await context.close()
