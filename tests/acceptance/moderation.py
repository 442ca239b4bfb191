# SPDX-License-Identifier: Apache-2.0
"""How a host leads a session on the pages: waiting room, mute, hands, stage, handing over, removing."""

from __future__ import annotations

import os
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.acceptance.pages import Screen, hook

PICTURES = os.environ.get("VIDEOHOME_TEST_PICTURES", "")
"""A folder: what the pages look like on the way is kept there, for people to look at."""


def picture(page: Page, name: str) -> None:
    """Keep a picture at a station's size and at a phone's."""
    if not PICTURES:
        return
    for size, (width, height) in {"1366": (1366, 768), "phone": (390, 844)}.items():
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(300)
        page.screenshot(path=Path(PICTURES) / f"{name}-{size}.png")
    page.set_viewport_size({"width": 1366, "height": 768})


def menu(host: Screen, item: str) -> None:
    """One act on the only other person, by the keyboard alone."""
    button = hook(host.page, "person-menu")
    button.focus()
    host.page.keyboard.press("Enter")
    wanted = hook(host.page, item)
    wanted.wait_for()
    picture(host.page, item)
    for _ in range(12):
        if wanted.evaluate("(element) => element === document.activeElement"):
            break
        host.page.keyboard.press("ArrowDown")
    host.page.keyboard.press("Enter")


def waits_and_comes_in(host: Screen, guest: Screen, session_url: str) -> None:
    """The host switches the waiting room on; the guest knocks and is let in."""
    hook(host.page, "panel-people").click()
    hook(host.page, "switch-waiting").click()
    expect(hook(host.page, "switch-waiting")).to_be_checked()
    hook(host.page, "panel-people").click()
    guest.page.goto(session_url)
    guest.prepare([])
    hook(guest.page, "call-join").click()
    expect(hook(guest.page, "waiting-state")).to_contain_text("主持人已看到您的请求")
    picture(guest.page, "waiting")
    expect(hook(host.page, "knock-notice")).to_contain_text("周敏")
    expect(hook(host.page, "knock-count")).to_have_text("1")
    picture(host.page, "knock")
    hook(host.page, "knock-admit").click()
    expect(hook(guest.page, "conn-state")).to_have_attribute("data-state", "connected", timeout=30_000)
    expect(hook(host.page, "knock-notice")).to_have_count(0)


def is_muted_and_switches_on(host: Screen, guest: Screen) -> None:
    """Who muted is said on both pages; only the guest opens the microphone again."""
    hook(host.page, "panel-people").click()
    expect(hook(guest.page, "call-mic")).to_have_attribute("aria-pressed", "true")
    menu(host, "menu-mute")
    expect(hook(guest.page, "appeal-muted")).to_contain_text("刘卫国关闭了您的麦克风")
    expect(hook(guest.page, "call-mic")).to_have_attribute("aria-pressed", "false")
    expect(hook(host.page, "standing")).to_contain_text("被刘卫国静音")
    picture(guest.page, "muted")
    menu(host, "menu-ask-unmute")
    expect(hook(guest.page, "appeal-unmute_asked")).to_contain_text("刘卫国请您打开麦克风")
    hook(guest.page, "appeal-on").click()
    expect(hook(guest.page, "call-mic")).to_have_attribute("aria-pressed", "true")
    expect(hook(host.page, "standing")).not_to_contain_text("静音")
    expect(hook(guest.page, "appeal-unmute_asked")).to_have_count(0)


def raises_a_hand(host: Screen, guest: Screen) -> None:
    """By the key, lowered by the host."""
    guest.page.locator("body").press("h")
    expect(hook(guest.page, "call-hand")).to_have_attribute("aria-pressed", "true")
    expect(hook(host.page, "hand")).to_contain_text("周敏")
    picture(host.page, "desk")
    hook(host.page, "hand-lower").click()
    expect(hook(guest.page, "call-hand")).to_have_attribute("aria-pressed", "false")


def stands_on_everybodys_stage(host: Screen, guest: Screen) -> None:
    """The guest sees itself large, because everybody does."""
    menu(host, "menu-spotlight")
    expect(guest.page.locator(".tile-large video")).to_have_attribute("data-test", "tile-self")
    hook(host.page, "spotlight-off").click()
    expect(guest.page.locator(".tile-large video")).not_to_have_attribute("data-test", "tile-self")


def is_removed_and_allowed_again(host: Screen, guest: Screen) -> None:
    """Out is out, until the host allows it."""
    menu(host, "menu-remove")
    hook(host.page, "menu-confirm").wait_for()
    picture(host.page, "remove")
    hook(host.page, "menu-confirm").click()
    expect(hook(guest.page, "call-after")).to_contain_text("您已被移出会话")
    expect(hook(guest.page, "after-why")).to_contain_text("允许后才能再加入")
    expect(hook(guest.page, "after-rejoin")).to_have_count(0)
    picture(guest.page, "removed")
    picture(host.page, "kept-out")
    hook(host.page, "allow").click()
    expect(hook(host.page, "kept-out")).to_have_count(0)
    expect(hook(guest.page, "after-rejoin")).to_be_visible()
    hook(guest.page, "after-rejoin").click()
    guest.page.wait_for_timeout(500)
    hook(guest.page, "call-join").click()
    expect(hook(guest.page, "conn-state")).to_have_attribute("data-state", "connected", timeout=30_000)


def gets_the_lead(host: Screen, guest: Screen) -> None:
    """The desk moves to the other page."""
    menu(host, "menu-host")
    hook(host.page, "menu-confirm").click()
    expect(hook(host.page, "host-line")).to_contain_text("主持人：周敏")
    hook(guest.page, "panel-people").click()
    expect(hook(guest.page, "host-desk")).to_be_visible()
    hook(guest.page, "switch-lock").click()
    expect(hook(host.page, "host-line")).to_contain_text("会话已锁定")
    hook(guest.page, "panel-people").click()
