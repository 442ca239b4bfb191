# SPDX-License-Identifier: Apache-2.0
"""The first morning with Video Home, in real browsers against the real web program: an administrator signs in for the
first time, adds a station, an officer and a set; the officer and the video room open their one-time links."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from storage.settings import Settings
from tests.acceptance.machine import CHROMIUM
from tests.web.front import Clock, Front, start_front
from web.app import utc_ms
from web.first_admin import ensure_administrator

PASSWORD = "long enough and mine"
OFFICER_PASSWORD = "a horse, a bridge, rain"


@pytest.fixture
async def front(tmp_path: Path, built_pages: Path) -> AsyncIterator[Front]:
    """The web program with the shipped pages and nobody but nobody in its database."""
    front, runner = await start_front(Settings(data_dir=tmp_path / "data"), Clock(utc_ms()), built_pages)
    yield front
    await front.close()
    await runner.cleanup()


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        await browser.close()


class Desk:
    """One person's browser. Whatever its console says in red ends the test."""

    def __init__(self, front: Front, context: BrowserContext, page: Page) -> None:
        self.front, self.context, self.page = front, context, page
        self.faults: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", self._note)

    @classmethod
    async def open(cls, chromium: Browser, front: Front, language: str = "zh-CN") -> Desk:
        context = await chromium.new_context(ignore_https_errors=True, locale=language)
        return cls(front, context, await context.new_page())

    def _note(self, message: object) -> None:
        text = str(getattr(message, "text", message))
        # Chromium reports every refused request of its own accord; the pages show them as sentences.
        refused = text.startswith("Failed to load resource: the server responded with a status of 4")
        if getattr(message, "type", "") == "error" and not refused:
            self.faults.append(text)

    async def go(self, path: str) -> None:
        await self.page.goto(str(self.front.url)[:-1] + path)

    async def click(self, name: str) -> None:
        await self.page.locator(f"[data-test={name}]").click()

    async def fill(self, name: str, text: str) -> None:
        await self.page.locator(f"[data-test={name}]").fill(text)

    async def choose(self, name: str, label: str) -> None:
        await self.page.locator(f"[data-test={name}]").select_option(label=label)

    async def sees(self, name: str, text: str | re.Pattern[str]) -> None:
        await expect(self.page.locator(f"[data-test={name}]").first).to_contain_text(text)

    async def sign_in(self, username: str, password: str) -> None:
        await self.fill("username", username)
        await self.fill("password", password)
        await self.page.keyboard.press("Enter")

    async def link(self) -> str:
        """The one-time link that is shown now; closes its dialogue."""
        link = await self.page.locator("[data-test=link]").input_value()
        await self.page.keyboard.press("Escape")
        await expect(self.page.locator("[data-test=link]")).to_have_count(0)
        return link


async def first_administrator(desk: Desk) -> None:
    """Sign in with the printed one-time password and choose one."""
    printed = ensure_administrator(desk.front.settings, utc_ms())
    assert printed
    await desk.go("/admin/people")
    await desk.sign_in("admin", "not the password")
    await desk.sees("error-text", "用户名或密码不对")
    await expect(desk.page.locator("[data-test=password]")).to_be_focused()
    await desk.sign_in("admin", printed)
    await expect(desk.page.locator("[data-test=current-password]")).to_be_focused()
    await expect(desk.page.locator("[data-test=nav-people]")).to_have_count(0)
    await desk.fill("current-password", printed)
    await desk.fill("new-password", "short")
    await desk.fill("new-password-again", "short")
    await desk.click("change-password")
    await desk.sees("error", "10")
    await desk.fill("new-password", PASSWORD)
    await desk.fill("new-password-again", PASSWORD)
    await desk.click("change-password")
    await desk.sees("toast", "密码已修改")
    await desk.sees("me", "管理员")


async def add_station(desk: Desk) -> None:
    await desk.click("setup-places")
    await desk.click("add-place")
    await desk.fill("place-name", "永安派出所")
    await desk.page.keyboard.press("Enter")
    await desk.sees("place-row", "永安派出所")


async def add_officer(desk: Desk) -> str:
    """Returns the officer's one-time link."""
    await desk.click("nav-people")
    await desk.click("add-person")
    await desk.fill("person-name", "赵建国")
    await desk.fill("person-username", "Zhao")
    await desk.choose("person-place", "永安派出所")
    await desk.click("save")
    link = await desk.link()
    await expect(desk.page.locator("[data-test=person-row]", has_text="zhao")).to_contain_text("还没有设置密码")
    return link


