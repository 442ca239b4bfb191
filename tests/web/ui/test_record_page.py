# SPDX-License-Identifier: Apache-2.0
"""The record page in a real Chromium: every state in words, the lines by mouse and keyboard, and what paper gets."""

from __future__ import annotations

import base64
import copy
import re
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.web.ui.conftest import lines
from tests.web.ui.stand import Stand

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_sealed_session_says_what_it_is(page: Page) -> None:
    await expect(page.locator("[data-test=record-title]")).to_have_text("张家与李家的宅基地纠纷")
    await expect(page.locator("[data-test=record-state]")).to_have_text("录音录像已封存")
    await expect(page.locator("[data-test=certificate-state]")).to_have_text("完整")
    await expect(page.locator("[data-test=certificate]")).to_contain_text("0123 4567 89ab cdef")
    await expect(page.locator("[data-test=integrity-code]")).to_have_text("0PST-QWJQ-K9FB-CS03-SNWW")
    word = page.locator("[data-test=certificate-docx]")
    await expect(word).to_have_attribute("href", re.compile(r"/certificate\.docx$"))
    await expect(page.locator("[data-test=record-people]")).to_contain_text("4 人 · 均已同意录音录像")
    for ending in ("docx", "srt", "json"):
        address = await page.get_attribute(f"[data-test=download-{ending}]", "href")
        assert address == f"/api/sessions/s1/transcript.{ending}"


async def test_lines_carry_time_speaker_text_and_doubt(page: Page) -> None:
    line = page.locator("[data-test=transcript-line]").nth(4)
    assert await line.get_attribute("data-peer") == "hq1"
    assert await line.get_attribute("data-start-ms") == "2933"
    await expect(line).to_contain_text("0:00:02")
    await expect(line).to_contain_text("指挥中心")
    await expect(line.locator("[data-test=line-flag]")).to_have_attribute("title", re.compile("没有把握。\n.*串音"))


async def test_no_text_is_missing_in_either_language(page: Page, stand: Stand) -> None:
    assert stand.playback is not None
    stand.playback["complete"] = False
    for language in ("zh-CN", "en"):
        stand.language = language
        await page.reload()
        await page.wait_for_selector("[data-test=gap]")
        titles = await page.evaluate(
            "[...document.querySelectorAll('[title], [aria-label]')].map((one) => one.title + ' ' + one.ariaLabel)"
        )
        said = await page.inner_text("main") + "\n".join(titles)
        # A text that is not there shows its id.
        assert re.findall(r"\b(?:record|player|lines|print|attendee)-[a-z]+[a-z-]*", said) == [], language


async def test_a_destroyed_recording_says_when_and_by_what_rule(page: Page, stand: Stand) -> None:
    """An open page hears of it; nothing that is gone is asked for or offered."""
    stand.detail["recording"] |= {"state": "expired", "expired_utc_ms": 1_790_000_000_000}
    await stand.tell()
    await expect(page.locator("[data-test=record-state]")).to_have_text("2026-09-21 保存期满，录音录像已销毁")
    await expect(page.locator("[data-test=transcript-state]")).to_contain_text("笔录已随录像销毁")
    for gone in ("player", "certificate", "transcript-line", "transcript-retry", "download-docx"):
        await expect(page.locator(f"[data-test={gone}]")).to_have_count(0)


async def test_gaps_are_listed_with_time_whose_and_why(page: Page, stand: Stand) -> None:
    assert stand.playback is not None
    stand.playback["complete"] = False
    stand.playback["gaps"] += [
        {"track_id": "hq1-cam", "from_ms": 12_000, "to_ms": 13_500, "cause": "loss", "packets": 41},
        {"track_id": None, "from_ms": 40_000, "to_ms": 43_000, "cause": "mediaserver_down", "packets": 0},
    ]
    await page.reload()
    await expect(page.locator("[data-test=certificate-state]")).to_have_text("2 处缺失")
    gaps = page.locator("[data-test=gap-list] [data-test=gap]")
    await expect(gaps).to_have_count(3)
    await expect(gaps.nth(0)).to_have_text(re.compile(r"22:13:32–22:13:33.*指挥中心 的画面.*网络丢包.*41"))
    await expect(gaps.nth(1)).to_have_text(re.compile("全部.*录音录像暂停"))
    await expect(gaps.nth(2)).to_have_text(re.compile("全部.*媒体服务中断"))
    await gaps.nth(2).locator("button").click()
    assert await page.get_attribute("[data-test=player-time]", "data-time-ms") == "38000"


