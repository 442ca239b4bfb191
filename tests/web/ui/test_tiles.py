# SPDX-License-Identifier: Apache-2.0
"""The call page with many people: pages of at most nine tiles, and what the server is told of them."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.web.ui.conftest import Enter

SWIPE_JS = """([from, to]) => {
  const tiles = document.querySelector('[data-test=tiles]');
  const at = (x) => [new Touch({ identifier: 1, target: tiles, clientX: x, clientY: 300 })];
  tiles.dispatchEvent(new TouchEvent('touchstart', { touches: at(from), changedTouches: at(from), bubbles: true }));
  tiles.dispatchEvent(new TouchEvent('touchend', { touches: [], changedTouches: at(to), bubbles: true }));
}"""

PLACES_JS = """() => [...document.querySelectorAll('.tile')].map(
  (tile) => [tile.dataset.peer, `${tile.style.left} ${tile.style.top}`]
)"""


def roles(view: dict[str, Any]) -> dict[str, list[str]]:
    """Consumers by role."""
    found: dict[str, list[str]] = {}
    for tile in view["tiles"]:
        found.setdefault(tile["role"], []).append(tile["consumer_id"])
    return found


async def places(page: Page) -> dict[str, str]:
    """Where each tile stands on the screen."""
    return dict(await page.evaluate(PLACES_JS))


@pytest.mark.asyncio(loop_scope="session")
async def test_24_people_are_pages_of_nine_and_the_server_knows_which(enter: Enter) -> None:
    stand, page = await enter(23)
    tiles = page.locator("[data-test=tiles]")
    first = await stand.view(lambda view: len(view["tiles"]) == 8)
    assert first["mode"] == "normal" and first["cap_kbps"] is None
    assert {role: len(found) for role, found in roles(first).items()} == {"stage": 1, "tile": 7}
    sizes = {tile["role"]: (tile["width"], tile["height"]) for tile in first["tiles"]}
    assert sizes["stage"][0] > 800 and 180 <= sizes["tile"][0] <= 320
    assert all(pixels % 16 == 0 for size in sizes.values() for pixels in size)
    seen: set[str] = set()
    for number in range(1, 5):
        await expect(page.locator("[data-test=page-where]")).to_contain_text(f"第 {number} 页，共 4 页")
        await expect(tiles).to_have_attribute("data-page", str(number))
        assert await page.locator(".tile").count() <= 9
        assert await page.locator(".tile video[data-test=tile-self]").count() == 1
        here = await page.evaluate("() => [...document.querySelectorAll('.tile')].map((t) => t.dataset.peer)")
        view = await stand.view(
            lambda view, here=here: (
                {t["consumer_id"] for t in view["tiles"]} == {f"c{p[1:]}" for p in here if p != "self"}
            )
        )
        seen |= {tile["consumer_id"] for tile in view["tiles"]}
        await page.keyboard.press("PageDown")
    assert seen == {f"c{n}" for n in range(23)}
    await expect(page.locator("[data-test=page-next]")).to_be_disabled()
    await page.click("[data-test=page-previous]")
    await expect(tiles).to_have_attribute("data-page", "3")


@pytest.mark.asyncio(loop_scope="session")
async def test_a_speaker_from_a_later_page_takes_the_stage_and_three_tiles_move(enter: Enter) -> None:
    stand, page = await enter(23)
    await stand.view(lambda view: len(view["tiles"]) == 8)
    before = await places(page)
    await stand.note("speaker", {"peer_id": "p15"})
    view = await stand.view(lambda view: roles(view)["stage"] == ["c15"])
    assert "c0" in roles(view)["tile"], "who had the stage stays in sight"
    after = await places(page)
    assert after["p15"] == before["p0"]
    assert {peer for peer in before.keys() & after.keys() if before[peer] != after[peer]} == {"p0"}
    assert len(before.keys() - after.keys()) == 1
    await expect(page.locator(".tile-speaking")).to_have_attribute("data-peer", "p15")
    await stand.note("speaker", {"peer_id": None})
    await expect(page.locator(".tile-speaking")).to_have_count(0)
    assert roles(stand.views[-1])["stage"] == ["c15"], "silence takes nobody's stage"


@pytest.mark.asyncio(loop_scope="session")
async def test_pinned_and_all_of_one_size(enter: Enter) -> None:
    stand, page = await enter(3)
    await stand.view(lambda view: len(view["tiles"]) == 3)
    await page.locator("[data-test=pin-tile-p2]").focus()
    await page.keyboard.press("Enter")
    view = await stand.view(lambda view: "pinned" in roles(view))
    assert roles(view)["pinned"] == ["c2"]
    await stand.note("speaker", {"peer_id": "p1"})
    await expect(page.locator(".tile-speaking")).to_have_attribute("data-peer", "p1")
    await expect(page.locator(".tile-large")).to_have_attribute("data-peer", "p2")
    await page.click("[data-test=layout]")
    view = await stand.view(lambda view: list(roles(view)) == ["tile"])
    assert len({(tile["width"], tile["height"]) for tile in view["tiles"]}) == 1
    await expect(page.locator("[data-test=page-where]")).to_have_count(0)
    await page.keyboard.press("g")
    await stand.view(lambda view: roles(view).get("stage") == ["c1"])


@pytest.mark.asyncio(loop_scope="session")
async def test_a_telephone_has_smaller_pages_turned_by_a_finger(enter: Enter) -> None:
    stand, page = await enter(23, (390, 844))
    await stand.view(lambda view: len(view["tiles"]) == 6)
    await expect(page.locator("[data-test=tiles]")).to_have_attribute("data-tiles", "7")
    await page.evaluate(SWIPE_JS, [300, 100])
    await expect(page.locator("[data-test=tiles]")).to_have_attribute("data-page", "2")
    await page.evaluate(SWIPE_JS, [100, 120])
    await page.evaluate(SWIPE_JS, [100, 300])
    await expect(page.locator("[data-test=tiles]")).to_have_attribute("data-page", "1")
    scrolls = await page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert not scrolls


@pytest.mark.asyncio(loop_scope="session")
async def test_small_pictures_sound_only_and_a_bound_are_told_and_can_be_taken_back(enter: Enter) -> None:
    stand, page = await enter(3)
    await page.click("[data-test=panel-devices]")
    wish = page.locator("[data-test=picture-wish]")
    await wish.select_option("low")
    await stand.view(lambda view: view["mode"] == "low")
    await expect(page.locator("[data-test=picture-mode]")).to_contain_text("省流量")
    await wish.select_option("audio")
    await stand.view(lambda view: view["mode"] == "audio")
    await expect(page.locator("[data-test=picture-mode]")).to_contain_text("只用语音")
    await expect(page.locator("[data-test=call-cam]")).to_have_attribute("aria-pressed", "false")
    await stand.note("consumer_layers", {"consumer_id": "c1", "spatial": None, "temporal": None, "reason": "mode"})
    await expect(page.locator(".tile[data-peer=p1] .tile-none")).to_be_visible()
    await page.locator("[data-test=picture-cap]").select_option("500")
    await stand.view(lambda view: view["cap_kbps"] == 500)
    # Whoever switches the camera on wants pictures again.
    await page.click("[data-test=call-cam]")
    view = await stand.view(lambda view: view["mode"] == "normal")
    assert view["cap_kbps"] == 500
    await expect(wish).to_have_value("auto")
    await expect(page.locator("[data-test=picture-mode]")).to_have_count(0)
    await expect(page.locator("[data-test=call-cam]")).to_have_attribute("aria-pressed", "true")


@pytest.mark.asyncio(loop_scope="session")
async def test_what_the_server_withholds_is_said_on_the_tile(enter: Enter) -> None:
    stand, page = await enter(3)
    await stand.view(lambda view: len(view["tiles"]) == 3)
    note = page.locator("[data-test=note-tile-p1]")
    for reason, words in (("bandwidth", "网络带宽不足"), ("stalled", "画面中断，正在恢复")):
        await stand.note("consumer_layers", {"consumer_id": "c1", "spatial": None, "temporal": None, "reason": reason})
        await expect(note).to_contain_text(words)
    for reason in ("publisher", "hidden"):
        await stand.note("consumer_layers", {"consumer_id": "c1", "spatial": None, "temporal": None, "reason": reason})
        await expect(note).to_have_count(0)
    assert len(stand.views[-1]["tiles"]) == 3, "what is withheld is still on the page"
    await stand.note("consumer_layers", {"consumer_id": "c1", "spatial": 1, "temporal": 2, "reason": None})
    await expect(note).to_have_count(0)
    # Smaller than wanted is said where it is seen: on the large one.
    for number in (0, 1):
        layers = {"consumer_id": f"c{number}", "spatial": 0, "temporal": 2, "reason": "bandwidth"}
        await stand.note("consumer_layers", layers)
    await expect(page.locator("[data-test=note-tile-p0]")).to_contain_text("画面已调小")
    await expect(note).to_have_count(0)


@pytest.mark.asyncio(loop_scope="session")
async def test_a_mark_speaks_to_hands_and_readers(enter: Enter) -> None:
    _, page = await enter(2)
    badge = page.locator("[data-test=badge-tile-p1]")
    await expect(badge).to_have_attribute("data-grade", "unknown")
    await expect(badge).to_have_attribute("aria-label", "调解室 · 第2所：还没有测到数据")
    words = page.locator("[data-test=badge-words]")
    await badge.hover()
    await expect(words).to_contain_text("还没有测到数据")
    await page.mouse.move(600, 740)
    await expect(words).to_have_count(0)
    await badge.focus()
    await expect(words).to_be_visible()
    await expect(badge).to_have_attribute("aria-describedby", "badge-words")
    box = await words.bounding_box()
    assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 1366
    await page.keyboard.press("Escape")
    await expect(words).to_have_count(0)
    large = await page.locator(".tile-large").get_attribute("data-peer")
    await badge.click()
    assert await page.locator(".tile-large").get_attribute("data-peer") == large, "a look is not a pin"


@pytest.mark.asyncio(loop_scope="session")
async def test_a_server_of_before_hears_nothing_that_it_does_not_know(enter: Enter) -> None:
    stand, page = await enter(3, features=[])
    await page.click("[data-test=layout]")
    await page.click("[data-test=panel-devices]")
    await expect(page.locator("[data-test=picture-codec]")).to_be_visible()
    await expect(page.locator("[data-test=picture-wish]")).to_have_count(0)
    assert "view" not in stand.requests_made
