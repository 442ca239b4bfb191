# SPDX-License-Identifier: Apache-2.0
"""What people do on the pages, by the pages' stable test hooks. Nothing here goes round a page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.acceptance.people import PASSWORD, Person
from tests.acceptance.picture import READ_NUMBER_JS

SLOW_MS = 30_000
"""Two browsers, a speech model and a store share two cores."""


def hook(page: Page, name: str) -> Locator:
    """The element that carries this test hook."""
    return page.locator(f'[data-test="{name}"]')


class Screen:
    """One person's browser window; script errors of its pages are kept."""

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        self.url = url
        self.errors: list[str] = []
        self.context: BrowserContext = browser.new_context(
            locale="zh-CN", timezone_id="Asia/Shanghai", viewport={"width": 1366, "height": 768}, **options
        )
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(SLOW_MS)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def photograph(self, path: Path) -> None:
        """What the screen shows, for a failed test."""
        self.page.screenshot(path=path)

    def videos(self) -> object:
        """State of every picture on the screen, for a failed test."""
        return self.page.evaluate(_VIDEOS_JS)

    def accept_link(self, person: Person) -> None:
        """Open the one-time link and choose a password; ends on the person's home."""
        self.page.goto(self.url + person.link)
        hook(self.page, "new-password").fill(PASSWORD)
        hook(self.page, "new-password-again").fill(PASSWORD)
        hook(self.page, "accept").click()
        expect(hook(self.page, "me")).to_contain_text(person.name, timeout=SLOW_MS)

    def sign_out(self) -> None:
        """By the button."""
        hook(self.page, "sign-out").click()
        expect(hook(self.page, "sign-in")).to_be_visible()

    def sign_in(self, username: str, password: str = PASSWORD) -> None:
        """By the form."""
        self.page.goto(self.url + "/sign-in")
        hook(self.page, "username").fill(username)
        hook(self.page, "password").fill(password)
        hook(self.page, "sign-in").click()
        expect(hook(self.page, "me")).to_be_visible(timeout=SLOW_MS)

    # The call

    def open_session(self, title: str) -> str:
        """Make a session from the home page; returns its id. Ends on the page before the call."""
        hook(self.page, "new-session").first.click()
        hook(self.page, "session-title").fill(title)
        hook(self.page, "create-session").click()
        self.page.wait_for_url("**/call/*")
        return self.page.url.rsplit("/", 1)[1]

    def enter_session(self) -> None:
        """From headquarters' home to the page before the call."""
        hook(self.page, "join-session").first.click()
        self.page.wait_for_url("**/call/*")

    def prepare(self, people: list[tuple[str, str]]) -> None:
        """Before joining: sound as it is, who sits here beside the officer, and everyone's consent."""
        hook(self.page, "original-sound").wait_for()
        if not hook(self.page, "original-sound").is_checked():
            hook(self.page, "original-sound").click()
        hook(self.page, "person").first.wait_for()  # the officer's own line
        for name, kind in people:
            hook(self.page, "person-name").fill(name)
            hook(self.page, "person-kind").select_option(kind)
            hook(self.page, "person-add").click()
            self.page.locator(f'[data-test="person"][data-name="{name}"]').wait_for()
        for tick in hook(self.page, "consent-tick").all():
            tick.click()
            expect(tick).to_be_checked()

    def join(self) -> None:
        """Into the room; ends when the connection stands."""
        hook(self.page, "call-join").click()
        expect(hook(self.page, "conn-state")).to_have_attribute("data-state", "connected", timeout=SLOW_MS)

    def start_recording(self) -> None:
        """By the button; ends when the server says that it records."""
        hook(self.page, "rec-start").click()
        self.expect_recording("on")

    def expect_recording(self, state: str, within_ms: int = SLOW_MS) -> None:
        """The banner shows this state of the server's."""
        expect(hook(self.page, "rec-state")).to_have_attribute("data-state", state, timeout=within_ms)

    def remote_video(self) -> Locator:
        """The picture of the other side (the only one in a call of two)."""
        return self.page.locator('video[data-test^="tile-"]:not([data-test="tile-self"])')

    def number_shown(self) -> int | None:
        """The running number in the other side's picture; None before the first picture."""
        video = self.remote_video()
        if video.count() == 0:
            return None
        found = video.first.evaluate(READ_NUMBER_JS)
        return None if found is None else int(found)

    def end_session(self) -> None:
        """End it for everybody."""
        hook(self.page, "call-end").click()
        hook(self.page, "call-end-confirm").click()
        hook(self.page, "call-after").wait_for()

    def sound_level(self) -> float:
        """Root mean square of what this page plays of the other side during a second, 0 to 1."""
        return float(self.page.evaluate(_SOUND_LEVEL_JS))

    # The record

    def open_record(self, title: str) -> None:
        """From the clerk's list of sessions to the record."""
        self.page.goto(self.url + "/sessions")
        hook(self.page, "open-session").filter(has_text=title).click()
        self.page.wait_for_url("**/sessions/*")

    def download(self, ending: str) -> bytes:
        """The transcript as a file, by its button."""
        with self.page.expect_download() as waiting:
            hook(self.page, f"download-{ending}").click()
        return waiting.value.path().read_bytes()

    def play_line(self, line: Locator, peers: list[str]) -> dict[str, Moment]:
        """Click a line, let it play for a second, and look at each peer's picture and at the sound."""
        line.click()
        self.page.wait_for_function(_PLAYING_JS, arg=int(line.get_attribute("data-start-ms") or 0) - 500)
        self.page.wait_for_timeout(1000)
        return {peer: Moment(**self.page.evaluate(_MOMENT_JS, peer)) for peer in peers}


