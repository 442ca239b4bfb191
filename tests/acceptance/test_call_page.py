# SPDX-License-Identifier: Apache-2.0
"""The call page in real browsers against the whole running product: joining, consent, recording, what goes wrong."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Playwright, expect, sync_playwright

from tests.acceptance import moderation
from tests.acceptance.crowd import Crowd
from tests.acceptance.machine import CHROMIUM, CHROMIUM_FLAGS, Server, media_flags, wait_until
from tests.acceptance.pages import Screen, hook
from tests.acceptance.people import Person, set_up
from tests.acceptance.picture import write_y4m
from tests.acceptance.speech import RATE, write_microphone

pytestmark = [pytest.mark.alone, pytest.mark.timeout(240)]
REFUSING = [flag for flag in CHROMIUM_FLAGS if flag != "--use-fake-ui-for-media-stream"]


@dataclass
class Office:
    """The running product, its people, and a browser for each of them."""

    server: Server
    playwright: Playwright
    files: Path
    people: dict[str, Person] = field(default_factory=dict)
    accepted: set[str] = field(default_factory=set)

    @contextmanager
    def screen(self, who: str, flags: list[str] | None = None) -> Iterator[Screen]:
        """A signed-in browser of `who`."""
        camera = media_flags(self.files / "camera.y4m", self.files / "mic.wav")
        arguments = [*CHROMIUM_FLAGS, *camera] if flags is None else flags
        browser: Browser = self.playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        try:
            screen = Screen(browser, self.server.url(), ignore_https_errors=True)
            person = self.people[who]
            if who in self.accepted:
                screen.sign_in(person.username)
            else:
                screen.accept_link(person)
                self.accepted.add(who)
            yield screen
            assert screen.errors == []
        finally:
            browser.close()


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("call-page")
    write_y4m(folder / "camera.y4m", 60, (110, 150))
    t = np.arange(RATE * 20) / RATE
    write_microphone(folder / "mic.wav", (0.3 * np.sin(2 * np.pi * 440 * t)).astype(np.float32), 1.0)
    server = Server(folder)
    server.start()
    try:
        with sync_playwright() as playwright:
            made = Office(server, playwright, folder)
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
            page = browser.new_context(ignore_https_errors=True).new_page()
            made.people = set_up(page, server)
            browser.close()
            yield made
    finally:
        server.stop()


@pytest.fixture
def call(office: Office) -> Iterator[tuple[Screen, Screen]]:
    """Station and headquarters in a session of their own, nothing recorded yet."""
    with ExitStack() as stack:
        station = stack.enter_context(office.screen("liu"))
        desk = stack.enter_context(office.screen("zhou"))
        session = station.open_session("土地边界")
        station.prepare([("王芳", "party")])
        station.join()
        desk.page.goto(f"{office.server.url()}/call/{session}")
        desk.prepare([])
        desk.join()
        moves(station)
        moves(desk)
        yield station, desk
        if hook(station.page, "call-end").is_visible():
            station.end_session()
            hook(station.page, "call-after").wait_for()


def moves(screen: Screen, within_s: float = 20) -> None:
    """The other side's picture shows one number after the other."""
    seen: list[int] = []

    def advanced() -> bool:
        number = screen.number_shown()
        if number is not None and number not in seen[-1:]:
            seen.append(number)
        return len(seen) >= 4

    wait_until(advanced, within_s, f"a moving picture, but {seen}", 0.1)


def test_consent_record_withdraw_resume_and_end(call: tuple[Screen, Screen]) -> None:
    station, desk = call
    station.start_recording()
    desk.expect_recording("on")
    # Somebody comes into the room: the record pauses until they agree.
    hook(station.page, "panel-people").click()
    hook(station.page, "person-name").fill("刘强")
    hook(station.page, "person-name").press("Enter")
    desk.expect_recording("paused")
    expect(hook(desk.page, "consent-count")).to_contain_text("4 人中 3 人已同意")
    hook(station.page, "rec-resume").click()
    expect(hook(station.page, "error-text")).to_contain_text("刘强")
    station.page.locator('[data-test="consent-tick"][data-name="刘强"]').check(force=True)
    expect(hook(desk.page, "consent-count")).to_have_count(0)
    hook(station.page, "rec-resume").click()
    desk.expect_recording("on")
    # A withdrawal asks first, then pauses at once.
    tick = station.page.locator('[data-test="consent-tick"][data-name="王芳"]')
    tick.uncheck(force=True)
    desk.expect_recording("on")
    hook(station.page, "consent-withdraw").click()
    desk.expect_recording("paused")
    expect(hook(desk.page, "rec-state")).to_contain_text("有人撤回同意")
    station.end_session()
    expect(hook(desk.page, "call-after")).to_contain_text("会话已结束")
    expect(hook(station.page, "after-recording")).to_contain_text("封存", timeout=60_000)