async def add_set(desk: Desk) -> str:
    """Returns the set's one-time link."""
    await desk.click("nav-sets")
    await desk.click("add-set")
    await desk.fill("set-name", "永安调解室")
    await desk.choose("set-place", "永安派出所")
    await desk.page.keyboard.press("Enter")
    await desk.sees("set-state", "还没有登记")
    await desk.click("invite-set")
    return await desk.link()


async def officer_opens(desk: Desk, link: str) -> None:
    """Chooses a password by the link, then signs out and in with it."""
    await desk.page.goto(link)
    await desk.sees("join-name", "赵建国")
    assert "#" not in desk.page.url, "the token stays in nobody's history"
    await desk.fill("new-password", OFFICER_PASSWORD)
    await desk.sees("strength", "很好")
    await desk.fill("new-password-again", OFFICER_PASSWORD + "!")
    await desk.click("accept")
    await desk.sees("error", "不一样")
    await desk.fill("new-password-again", OFFICER_PASSWORD)
    await desk.click("accept")
    await desk.sees("me", "永安派出所")
    await desk.click("sign-out")
    await desk.sign_in("zhao", OFFICER_PASSWORD)
    await desk.sees("me", "赵建国")


async def language_follows(desk: Desk) -> None:
    async with desk.page.expect_response("**/api/me/language"):
        await desk.click("language")
    await desk.sees("nav-home", "Home")
    await desk.page.reload()
    await desk.sees("nav-home", "Home")
    await expect(desk.page).to_have_title(re.compile("Video Home$"))
    assert await desk.page.locator("html").get_attribute("lang") == "en"


async def test_first_morning(front: Front, chromium: Browser) -> None:
    admin, officer, room = [await Desk.open(chromium, front) for _ in range(3)]
    await first_administrator(admin)
    await admin.go("/")
    await add_station(admin)
    officer_link = await add_officer(admin)
    set_link = await add_set(admin)

    await officer_opens(officer, officer_link)
    await language_follows(officer)
    await officer.page.goto(officer_link)
    await officer.sees("error-text", "already been used")

    await room.page.goto(set_link)
    await room.sees("join-name", "终端")
    await room.click("accept")
    await room.sees("me", "永安调解室")
    await room.sees("set-health", "摄像头")
    await room.click("sign-out")
    await room.sees("confirm-dialog", "新发的一次性链接")
    await room.page.keyboard.press("Escape")
    await room.sees("new-session", "开始")
    await admin.page.reload()
    await admin.sees("set-state", "使用中")
    await admin.click("release-set")
    await admin.click("confirm")
    await admin.sees("set-state", "未在线")
    await room.page.reload()
    await expect(room.page.locator("[data-test=username]")).to_be_visible()

    for desk in (admin, officer, room):
        assert desk.faults == []
        await desk.context.close()


async def test_an_address_is_kept_over_the_sign_in(front: Front, chromium: Browser) -> None:
    """Somebody follows a link into the pages, signs in, and is where the link led; filters included."""
    place_id = await front.add_place()
    await front.add_account("clerk", username="qian", name="钱小红", password=PASSWORD)
    desk = await Desk.open(chromium, front, "en")
    await desk.go(f"/sessions?place={place_id}&state=ended")
    await desk.sign_in("qian", PASSWORD)
    await expect(desk.page.locator("[data-test=filter-state]")).to_have_value("ended")
    await expect(desk.page.locator("[data-test=filter-place]")).to_have_value(place_id)
    await desk.sees("empty", "No session matches")
    await desk.click("clear-filters")
    await expect(desk.page).to_have_url(re.compile("/sessions$"))
    assert desk.faults == []


async def test_no_way_out_of_the_pages_by_the_next_address(front: Front, chromium: Browser) -> None:
    await front.add_account("clerk", username="qian", name="钱小红", password=PASSWORD)
    desk = await Desk.open(chromium, front, "en")
    await desk.go("/sign-in?next=//example.org/")
    await desk.sign_in("qian", PASSWORD)
    await desk.sees("me", "钱小红")
    assert desk.page.url.startswith(str(front.url))


async def test_a_page_that_is_not_ones_own_says_so(front: Front, chromium: Browser) -> None:
    await front.add_account("clerk", username="qian", name="钱小红", password=PASSWORD)
    desk = await Desk.open(chromium, front)
    await desk.go("/admin/people")
    await desk.sign_in("qian", PASSWORD)
    await desk.sees("error-text", "没有这项权限")