@dataclass(frozen=True)
class Moment:
    """What the player shows at one instant. Times are seconds on the session clock."""

    clock: str
    """The player's time in words."""
    video_s: float
    number: int | None
    audio_s: list[float]
    """Places of all sounds that play at this instant."""


_VIDEOS_JS = """
() => [...document.querySelectorAll('video')].map((v) => ({
  test: v.dataset.test, ready: v.readyState, paused: v.paused, width: v.videoWidth,
  tracks: v.srcObject && v.srcObject.getTracks().map((t) => [t.kind, t.readyState, t.muted]),
}))
"""
REMEMBER_SOUNDS_JS = """
(() => {
  // The player's sound elements are not in the document: remember what is made, to read where it plays.
  window.soundsMade = [];
  const make = document.createElement.bind(document);
  document.createElement = (name, options) => {
    const made = make(name, options);
    if (name === 'audio') window.soundsMade.push(made);
    return made;
  };
})();
"""
_PLAYING_JS = """
(from_ms) => [...window.soundsMade, ...document.querySelectorAll('[data-test^="player-video-"]')].every(
  (each) => !each.paused && !each.seeking && each.readyState > 2 && each.currentTime * 1000 > from_ms,
)
"""
_MOMENT_JS = f"""
(peer) => {{
  const video = document.querySelector(`[data-test="player-video-${{peer}}"]`);
  const number = ({READ_NUMBER_JS})(video);
  return {{
    clock: document.querySelector('[data-test="player-time"]').textContent,
    video_s: video.currentTime,
    number,
    audio_s: window.soundsMade.filter((a) => !a.paused && a.readyState > 2).map((a) => a.currentTime),
  }};
}}
"""
_SOUND_LEVEL_JS = """
async () => {
  const context = new AudioContext();
  await context.resume();
  let loudest = 0;
  const meters = [...document.querySelectorAll('audio[data-test^="sound-"]')].map((element) => {
    const meter = context.createAnalyser();
    context.createMediaStreamSource(element.srcObject).connect(meter);
    return meter;
  });
  for (let n = 0; n < 20; n++) {
    await new Promise((done) => setTimeout(done, 50));
    for (const meter of meters) {
      const samples = new Float32Array(meter.fftSize);
      meter.getFloatTimeDomainData(samples);
      loudest = Math.max(loudest, Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length));
    }
  }
  await context.close();
  return loudest;
}
"""