SLOW_START_JS = """
const createOffer = RTCPeerConnection.prototype.createOffer;
RTCPeerConnection.prototype.createOffer = async function (...options) {
  await new Promise((done) => setTimeout(done, 2500));
  return createOffer.apply(this, options);
};
"""


def test_a_page_that_is_slow_to_start_misses_nobody(office: Office) -> None:
    """Who publishes while another page still gets ready is seen and heard there too."""
    with office.screen("liu") as station, office.screen("zhou") as desk:
        session = station.open_session("道路通行")
        station.prepare([])
        desk.page.add_init_script(SLOW_START_JS)
        desk.page.goto(f"{office.server.url()}/call/{session}")
        desk.prepare([])
        hook(desk.page, "call-join").click()
        time.sleep(1)
        hook(station.page, "call-join").click()
        moves(desk)
        wait_until(lambda: desk.sound_level() > 0.02, 10, "sound of the station at the desk")
        moves(station)
        station.end_session()


def test_a_reload_returns_to_the_call_and_a_second_window_takes_it_over(call: tuple[Screen, Screen]) -> None:
    station, desk = call
    before = time.monotonic()
    desk.page.reload()
    expect(hook(desk.page, "conn-state")).to_have_attribute("data-state", "connected", timeout=30_000)
    moves(desk)
    print(f"back after a reload: {time.monotonic() - before:.1f} s")
    second = desk.context.new_page()
    second.goto(desk.page.url)
    hook(second, "call-join").click()
    expect(hook(second, "conn-state")).to_have_attribute("data-state", "connected", timeout=30_000)
    expect(hook(desk.page, "call-after")).to_contain_text("另一个窗口")
    second.close()
    expect(hook(station.page, "alone")).to_be_visible(timeout=30_000)


def test_a_killed_mediaserver_and_a_killed_web_are_back_without_a_click(
    office: Office, call: tuple[Screen, Screen]
) -> None:
    station, desk = call
    station.start_recording()
    office.server.kill("mediaserver")
    start = time.monotonic()
    expect(hook(station.page, "conn-state")).to_have_attribute("data-state", "reconnecting", timeout=10_000)
    expect(hook(station.page, "conn-state")).to_have_attribute("data-state", "connected", timeout=10_000)
    moves(station, 10)
    moves(desk, 10)
    print(f"back after a killed mediaserver: {time.monotonic() - start:.1f} s")
    station.expect_recording("on")
    office.server.kill("web")
    moves(desk, 10)
    expect(hook(desk.page, "conn-state")).to_have_attribute("data-state", "reconnecting", timeout=10_000)
    moves(desk, 5)
    expect(hook(desk.page, "conn-state")).to_have_attribute("data-state", "connected", timeout=30_000)
    station.expect_recording("on")
    hook(desk.page, "call-mic").click()
    expect(hook(desk.page, "call-mic")).to_have_attribute("aria-pressed", "false")


def test_who_comes_late_agrees_before_joining(office: Office, call: tuple[Screen, Screen]) -> None:
    station, desk = call
    station.start_recording()
    hook(desk.page, "call-leave").click()
    hook(desk.page, "after-rejoin").click()
    hook(desk.page, "consent-tick").first.uncheck(force=True)
    ask = hook(desk.page, "consent-withdraw")
    if ask.is_visible():
        ask.click()
    expect(desk.page.locator('[data-test="join-hint"]')).to_contain_text("同意后才能加入")
    hook(desk.page, "call-join").click()
    expect(hook(desk.page, "error-text")).to_contain_text("周敏")
    hook(desk.page, "consent-tick").first.check(force=True)
    expect(hook(desk.page, "join-hint")).to_have_attribute("data-ready", "true")
    desk.join()
    moves(desk)


def test_a_refused_camera_is_explained_and_one_can_join_to_watch(office: Office, call: tuple[Screen, Screen]) -> None:
    station, desk = call
    url = desk.page.url
    hook(desk.page, "call-leave").click()
    hook(desk.page, "call-after").wait_for()
    with office.screen("zhou", [*REFUSING, "--deny-permission-prompts"]) as refusing:
        refusing.page.goto(url)
        expect(hook(refusing.page, "device-fault-cam")).to_contain_text("摄像头被禁止使用")
        expect(hook(refusing.page, "device-fault-mic")).to_contain_text("麦克风被禁止使用")
        hook(refusing.page, "device-retry-cam").wait_for()
        wait_until(lambda: 'event="device_cam_refused"' in office.server.metrics(), 10, "the refusal is counted")
        expect(hook(refusing.page, "call-join")).to_contain_text("只看只听加入")
        refusing.join()
        moves(refusing)
        # Watching needs no permission, and so sound needs a click: the page says so and offers it.
        if hook(refusing.page, "sound-on").is_visible():
            hook(refusing.page, "sound-on").click()
            expect(hook(refusing.page, "sound-blocked")).to_have_count(0)
    expect(hook(station.page, "alone")).to_be_visible(timeout=30_000)


