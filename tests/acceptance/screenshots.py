# SPDX-License-Identifier: Apache-2.0
"""Makes the README's pictures from the running product: `python -m tests.acceptance.screenshots`.

A short call of two browsers with drawn people before the cameras and the synthetic voices of tests/data.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Browser, Playwright, expect, sync_playwright

from tests.acceptance import machine, people
from tests.acceptance.pages import Screen, hook
from tests.acceptance.speech import DATA, RATE, load, mixed, write_microphone

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
WIDTH, HEIGHT, FPS, FRAMES = 1280, 720, 15, 60
SPEECH_S = 44.0
Rgb = tuple[int, int, int]


def _scene(wall: Rgb, persons: list[tuple[float, Rgb]], frame: int) -> NDArray[np.float64]:
    """A room with people as silhouettes: where each sits (0 to 1) and the colour of the coat."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    picture = np.ones((HEIGHT, WIDTH, 3)) * np.array(wall) * (1.05 - 0.35 * y[..., None] / HEIGHT)
    picture[(np.abs(x - WIDTH * 0.5) < 330) & (np.abs(y - 150) < 95)] = np.array(wall) * 1.18  # a board on the wall
    for number, (place, coat) in enumerate(persons):
        sway = 5 * np.sin(2 * np.pi * frame / FRAMES + number)
        middle, top = WIDTH * place + sway, 250 + 22 * (number % 2)
        body = ((x - middle) / 185) ** 2 + ((y - top - 420) / 260) ** 2 < 1
        neck = (np.abs(x - middle) < 34) & (np.abs(y - top - 130) < 60)
        head = ((x - middle) / 78) ** 2 + ((y - top) / 100) ** 2 < 1
        hair = head & (y < top - 38 + 0.0008 * (x - middle) ** 2)
        picture[body] = coat
        picture[neck | head] = (214, 178, 150)
        picture[hair] = (48, 42, 40)
    picture[y > HEIGHT - 70] = (96, 74, 58)  # the table
    return np.clip(picture, 0, 255)


def _write_camera(path: Path, wall: Rgb, persons: list[tuple[float, Rgb]]) -> None:
    with path.open("wb") as out:
        out.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FPS}:1 Ip A1:1 C420jpeg\n".encode())
        for frame in range(FRAMES):
            red, green, blue = np.moveaxis(_scene(wall, persons, frame), -1, 0)
            luma = 0.299 * red + 0.587 * green + 0.114 * blue
            blues, reds = (blue - luma) * 0.564 + 128, (red - luma) * 0.713 + 128
            out.write(b"FRAME\n" + luma.astype(np.uint8).tobytes())
            for plane in (blues, reds):
                out.write(plane[::2, ::2].astype(np.uint8).tobytes())


@contextmanager
def _browser(
    playwright: Playwright,
    folder: Path,
    root: Path,
    tracks: tuple[str, ...],
    wall: Rgb,
    persons: list[tuple[float, Rgb]],
) -> Iterator[Browser]:
    folder.mkdir()
    _write_camera(folder / "camera.y4m", wall, persons)
    sound = mixed(load(DATA / "synth-a"), tracks)[: int(SPEECH_S * RATE)]
    write_microphone(folder / "speech.wav", sound, 14.0)
    flags = machine.media_flags(folder / "camera.y4m", folder / "speech.wav")
    with people.browser(playwright, folder / "browser", root, flags) as started:
        yield started


def make(folder: Path) -> None:
    """Run the call in `folder` and write the pictures."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    server = machine.Server(folder)
    server.start()
    root = server.root_certificate(folder)
    desk = [(0.5, (38, 52, 92))]
    station = [(0.33, (40, 58, 104)), (0.67, (122, 98, 72))]
    try:
        with (
            sync_playwright() as playwright,
            _browser(playwright, folder / "hq", root, ("hq",), (168, 182, 196), desk) as here,
            _browser(playwright, folder / "station", root, ("station", "villager"), (196, 188, 170), station) as there,
        ):
            office = Screen(here, server.url())
            everyone = people.set_up(office.page, server)
            office.context.clear_cookies()
            zhou, liu = Screen(here, server.url()), Screen(there, server.url())
            liu.accept_link(everyone["liu"])
            zhou.accept_link(everyone["zhou"])
            liu.photograph(PICTURES / "station.png")
            liu.open_session("王德福与李建国 水田租金纠纷")
            liu.prepare([("王德福", "party")])
            liu.photograph(PICTURES / "lobby.png")
            zhou.enter_session()
            zhou.prepare([])
            liu.join()
            zhou.join()
            liu.start_recording()
            zhou.page.wait_for_timeout(20_000)
            zhou.photograph(PICTURES / "call.png")
            zhou.page.wait_for_timeout((SPEECH_S - 2) * 1000)
            liu.end_session()
            clerk = Screen(here, server.url())
            clerk.accept_link(everyone["chen"])
            clerk.open_record("王德福与李建国 水田租金纠纷")
            expect(hook(clerk.page, "transcript-line").first).to_be_visible(timeout=180_000)
            hook(clerk.page, "transcript-line").nth(2).click()
            clerk.page.wait_for_timeout(3000)
            clerk.photograph(PICTURES / "transcript.png")
    finally:
        server.stop()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        make(Path(name))