async def test_a_running_recording_shows_how_far_it_is_as_it_goes(page: Page, stand: Stand) -> None:
    sealed = stand.detail
    live = copy.deepcopy(sealed)
    live |= {"state": "live", "ended_utc_ms": None, "duration_ms": None, "transcript": None}
    live["can"] = dict.fromkeys(("join", "lead", "moderate", "take_over", "read"), False)
    live["recording"] |= {"state": "on", "complete": None, "recorded_to_ms": 41_000, "uploaded_to_ms": 30_000}
    stand.detail = live
    await page.reload()
    progress = page.locator("[data-test=record-progress]")
    await expect(page.locator("[data-test=record-state]")).to_have_text("正在录音录像")
    await expect(progress).to_have_text("已录到 22:14:01，已上传到 22:13:50")
    await expect(page.locator("[data-test=player]")).to_have_count(0)
    live["recording"] |= {"warning": "store_away", "recorded_to_ms": 51_000, "waiting_uploads": 4, "waiting_bytes": 9}
    await stand.tell()
    await expect(progress).to_contain_text("已录到 22:14:11，已上传到 22:13:50 · 还有 4 个文件")
    await expect(page.locator("[data-test=record-warning]")).to_contain_text("恢复后会自动上传，不会丢失")
    stand.detail = sealed
    await stand.tell()
    await expect(page.locator("[data-test=record-state]")).to_have_text("录音录像已封存")
    await page.wait_for_selector("[data-test=player-video-st1]")
    await page.wait_for_selector("[data-test=transcript-line]")


async def test_a_transcription_shows_its_progress_and_its_lines_when_done(page: Page, stand: Stand) -> None:
    job = stand.detail["transcript"]
    job |= {"state": "queued", "progress": 0.0, "step": ""}
    await page.reload()
    state = page.locator("[data-test=transcript-state]")
    await expect(state).to_contain_text("排队等待转写")
    job |= {"state": "running", "progress": 0.43, "step": "recognising"}
    await stand.tell()
    await expect(state).to_contain_text("正在转写")
    await expect(page.locator("[data-test=transcript-progress]")).to_have_text("识别语音 43%")
    job |= {"state": "done", "progress": 1.0, "step": "done"}
    await stand.tell()
    await expect(page.locator("[data-test=transcript-line]")).to_have_count(60)


async def test_a_failed_transcription_says_why_and_can_be_tried_again(page: Page, stand: Stand) -> None:
    stand.detail["transcript"] |= {"state": "failed", "error_code": "model_missing"}
    await page.reload()
    await expect(page.locator("[data-test=transcript-fault]")).to_contain_text("没有安装语音模型")
    await page.click("[data-test=transcript-retry]")
    await expect(page.locator("[data-test=transcript-state]")).to_contain_text("排队等待转写")


@pytest.mark.parametrize("code", ["store_unavailable", "segment_damaged", "never_heard_of"])
async def test_every_fault_has_its_sentence(page: Page, stand: Stand, code: str) -> None:
    stand.detail["transcript"] |= {"state": "failed", "error_code": code}
    await page.reload()
    said = {"store_unavailable": "存储连不上", "segment_damaged": "封存时不一致", "never_heard_of": "never_heard_of"}
    await expect(page.locator("[data-test=transcript-fault]")).to_contain_text(said[code])


async def test_nothing_recorded_and_nothing_heard_are_said(page: Page, stand: Stand) -> None:
    stand.lines = []
    await page.reload()
    await expect(page.locator("[data-test=transcript-state]")).to_contain_text("没有听到讲话")
    stand.detail["transcript"] = None
    stand.detail["recording"] |= {"state": "off", "complete": None, "started_utc_ms": None}
    await page.reload()
    await expect(page.locator("[data-test=record-state]")).to_have_text("没有录音录像")
    await expect(page.locator("[data-test=transcript-state]")).to_contain_text("没有笔录")