def test_a_camera_that_gives_no_picture_is_explained(office: Office, call: tuple[Screen, Screen]) -> None:
    url = call[1].page.url
    hook(call[1].page, "call-leave").click()
    broken = media_flags(office.files / "no-such-file.y4m", office.files / "mic.wav")
    with office.screen("zhou", [*CHROMIUM_FLAGS, *broken]) as screen:
        screen.page.goto(url)
        expect(hook(screen.page, "device-fault-cam")).to_contain_text("摄像头")
        hook(screen.page, "device-retry-cam").wait_for()
        expect(hook(screen.page, "call-join")).to_contain_text("不开摄像头")
        wait_until(lambda: 'event="device_cam_' in office.server.metrics(), 10, "the fault is counted")
        screen.join()
        moves(screen)


def test_no_camera_at_all_and_somebody_elses_session(office: Office) -> None:
    nothing = [flag for flag in CHROMIUM_FLAGS if not flag.startswith("--use-fake-device")]
    with office.screen("liu", nothing) as station:
        session = station.open_session("无摄像头")
        expect(hook(station.page, "device-fault-cam")).to_contain_text("没有找到摄像头")
        expect(hook(station.page, "device-fault-mic")).to_contain_text("没有找到麦克风")
    with office.screen("sun") as stranger:
        stranger.page.goto(f"{office.server.url()}/call/{session}")
        expect(hook(stranger.page, "error-text")).to_be_visible()
        expect(hook(stranger.page, "call-join")).to_have_count(0)


def test_24_people_are_pages_and_a_voice_comes_to_the_front(office: Office) -> None:
    """Every picture of every page moves; whoever speaks on a later page is on the stage, with figures to the mark."""
    with office.screen("liu") as station:
        session = station.open_session("各所例会")
        station.prepare([])
        station.join()
        hook(station.page, "call-mic").click()  # its tone would be the speaker's
        page, crowd = station.page, Crowd(office.server.data_dir, session)
        try:
            crowd.come(23)
            seen: set[str] = set()
            for number in range(1, 5):
                expect(hook(page, "page-where")).to_contain_text(f"第 {number} 页，共 4 页")
                wait_until(lambda: page.evaluate(ALL_PLAY_JS), 15, f"all pictures of page {number}")
                tiles = page.locator(".tile").evaluate_all("tiles => tiles.map(tile => tile.dataset.peer)")
                assert len(tiles) <= 9 and "self" in tiles
                seen |= set(tiles)
                page.keyboard.press("PageDown")
            assert seen == {"self", *(f"crowd-{number}" for number in range(23))}
            crowd.speak(15)
            expect(page.locator(".tile-large")).to_have_attribute("data-peer", "crowd-15", timeout=10_000)
            page.locator(".tile-large .badge").hover()
            expect(hook(page, "badge-words")).to_contain_text("320×180", timeout=10_000)
            expect(hook(page, "badge-words")).to_contain_text("kb/s")
            expect(page.locator(".tile-large .badge")).not_to_have_attribute("data-grade", "unknown")
        finally:
            crowd.close()
        expect(hook(page, "alone")).to_be_visible(timeout=30_000)
        station.end_session()


ALL_PLAY_JS = """
() => [...document.querySelectorAll('.tile video')].every((video) => video.videoWidth > 0 && video.currentTime > 0.5)
"""


def test_a_camera_goes_out_in_layers_and_the_stage_gets_the_largest(call: tuple[Screen, Screen]) -> None:
    station, desk = call
    hook(station.page, "badge-tile-self").hover()
    expect(hook(station.page, "badge-words")).to_contain_text("2 层，共 2 层", timeout=30_000)
    wait_until(lambda: desk.remote_video().evaluate("video => video.videoWidth") == 640, 20, "the largest layer")


def test_the_host_leads(office: Office) -> None:
    """Waiting room, mute, hand, stage, removing and handing over, as both pages show it."""
    with office.screen("liu") as station, office.screen("zhou") as desk:
        session = station.open_session("水渠纠纷")
        station.prepare([])
        station.join()
        moderation.waits_and_comes_in(station, desk, f"{office.server.url()}/call/{session}")
        moves(desk)
        moderation.is_muted_and_switches_on(station, desk)
        moderation.raises_a_hand(station, desk)
        moderation.stands_on_everybodys_stage(station, desk)
        moderation.is_removed_and_allowed_again(station, desk)
        moderation.gets_the_lead(station, desk)
        desk.end_session()
