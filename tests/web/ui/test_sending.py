# SPDX-License-Identifier: Apache-2.0
"""What the call page sends of its camera and screen, as the browser itself tells it."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.web.ui.conftest import Enter

pytestmark = pytest.mark.asyncio(loop_scope="session")

REMEMBER_JS = """(() => {
  window.senders = [];
  window.screens = [];
  const add = RTCPeerConnection.prototype.addTransceiver;
  RTCPeerConnection.prototype.addTransceiver = function (track, ...more) {
    const made = add.call(this, track, ...more);
    if (track instanceof MediaStreamTrack) window.senders.push(made.sender);
    return made;
  };
  const open = MediaDevices.prototype.getDisplayMedia;
  MediaDevices.prototype.getDisplayMedia = async function (...asked) {
    const stream = await open.apply(this, asked);
    window.screens.push(stream.getVideoTracks()[0]);
    return stream;
  };
})();"""
SENT_JS = """(kind) => {
  const sender = window.senders.filter((one) => one.track?.kind === 'video').at(kind === 'screen' ? -1 : 0);
  const { encodings, degradationPreference } = sender.getParameters();
  return { active: encodings.map((one) => one.active), degradationPreference, fps: encodings[0].maxFramerate };
}"""


async def sends(page: Page, what: str, wanted: dict[str, Any]) -> None:
    """Wait until the sender of the camera or screen says this of itself."""
    await page.wait_for_function(
        f"([what, wanted]) => {{ const sent = ({SENT_JS})(what);"
        " return Object.keys(wanted).every((name) => JSON.stringify(sent[name]) === JSON.stringify(wanted[name])); }",
        arg=[what, wanted],
        timeout=10_000,
    )


async def test_a_720p_camera_goes_out_in_three_layers_and_those_nobody_needs_stop(enter: Enter) -> None:
    stand, page = await enter(1, script=REMEMBER_JS)
    producer, parameters = await stand.made("cam")
    assert [(one["rid"], one["maxBitrate"], one["scaleResolutionDownBy"]) for one in parameters["encodings"]] == [
        ("r0", 150_000, 4),
        ("r1", 500_000, 2),
        ("r2", 1_500_000, 1),
    ]
    assert {one["scalabilityMode"] for one in parameters["encodings"]} == {"L1T3"}
    assert parameters["codecs"][0]["mimeType"] == "video/VP8"
    for most, active in ((0, [True, False, False]), (-1, [False] * 3), (2, [True] * 3), (1, [True, True, False])):
        await stand.note("producer_layers", {"producer_id": producer, "max_spatial": most})
        await sends(page, "cam", {"active": active})
    for most in (2, 0, 2, -1, 2, 0, 2):  # a change of mind while the one before is still being done
        await stand.note("producer_layers", {"producer_id": producer, "max_spatial": most})
    await sends(page, "cam", {"active": [True] * 3})
    await page.wait_for_timeout(500)
    await sends(page, "cam", {"active": [True] * 3})
    # What the person saves on the way up and what the others need hold together.
    await stand.note("producer_layers", {"producer_id": producer, "max_spatial": 2})
    await sends(page, "cam", {"active": [True] * 3})
    await page.click("[data-test=panel-devices]")
    await page.locator("[data-test=picture-wish]").select_option("low")
    await sends(page, "cam", {"active": [True, True, False]})
    await stand.note("producer_layers", {"producer_id": producer, "max_spatial": 0})
    await sends(page, "cam", {"active": [True, False, False]})
    await page.locator("[data-test=picture-wish]").select_option("auto")
    await stand.note("producer_layers", {"producer_id": producer, "max_spatial": 2})
    await sends(page, "cam", {"active": [True] * 3})


async def test_the_sound_keeps_its_redundancy(enter: Enter) -> None:
    stand, _ = await enter(1)
    _, parameters = await stand.made("mic")
    assert parameters["codecs"][0]["mimeType"] == "audio/opus"
    assert parameters["codecs"][0]["parameters"]["useinbandfec"] == 1
    assert parameters["encodings"][0].get("dtx", False) is False


async def test_h264_at_the_persons_word_from_the_next_picture_on(enter: Enter) -> None:
    stand, page = await enter(1)
    before, _ = await stand.made("cam")
    await page.click("[data-test=panel-devices]")
    await page.locator("[data-test=picture-codec]").select_option("h264")
    after, parameters = await stand.made("cam", lambda made: made["codecs"][0]["mimeType"] == "video/H264")
    assert before != after
    assert {one["scalabilityMode"] for one in parameters["encodings"]} == {"L1T1"}
    assert "close_producer" in stand.requests_made


async def test_a_server_that_cannot_tell_layers_apart_gets_one(enter: Enter) -> None:
    stand, _ = await enter(1, features=["view"])
    _, parameters = await stand.made("cam")
    assert [one["maxBitrate"] for one in parameters["encodings"]] == [1_500_000]
    assert "rid" not in parameters["encodings"][0]


async def test_a_shared_screen_is_sharp_for_text_and_smooth_for_a_film(enter: Enter) -> None:
    stand, page = await enter(1, script=REMEMBER_JS)
    await stand.made("cam")
    await page.click("[data-test=call-share]")
    _, parameters = await stand.made("screen")
    assert [one["maxBitrate"] for one in parameters["encodings"]] == [2_500_000]
    await sends(page, "screen", {"degradationPreference": "maintain-resolution", "fps": 10})
    assert await page.evaluate("screens[0].contentHint") == "detail"
    await page.click("[data-test=sharing-motion]")
    await sends(page, "screen", {"degradationPreference": "maintain-framerate", "fps": 25})
    assert await page.evaluate("screens[0].contentHint") == "motion"
    await expect(page.locator("[data-test=sharing-motion]")).to_have_attribute("aria-pressed", "true")
    await page.click("[data-test=call-share]")
    await expect(page.locator("[data-test=sharing]")).to_have_count(0)
