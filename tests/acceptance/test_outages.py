# SPDX-License-Identifier: Apache-2.0
"""One recorded call through every outage: each program killed by SIGKILL, and the store stopped for a minute."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from storage.manifest import Gap
from tests.acceptance import checks, machine, people, picture
from tests.acceptance.pages import Screen, hook
from tests.acceptance.recorded import Recorded, Sound
from tests.acceptance.speech import DATA, load, mixed, write_microphone

BACK_WITHIN_S = 10.0
"""A call comes back by itself so soon after the mediaserver was killed."""
PART_S = 1.0
"""Media of one part: what a killed program may cost each track."""
STORE_AWAY_S = 60.0


@pytest.mark.alone
@pytest.mark.timeout(900)
def test_a_call_outlives_every_program_and_the_store(tmp_path: Path) -> None:
    machine.require(machine.CHROMIUM, "certutil")
    server = machine.Server(tmp_path)
    server.start()
    try:
        _through_all(server, tmp_path)
    except BaseException:
        print(server.output, server.logs(), sep="\n")
        raise
    finally:
        status = server.stop()
    assert status == 0, server.output
    assert not server.everything(), "something is left running"


def _through_all(server: machine.Server, folder: Path) -> None:
    root = server.root_certificate(folder)
    picture.write_y4m(folder / "camera.y4m", 60, (110, 150))
    write_microphone(folder / "speech.wav", mixed(load(DATA / "synth-a"), ("hq", "station", "villager")), 1.0)
    flags = machine.media_flags(folder / "camera.y4m", folder / "speech.wav")
    with sync_playwright() as playwright, people.browser(playwright, folder / "browser", root, flags) as browser:
        office = Screen(browser, server.url())
        everyone = people.set_up(office.page, server)
        office.context.clear_cookies()
        liu, zhou = Screen(browser, server.url()), Screen(browser, server.url())
        liu.accept_link(everyone["liu"])
        zhou.accept_link(everyone["zhou"])
        session_id = liu.open_session("风雨中的调解")
        liu.prepare([])
        zhou.enter_session()
        zhou.prepare([])
        liu.join()
        zhou.join()
        liu.start_recording()
        _moves(liu, BACK_WITHIN_S)
        killed_utc_s = _kill_each(server, liu, zhou)
        _stop_the_store(server, liu)
        liu.end_session()
        _kill_the_worker(server, zhou, session_id)
        recorded = Recorded(server.data_dir, session_id)
        _check(recorded, killed_utc_s)
        assert not liu.errors and not zhou.errors


def _moves(screen: Screen, within_s: float) -> float:
    """Seconds until the other side's picture has shown three new numbers. AssertionError after within_s."""
    begun, seen = time.monotonic(), [screen.number_shown()]
    while time.monotonic() - begun < within_s:
        number = screen.number_shown()
        if number is not None and number != seen[-1]:
            seen.append(number)
        if len(seen) > 3:
            return time.monotonic() - begun
        screen.page.wait_for_timeout(50)
    screen.photograph(Path(tempfile.gettempdir()) / "videohome-standing-still.png")
    raise AssertionError(f"the picture stands still for {within_s:.0f} s: {seen}; {screen.videos()}")


def _kill_each(server: machine.Server, liu: Screen, zhou: Screen) -> tuple[float, float]:
    """Kill recorder, web and mediaserver, one after the other. Between when the mediaserver died (UTC seconds)."""
    liu.page.wait_for_timeout(4000)
    server.kill("recorder")
    _moves(liu, BACK_WITHIN_S)
    _moves(zhou, BACK_WITHIN_S)
    machine.wait_until(lambda: server.pids("recorder"), 10, "the recorder started again")
    liu.page.wait_for_timeout(5000)
    server.kill("web")
    for _ in range(10):  # media does not know of web: the picture goes on all the time
        _moves(liu, BACK_WITHIN_S)
        _moves(zhou, BACK_WITHIN_S)
    liu.expect_recording("on")
    expect(hook(liu.page, "conn-state")).to_have_attribute("data-state", "connected", timeout=20_000)
    liu.page.wait_for_timeout(3000)
    before_utc_s = time.time()
    server.kill("mediaserver")
    killed_utc_s = (before_utc_s, time.time())
    liu.page.wait_for_timeout(1500)  # the last picture must not pass for a new one
    back_s = 1.5 + max(_moves(liu, BACK_WITHIN_S - 1.5), _moves(zhou, BACK_WITHIN_S - 1.5))
    print(f"back {back_s:.1f} s after the mediaserver was killed")
    liu.expect_recording("on")
    liu.page.wait_for_timeout(5000)
    return killed_utc_s


def _stop_the_store(server: machine.Server, liu: Screen) -> None:
    """The store stands still for a minute: the page says so, and uploads catch up afterwards."""
    stopped = server.pids("store")
    assert stopped
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        expect(hook(liu.page, "rec-warning")).to_be_visible(timeout=60_000)
        liu.page.wait_for_timeout(STORE_AWAY_S * 1000 / 2)
        _moves(liu, BACK_WITHIN_S)
        liu.expect_recording("on")
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    expect(hook(liu.page, "rec-warning")).to_have_count(0, timeout=60_000)


def _kill_the_worker(server: machine.Server, zhou: Screen, session_id: str) -> None:
    """The worker dies in the middle of the transcript; the job goes on by itself."""

    def transcript() -> dict[str, object]:
        found = people.api(zhou.page, "GET", f"/api/sessions/{session_id}")["transcript"]
        return found or {}

    machine.wait_until(lambda: transcript().get("step") == "recognising", 120, "recognition has begun")
    server.kill("worker")
    machine.wait_until(lambda: transcript().get("state") == "done", 240, "the transcript is done", 1.0)


def _check(recorded: Recorded, killed_utc_s: tuple[float, float]) -> None:
    manifest = recorded.manifest
    earliest_ms, latest_ms = (at_s * 1000 - manifest.origin_utc_ms for at_s in killed_utc_s)
    down = [gap for gap in manifest.gaps if gap.cause == "mediaserver_down"]
    whole = [gap for gap in down if gap.track_id is None]
    assert len(whole) == 1, f"the outage is not listed: {manifest.gaps}"
    dead = whole[0]
    assert earliest_ms - PART_S * 1000 - 250 <= dead.from_ms <= latest_ms + 250, (dead, earliest_ms, latest_ms)
    for (
        gap
    ) in down:  # a track may have ended up to a part before the others, and come back later than the server itself
        assert dead.from_ms - PART_S * 1000 <= gap.from_ms <= dead.to_ms + 1, (gap, dead)
        assert gap.to_ms - dead.from_ms < (BACK_WITHIN_S + 2) * 1000, (gap, dead)
    assert not manifest.complete
    for track in manifest.tracks:
        assert len(track.epochs) >= 2, "a new stream after the mediaserver's death"
        if track.kind == "audio":
            _check_sound(recorded.sound(track), [g for g in manifest.gaps if g.track_id in (None, track.track_id)])
        else:
            checks.check_pictures(recorded.pictures(track), least_per_s=5, longest_s=BACK_WITHIN_S + 2)


def _check_sound(sound: Sound, gaps: list[Gap]) -> None:
    """What is not there is listed, and a killed recorder cost at most one part."""
    listed_s = sum(g.to_ms - g.from_ms for g in gaps if g.cause == "mediaserver_down") / 1000
    missing_s = (sound.end_s - sound.start_s) - sound.decoded_s
    assert missing_s <= listed_s + PART_S, (missing_s, gaps)