@pytest.mark.parametrize("status", [403, 404])
async def test_who_may_not_read_is_told_so(page: Page, stand: Stand, status: int) -> None:
    stand.refuse |= {"/api/sessions/s1": status, "/api/events": status}
    await page.reload()
    await expect(page.locator("[data-test=error-text]")).not_to_be_empty()
    await expect(page.locator("[data-test=record]")).to_have_count(0)
    await expect(page.get_by_role("link", name="会话列表")).to_be_visible()


async def test_search_counts_marks_and_goes_round(page: Page) -> None:
    await page.keyboard.press("/")
    await page.keyboard.type("第１")
    count = page.locator("[data-test=transcript-search-count]")
    await expect(count).to_have_text("第 1 处，共 11 处")
    await expect(page.locator("[data-test=transcript-line] mark")).to_have_count(11)
    await page.keyboard.press("Shift+Enter")
    await expect(count).to_have_text("第 11 处，共 11 处")
    await expect(page.locator("[data-test=transcript-line]").nth(19)).to_be_in_viewport()
    await page.keyboard.press("Escape")
    await expect(page.locator("[data-test=transcript-line] mark")).to_have_count(0)


async def test_the_keyboard_chooses_and_plays_a_line(page: Page) -> None:
    await page.locator("[data-test=transcript-line]").nth(0).focus()
    for _ in range(3):
        await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowUp")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("[data-test=player-play][data-state=playing]")
    at = int(await page.get_attribute("[data-test=player-time]", "data-time-ms") or 0)
    assert 1_000 <= at < 4_000, "line 2 begins at 1.466 s"


async def test_the_list_follows_until_one_scrolls_and_again_when_asked(page: Page) -> None:
    await page.locator("[data-test=transcript-line]").nth(8).click()
    await page.wait_for_selector("[data-test=player-play][data-state=playing]")
    box = page.locator("[data-test=transcript-lines]")
    await page.wait_for_timeout(1_000)
    await box.hover()
    await page.mouse.wheel(0, 900)
    back = page.locator("[data-test=transcript-follow]")
    await expect(back).to_be_visible()
    top = await box.evaluate("(element) => element.scrollTop")
    await page.wait_for_timeout(1_500)
    assert await box.evaluate("(element) => element.scrollTop") == top
    await back.click()
    await expect(back).to_have_count(0)
    await expect(page.locator("[data-test=transcript-line][aria-current]")).to_be_in_viewport()


async def test_two_thousand_lines_are_there_and_are_lit_and_found(page: Page, stand: Stand) -> None:
    stand.lines = lines(2_500)
    await page.reload()
    await expect(page.locator("[data-test=transcript-line]")).to_have_count(2_500)
    await page.fill("[data-test=transcript-search]", "第2499行")
    await expect(page.locator("[data-test=transcript-line]").nth(2_499)).to_be_in_viewport()
    await page.locator("[data-test=transcript-line]").nth(2_490).click()
    await page.wait_for_selector("[data-test=transcript-line][aria-current]")


async def test_paper_gets_the_head_and_all_lines_and_no_controls(page: Page, tmp_path: Path) -> None:
    await page.emulate_media(media="print")
    for shown in ("张家与李家的宅基地纠纷", "王大山", "同意录音录像", "完整", "未经人工校对"):
        await expect(page.locator(".paper-head")).to_contain_text(shown)
    await expect(page.locator("[data-test=player]")).to_be_hidden()
    await expect(page.locator("[data-test=transcript-search]")).to_be_hidden()
    await expect(page.locator("[data-test=transcript-line]").last).to_be_visible()
    sheet = await page.pdf(path=tmp_path / "record.pdf", prefer_css_page_size=True)
    assert sheet.count(b"/Type /Page\n") + sheet.count(b"/Type /Page ") + sheet.count(b"/Type/Page/") >= 2


