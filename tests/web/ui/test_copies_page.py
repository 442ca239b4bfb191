# SPDX-License-Identifier: Apache-2.0
"""A copy by the pages alone: asked for, approved by another, fetched, and played from disc without any network."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.acceptance.picture import READ_NUMBER_JS
from tests.web.sessions.house import House
from tests.web.ui.conftest import lines
from tests.web.ui.recording import Recording
from tests.web.ui.test_record_served import house as house  # the same programs
from tests.web.ui.test_record_served import open_as, sealed_session

COPIED_MS = 18_000

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_from_the_asking_to_the_playing_without_a_network(
    house: House, chromium: Browser, recording: Recording, tmp_path: Path
) -> None:
    officer = await house.front.signed_in("station_officer")
    clerk = await house.front.signed_in("clerk", name="赵书记员")
    leader = await house.front.signed_in("administrator", name="钱科长")
    session_id = await sealed_session(house, officer, recording)
    clerks, page = await open_as(chromium, clerk, session_id)
    await page.locator("[data-test=copies-link]").click()
    await expect(page.locator(".empty-title")).to_have_text("复制件")
    await page.locator("[data-test=copy-ask]").click()
    await page.locator("[data-test=copy-purpose]").fill("移送法院")
    await page.locator("[data-test=copy-recipient]").fill("永安法庭")
    await page.locator("[data-test=copy-to]").fill("一分")
    await expect(page.locator("[data-test=copy-send]")).to_be_disabled()
    await page.locator("[data-test=copy-to]").fill("0:18")
    for kind in ("Word", "JSON"):
        await page.locator(".copy-choices label").filter(has_text=kind).locator("input").check()
    await page.locator("[data-test=copy-send]").click()
    await expect(page.locator("[data-test=copy-state]")).to_have_text("等待批准")
    await expect(page.locator("[data-test=copy-decide]")).to_have_count(0)

    leaders, other = await open_as(chromium, leader, session_id)
    await other.goto(f"{house.front.url}copies")
    await other.locator("[data-test=copy-decide]").click()
    await expect(other.locator("[data-test=copy-refuse]")).to_be_disabled()
    await other.locator("[data-test=copy-approve]").click()
    await expect(other.locator("[data-test=copy-state]")).to_have_text("可以下载", timeout=60_000)
    await expect(other.locator("[data-test=copy-fetch]")).to_have_count(0)

    async with page.expect_download() as waited:
        await page.locator("[data-test=copy-fetch]").click(timeout=60_000)
    await (await waited.value).save_as(tmp_path / "copy.zip")
    with zipfile.ZipFile(tmp_path / "copy.zip") as pack:
        pack.extractall(tmp_path / "copy")
        assert {"transcript.docx", "transcript.json"} <= set(pack.namelist())
    await page.goto(f"{house.front.url}sessions/{session_id}/custody")
    actions = page.locator("[data-test=custody-row] td:nth-child(3)")
    await expect(actions.filter(has_text="下载复制件")).to_have_count(1)
    await expect(actions.filter(has_text="批准复制")).to_have_count(1)
    await page.locator("[data-test=custody-everything]").check()
    await expect(actions.filter(has_text="新建会话")).to_have_count(1)
    await clerks.close()
    await leaders.close()
    await played_from_disc(chromium, tmp_path / "copy")


async def played_from_disc(chromium: Browser, folder: Path) -> None:
    """The page beside the files, opened on a computer that has no network."""
    context = await chromium.new_context(locale="zh-CN", timezone_id="Asia/Shanghai", offline=True)
    page = await context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    await page.goto((folder / "player.html").as_uri())
    chooser = page.locator("[data-test=offline-folder]")
    first = next((folder / "tracks").rglob("*.webm"))
    held = first.read_bytes()
    first.unlink()
    await chooser.set_input_files(folder)
    await expect(page.locator("[data-test=offline-missing]")).to_contain_text("有 1 个缺失")
    first.write_bytes(held)
    await page.reload()
    await chooser.set_input_files(folder)
    await expect(page.locator("[data-test=player]")).to_be_visible()
    await expect(page.locator("[data-test=offline-missing]")).to_have_count(0)
    said = page.locator("[data-test=transcript-line]")
    await expect(said).to_have_count(len([line for line in lines(60) if line["start_ms"] < COPIED_MS]))
    await expect(said.first).to_contain_text("第0行，说的是宅基地的事。")
    play = page.locator("[data-test=player-play]")
    await play.click()
    await expect(play).to_have_attribute("data-state", "playing", timeout=30_000)
    await page.wait_for_timeout(1_500)
    await play.click()
    await expect(play).to_have_attribute("data-state", "paused")
    number, shown_ms = await page.evaluate(
        f"""async () => {{
          const video = document.querySelector("[data-test=player-video-st1]");
          return [({READ_NUMBER_JS})(video), video.currentTime * 1000];
        }}"""
    )
    assert shown_ms > 0
    assert abs(number - shown_ms * 15 / 1000) <= 2, "the picture is that of its time"
    await expect(page.locator(".seek-gap[title*=未复制]").first).to_be_attached()
    assert faults == []
    await context.close()
