# SPDX-License-Identifier: Apache-2.0
"""The call page measures its own camera and microphone: what it says to the person and to the server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.web.ui.call_stand import ME, CallStand
from tests.web.ui.conftest import Enter

pytestmark = pytest.mark.asyncio(loop_scope="session")

DEVICES_JS = """(() => {
  window.bright = 128;
  const paint = document.createElement('canvas');
  [paint.width, paint.height] = [320, 180];
  const paper = paint.getContext('2d');
  setInterval(() => {
    paper.fillStyle = `rgb(${window.bright}, ${window.bright}, ${window.bright})`;
    paper.fillRect(0, 0, 320, 180);
  }, 50);
  window.audio = new AudioContext();
  window.loud = new GainNode(window.audio, { gain: 0.2 });
  const sound = new OscillatorNode(window.audio);
  const out = window.audio.createMediaStreamDestination();
  sound.connect(window.loud).connect(out);
  sound.start();
  MediaDevices.prototype.getUserMedia = async ({ video }) =>
    new MediaStream([video ? paint.captureStream(20).getVideoTracks()[0] : out.stream.getAudioTracks()[0].clone()]);
})();"""
OWN = "[data-test=alarm-own-{}] [data-trouble]"


async def told(stand: CallStand, source: str, trouble: str | None) -> None:
    """Wait until the server's newest word about a source is this."""

    def newest() -> Any:
        return next((one for one in reversed(stand.reports) if one["source"] == source), {"trouble": "nothing said"})

    async with asyncio.timeout(15):
        while newest()["trouble"] != trouble:
            await asyncio.sleep(0.02)
    assert newest() == {"version": 1, "source": source, "trouble": trouble}


async def set_up(page: Page, bright: int, loud: float) -> None:
    await page.evaluate(
        "([bright, loud]) => { window.bright = bright; window.loud.gain.value = loud; }", [bright, loud]
    )


async def test_black_silent_and_clipping_are_said_and_end(enter: Enter) -> None:
    stand, page = await enter(1, script=DEVICES_JS, features=["simulcast", "view", "watch"])
    await page.evaluate("window.audio.resume()")
    await set_up(page, 0, 0)
    await expect(page.locator(OWN.format("cam"))).to_contain_text("您的摄像头画面是黑的", timeout=15_000)
    await expect(page.locator(OWN.format("mic"))).to_contain_text("您的麦克风没有声音", timeout=15_000)
    await told(stand, "cam", "black")
    await told(stand, "mic", "silent")
    await set_up(page, 40, 20)
    await expect(page.locator(OWN.format("cam"))).to_have_count(0, timeout=15_000)
    await expect(page.locator(f"{OWN.format('mic')}[data-trouble=clipping]")).to_be_visible(timeout=15_000)
    await told(stand, "cam", None)
    await told(stand, "mic", "clipping")
    # Who switches off wants neither picture nor sound: that is no alarm.
    await page.click("[data-test=call-mic]")
    await expect(page.locator(OWN.format("mic"))).to_have_count(0, timeout=15_000)
    await told(stand, "mic", None)
    # That nothing arrives only the server knows.
    stalled = {"source": "cam", "trouble": "stalled", "since_utc_ms": 1}
    both = [{**stalled, "peer_id": ME}, {**stalled, "peer_id": "hq1"}]
    await stand.note("troubles", {"troubles": both})
    await expect(page.locator(OWN.format("cam"))).to_contain_text("您的画面此刻没有送到服务器")
    await expect(page.locator("[data-test=alarm-other]")).to_have_count(0)
    # Who leads is told of the others.
    stand.detail["can"]["lead"] = True
    await stand.tell()
    await expect(page.locator("[data-test=alarm-other] [data-peer=hq1]")).to_contain_text("画面")
    await stand.note("troubles", {"troubles": []})
    await expect(page.locator("[data-test=alarm-other]")).to_have_count(0)
    # The state of every track, asked for while it is open.
    recorded = {"bytes": 3_400_000, "lost": 0, "sealed_to_ms": 61_000, "uploaded_to_ms": 50_000}
    track = {"peer_id": "st1", "source": "cam", "kind": "video", "sent": "on", "bytes": 1, "kbps": 300}
    stand.tracks = [
        {**track, "level_dbov": None, "last_packet_utc_ms": None, "alarm": "camera_black", "recorded": recorded},
        {**track, "source": "mic", "level_dbov": -31, "last_packet_utc_ms": 1, "alarm": None, "recorded": None},
    ]
    await page.click("[data-test=panel-devices]")
    await page.click("[data-test=tracks] summary")
    rows = page.locator("[data-test=track]")
    await expect(rows).to_have_count(2)
    for row, texts in ((0, ("画面", "黑屏", "3.4 MB", "0:01:01", "0:00:50")), (1, ("声音", "正常", "-31 dB"))):
        for text in texts:
            await expect(rows.nth(row)).to_contain_text(text)
