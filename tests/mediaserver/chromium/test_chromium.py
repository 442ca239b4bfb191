# SPDX-License-Identifier: Apache-2.0
"""Two real Chromium browsers and the mediaserver: they see and hear each other, whatever is lost or killed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from tests.acceptance.picture import FPS, FRAMES, read_number, write_y4m
from tests.acceptance.speech import RATE, write_sound
from tests.mediaserver.chromium.harness import Meeting, Recording, build_page, meeting

pytestmark = [pytest.mark.alone, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("chromium")
    build_page(folder / "page")
    write_y4m(folder / "camera.y4m", 60, (110, 150))
    t = np.arange(RATE * 4) / RATE
    # A tone without a pause, however often the browser begins the file again: tests ask whether there is sound now.
    write_sound(folder / "mic.wav", (0.3 * np.sin(2 * np.pi * 440 * t)).astype(np.float32))
    return {"page": folder / "page", "camera": folder / "camera.y4m", "mic": folder / "mic.wav"}


@pytest.fixture
async def room(tmp_path: Path, files: dict[str, Path]) -> AsyncIterator[Meeting]:
    async with meeting(tmp_path, files["page"], files["camera"], files["mic"]) as made:
        yield made


async def test_both_see_and_hear_each_other(room: Meeting) -> None:
    a = await room.join("a")
    b = await room.join("b")
    await b.moves("cam-a")
    await a.moves("cam-b")
    first = await b.when("frame cam-a") - await b.when("socket_open")
    print(f"first frame at the joiner: {first:.0f} ms after its WebSocket opened")
    for tab in (a, b):
        before = await tab.sound("x")
        await asyncio.sleep(2)
        after = await tab.sound("x")
        assert after["totalAudioEnergy"] > before["totalAudioEnergy"] + 0.001, (before, after)


async def test_a_lost_socket_is_resumed_without_a_gap_in_the_media(room: Meeting) -> None:
    a, b = await room.join("a"), await room.join("b")
    await b.moves("cam-a")
    await a.moves("cam-b")
    tokens, at = room.relay.tokens, await b.now()
    before, sound = await b.video(), await b.sound("a")
    room.relay.cut("b")
    await b.when("link joined", at)
    await asyncio.sleep(2)
    after, sound_after = await b.video(), await b.sound("a")
    assert room.relay.tokens == tokens, "the same place: no new token"
    assert [what for when, what in await b.diary() if when > at and what.startswith(("track", "frame"))] == []
    assert after["framesDecoded"] > before["framesDecoded"] + 20
    assert after["freezeCount"] == before["freezeCount"]
    assert sound_after["packetsLost"] == sound["packetsLost"]


async def test_media_flows_on_while_web_restarts_and_what_happened_is_known_afterwards(room: Meeting) -> None:
    a, b = await room.join("a"), await room.join("b")
    await b.moves("cam-a")
    await a.moves("cam-b")
    at_a, at_b, before = await a.now(), await b.now(), await b.video()
    await room.relay.stop()
    await a.page.evaluate("engine.setLocal('mic', engine.view().local.mic.track, false)")
    await asyncio.sleep(3)
    await b.moves("cam-a")
    await room.relay.start()
    await b.when("link joined", at_b)
    await a.when("link joined", at_a)
    muted = "engine.view().peers[0].tracks.mic.paused"
    await b.page.wait_for_function(muted)
    for tab, at in ((a, at_a), (b, at_b)):
        assert [what for when, what in await tab.diary() if when > at and what.startswith(("track", "frame"))] == []
    after = await b.video()
    assert after["framesDecoded"] > before["framesDecoded"] + 30
    assert after["freezeCount"] == before["freezeCount"]


async def test_a_killed_mediaserver_is_back_without_a_click(room: Meeting) -> None:
    a, b = await room.join("a"), await room.join("b")
    await b.moves("cam-a")
    await a.moves("cam-b")
    at_a, at_b = await a.now(), await b.now()
    room.media.kill()
    back_b = await b.when("frame cam-a", at_b, 10)
    back_a = await a.when("frame cam-b", at_a, 10)
    print(f"picture back after {back_b - at_b:.0f} and {back_a - at_a:.0f} ms")
    await b.moves("cam-a")
    await a.moves("cam-b")
    before = await a.sound("b")
    await asyncio.sleep(1)
    assert (await a.sound("b"))["totalAudioEnergy"] > before["totalAudioEnergy"]
    assert room.media.starts == 2


async def test_loss_is_repaired_in_both_directions(room: Meeting) -> None:
    cable = await room.lay_cable()
    a, b = await room.join("a"), await room.join("b")
    await b.moves("cam-a")
    await a.moves("cam-b")
    cable.loss = 0.05
    before = await b.video()
    await asyncio.sleep(8)
    await b.moves("cam-a")
    after = await b.video()
    streams = {p["producer_id"].rsplit("-", 1)[0]: p for p in (await room.media.stats())["stats"]["producers"]}
    cam = streams["a-cam"]
    assert cable.dropped["up"] > 20 and cable.dropped["down"] > 20
    # A browser with bandwidth to spare repeats packets unasked: what counts is that none is missing.
    assert cam["lost"] <= 2 and cam["rtx_packets"] > 0
    assert cam["consumers"][0]["resent"] > 0
    assert after["retransmittedPacketsReceived"] > before["retransmittedPacketsReceived"]
    assert after["framesDecoded"] - before["framesDecoded"] > 80, "of 120"


async def test_a_network_that_was_gone_for_eight_seconds_comes_back_on_the_same_streams(room: Meeting) -> None:
    cable = await room.lay_cable()
    a, b = await room.join("a"), await room.join("b")
    await b.moves("cam-a")
    await a.moves("cam-b")
    at = await b.now()
    cable.cut = True
    await asyncio.sleep(8)
    assert await b.page.evaluate("engine.view().broken_since_ms !== null")
    assert await b.page.evaluate("engine.view().peers[0].state") == "reconnecting"
    cable.cut = False
    await b.page.wait_for_function("engine.view().broken_since_ms === null")
    await b.moves("cam-a")
    await a.moves("cam-b")
    assert [what for when, what in await b.diary() if when > at] == []


async def test_a_network_that_was_gone_for_twenty_seconds_brings_a_new_place(room: Meeting) -> None:
    cable = await room.lay_cable()
    a, b = await room.join("a"), await room.join("b")
    await b.moves("cam-a")
    await a.moves("cam-b")
    at = await b.now()
    cable.cut = True
    await asyncio.sleep(20)
    cable.cut = False
    await b.when("track cam-a", at, 20)  # streams of a new place, not the old ones
    await b.page.wait_for_function("engine.view().broken_since_ms === null")
    await b.moves("cam-a")
    await a.moves("cam-b")


async def test_where_udp_is_forbidden_tcp_carries_the_call(room: Meeting) -> None:
    cable = await room.lay_cable()
    cable.cut = True
    room.relay.tcp = True
    a, b = await room.join("a"), await room.join("b")
    await b.moves("cam-a")
    await a.moves("cam-b")
    first = await b.when("frame cam-a") - await b.when("socket_open")
    print(f"first frame over TCP: {first:.0f} ms")


async def test_no_join_stays_black(room: Meeting) -> None:
    a = await room.join("a")
    b = await room.join("b")
    times = []
    for _ in range(6):
        first = await b.when("frame cam-a", within_s=5) - await b.when("socket_open")
        other = await a.when("frame cam-b", within_s=5)
        times.append(first)
        await asyncio.sleep(0.7)
        await a.page.evaluate("diary.length = 0")
        await b.page.reload()
        await b.page.wait_for_function("window.engine")
        assert other > 0
    print(f"first frame after the WebSocket opened: median {sorted(times)[3]:.0f} ms, slowest {max(times):.0f} ms")


async def test_a_closed_tab_is_gone_at_once_and_one_that_joins_twice_replaces_itself(room: Meeting) -> None:
    a, b = await room.join("a"), await room.join("b")
    await a.moves("cam-b")
    await b.page.close()
    await a.page.wait_for_function("engine.view().peers.length === 0", timeout=3000)
    second = await room.join("a")
    await second.when("link joined")
    await a.when("link ended replaced ")
    await second.page.evaluate("engine.leave()")
    await second.when("link ended left ")
    await until_async(lambda: peers(room), 0)


async def peers(room: Meeting) -> int:
    return len((await room.media.stats())["peers"])


async def until_async(count: Callable[[], Awaitable[int]], wanted: int) -> None:
    for _ in range(100):
        if await count() == wanted:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"never {wanted}")


async def test_a_watcher_without_camera_and_microphone_sees_and_a_switched_off_camera_comes_back(room: Meeting) -> None:
    room.relay.rights["w"] = ("subscribe",)
    a = await room.join("a")
    w = await room.join("w", "?no-mic&no-cam")
    await w.moves("cam-a")
    await a.page.evaluate("engine.setLocal('cam', engine.view().local.cam.track, false)")
    await w.page.wait_for_function("engine.view().peers[0].tracks.cam.paused")
    await asyncio.sleep(1)
    still = await w.video()
    await asyncio.sleep(1)
    assert (await w.video())["framesDecoded"] == still["framesDecoded"], "a switched-off camera costs nothing"
    await a.page.evaluate("engine.setLocal('cam', engine.view().local.cam.track, true)")
    await w.moves("cam-a")
    await w.page.wait_for_function("!engine.view().peers[0].tracks.cam.paused")


def shown_numbers(files: list[Path]) -> list[tuple[float, int]]:
    """(seconds in the file's own time, number in the picture) of every picture."""
    found = []
    decoder = av.CodecContext.create("vp8", "r")  # a segment need not begin with a key frame: they are one stream
    for path in files:
        with av.open(str(path)) as box:
            for packet in box.demux(video=0):
                if packet.pts is None:
                    continue
                for picture in decoder.decode(packet):
                    assert picture.time is not None
                    found.append((picture.time, read_number(picture.to_ndarray(format="gray"))))
    return found


async def test_what_browsers_send_is_recorded_in_time_also_across_a_camera_that_was_off(room: Meeting) -> None:
    recording = Recording(room.media)
    await recording.start()
    try:
        a, b = await room.join("a"), await room.join("b")
        await b.moves("cam-a")
        await a.moves("cam-b")
        await room.media.put("on", 2)
        await b.page.wait_for_function("engine.view().recording.state === 'on'")
        await asyncio.sleep(4)
        for on in ("false", "true"):
            await a.page.evaluate(f"engine.setLocal('cam', engine.view().local.cam.track, {on})")
            await asyncio.sleep(4)
        await room.media.put("stopped", 3)
        await until_async(lambda: finished(recording), 1)
    finally:
        await recording.stop()
    # The camera shows number n in its n-th fifteenth of a second, and so must every picture of the record.
    numbers = shown_numbers(recording.files("a-cam"))
    first_s, first = numbers[0]
    late = [abs(((number - first) - (at - first_s) * FPS + 75) % FRAMES - 75) / FPS for at, number in numbers]
    assert len(numbers) > 80
    assert numbers[-1][0] - first_s > 10
    assert max(at - before for (before, _), (at, _) in pairwise(numbers)) > 3, "the camera was off for four seconds"
    assert sorted(late)[int(len(late) * 0.95)] < 0.2, late
    sound = 0.0
    for path in recording.files("a-mic"):
        with av.open(str(path)) as box:
            sound += sum(frame.samples / frame.sample_rate for frame in box.decode(audio=0))
    assert sound > 11, "the microphone went on meanwhile"
    events = [line for line in recording.journal() if line.get("type") in ("source_off", "source_on")]
    assert [event["type"] for event in events] == ["source_off", "source_on"]


async def finished(recording: Recording) -> int:
    return int(await recording.state() not in ("", "recording", "paused"))
