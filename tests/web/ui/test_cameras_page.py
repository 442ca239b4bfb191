# SPDX-License-Identifier: Apache-2.0
"""The administrator's page of cameras in Chromium, against the real web program and a real RTSP server."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect

from storage.settings import Settings
from tests.acceptance.machine import CHROMIUM
from tests.mediaserver.cameras import servers
from tests.mediaserver.cameras.servers import PASSWORD, USER, RtspServer, gstreamer
from tests.web.front import Browser, Clock, Front, start_front
from web.app import utc_ms

TEST_WITHIN_MS = 15_000


@pytest.fixture(scope="module")
def camera() -> Iterator[RtspServer]:
    made = gstreamer({"live": f"{servers.H264} {servers.ALAW}"})
    made.switch_on()
    yield made
    made.switch_off()


@pytest.fixture
async def front(tmp_path: Path, built_pages: Path) -> AsyncIterator[Front]:
    front, runner = await start_front(Settings(data_dir=tmp_path / "data"), Clock(utc_ms()), built_pages)
    yield front
    await front.close()
    await runner.cleanup()


@pytest.fixture
async def page(front: Front) -> AsyncIterator[Page]:
    """The page as an administrator opens it. Any fault in the page's own scripts fails the test."""
    admin: Browser = await front.signed_in("administrator", name="管理员")
    await front.add_place("青石镇派出所")
    cookie = {"name": "__Host-videohome", "value": admin.cookie(), "url": str(front.url), "secure": True}
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = await browser.new_context(
            ignore_https_errors=True, locale="zh-CN", viewport={"width": 1366, "height": 768}
        )
        await context.add_cookies([cookie])
        opened = await context.new_page()
        faults: list[str] = []
        opened.on("pageerror", lambda error: faults.append(str(error)))
        await opened.goto(f"{front.url}admin/cameras")
        yield opened
        await browser.close()
        assert faults == []


async def shot(page: Page, name: str) -> None:
    """A picture for whoever wants to look (VIDEOHOME_TEST_PICTURES names the folder)."""
    if folder := os.environ.get("VIDEOHOME_TEST_PICTURES"):
        await page.screenshot(path=str(Path(folder) / f"{name}.png"))


async def test_a_camera_is_tried_saved_tested_and_removed(page: Page, camera: RtspServer) -> None:
    async def fill(name: str, text: str) -> None:
        await page.locator(f"[data-test={name}]").fill(text)

    async def click(name: str) -> None:
        await page.locator(f"[data-test={name}]").click()

    await shot(page, "cameras-none")
    await click("add-camera")
    await fill("camera-name", "摄像机 1")
    await page.locator("[data-test=camera-place]").select_option(label="青石镇派出所")
    await fill("camera-address", camera.address())
    await fill("camera-username", USER)
    await fill("camera-password", "wrong")
    await click("take-picture")
    refused = page.locator("[data-test=camera-test-error] [data-test=error-text]")
    await expect(refused).to_contain_text("用户名或密码", timeout=TEST_WITHIN_MS)
    await shot(page, "camera-refused")
    await fill("camera-password", PASSWORD)
    await click("take-picture")
    await expect(page.locator("[data-test=camera-picture] img")).to_be_visible(timeout=TEST_WITHIN_MS)
    await expect(page.locator("[data-test=camera-facts]")).to_contain_text("320×180 · H.264 High · 声音：G.711 A")
    await shot(page, "camera-picture")
    await click("save")
    row = page.locator("[data-test=camera-row]")
    await expect(row).to_contain_text("未测试")
    await click("test-camera")
    await expect(row.locator("[data-test=camera-state]")).to_contain_text("可用", timeout=TEST_WITHIN_MS)
    await shot(page, "cameras")
    await click("edit-camera")
    assert await page.locator("[data-test=camera-password]").input_value() == "", "never shown again"
    await fill("camera-name", "大厅摄像机")
    await shot(page, "camera-edit")
    await click("save")
    await expect(row).to_contain_text("大厅摄像机")
    assert PASSWORD not in await page.content()
    await click("remove-camera")
    await click("confirm")
    await expect(row).to_have_count(0)