async def test_a_composite_video_is_ordered_watched_cancelled_and_downloaded(page: Page, stand: Stand) -> None:
    composite = page.locator("[data-test=composite]")
    await expect(composite).to_have_attribute("data-state", "none")
    await page.click("[data-test=composite-order]")
    await expect(composite).to_contain_text("排队")
    assert stand.composite is not None
    stand.composite |= {"state": "running", "progress": 0.42}
    await expect(page.locator("[data-test=composite-progress]")).to_have_attribute("data-value", "42")
    await page.click("[data-test=composite-cancel]")
    await expect(composite).to_have_attribute("data-state", "cancelled")
    await page.click("[data-test=composite-order]")
    stand.composite |= {"state": "failed", "error_code": "segment_damaged"}
    await expect(page.locator("[data-test=composite-fault]")).to_contain_text("与封存时不一致")
    await page.click("[data-test=composite-order]")
    stand.composite |= {"state": "done", "bytes": 12_345_678}
    link = page.locator("[data-test=composite-download]")
    await expect(link).to_have_attribute("href", "/api/sessions/s1/composite.mp4")
    await expect(composite).to_contain_text("MB")


async def test_the_bar_shows_voices_that_are_heard_and_a_picture_under_the_pointer(page: Page, stand: Stand) -> None:
    await expect(page.locator("[data-test=player]")).to_be_visible()
    await expect(page.locator("[data-test=player-wave]")).to_have_count(0)  # not made yet: the page works without
    loud, silent = base64.b64encode(bytes([255] * 880)).decode(), base64.b64encode(bytes(880)).decode()
    voices = [
        {"track_id": "st1-mic", "peer_id": "st1", "peaks": loud},
        {"track_id": "hq1-mic", "peer_id": "hq1", "peaks": silent},
    ]
    cuts = {"every_ms": 10_000, "count": 5, "width": 160, "height": 90, "columns": 10, "rows": 6, "sheets": 1}
    stand.overview = {"duration_ms": 44_000, "peaks_per_second": 20, "voices": voices, "pictures": cuts}
    await page.reload()
    wave = page.locator("[data-test=player-wave] path")
    await expect(wave).to_have_attribute("d", re.compile(r"^M0 1L0 0\.00L1 0\.00"))
    await page.click("[data-test=player-mute-st1]")
    await expect(wave).to_have_attribute("d", re.compile(r"^M0 1L0 1\.00L1 1\.00"))
    box = await page.locator(".seek-bar").bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    picture = page.locator("[data-test=player-preview-picture]")
    await expect(picture).to_have_css("background-position", "-320px 0px")  # 22 s: the third
    await expect(page.locator("[data-test=player-preview]")).to_contain_text("0:00:2")
    await page.mouse.move(5, 5)
    await expect(picture).to_have_count(0)
    assert set(stand.sheets) == {"0"}


async def test_pictures_one_by_one(page: Page) -> None:
    await page.keyboard.press("ArrowRight")
    await expect(page.locator("[data-test=player-time]")).to_have_attribute("data-time-ms", "5000")
    await page.keyboard.press(",")
    await expect(page.locator("[data-test=player-time]")).to_have_attribute("data-time-ms", "4000")
    for _ in range(3):
        await page.click("[data-test=player-frame-forward]")
    await expect(page.locator("[data-test=player-time]")).to_have_attribute("data-time-ms", "5000")
    await expect(page.locator("[data-test=player-play]")).to_have_attribute("data-state", "paused")


async def test_sections_and_markers_stand_on_the_bar_and_in_a_list_that_goes_there(page: Page) -> None:
    sections = page.locator("[data-test=contents-section]")
    await expect(sections).to_have_text([re.compile("听取陈述"), re.compile("宣读协议")])
    await sections.nth(1).click()
    time = page.locator("[data-test=player-time]")
    await expect(time).to_have_attribute("data-time-ms", "30000")
    marker = page.locator("[data-test=contents-marker]")
    await expect(marker).to_have_text(re.compile("标记 1"))
    await marker.focus()
    await page.keyboard.press("Enter")
    await expect(time).to_have_attribute("data-time-ms", "29000")  # a little before: whoever pressed had just heard it
    await expect(page.locator("[data-test=seek-section]")).to_have_count(2)
    left = await page.locator("[data-test=seek-marker]").evaluate("mark => parseFloat(mark.style.left)")
    assert left == pytest.approx(34 / 44 * 100, abs=0.1)
