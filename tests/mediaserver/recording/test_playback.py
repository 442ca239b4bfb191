# SPDX-License-Identifier: Apache-2.0
"""A real browser plays what is recorded: one header, then the clusters of every segment (Media Source Extensions)."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from playwright.async_api import Browser, async_playwright

from tests.mediaserver.recorder.media import HEIGHT, WIDTH, Stream
from tests.mediaserver.recording.files import recorded

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
PLAY = """async ([kind, mime]) => {
  const media = document.createElement(kind);
  media.muted = true;
  document.body.append(media);
  const source = new MediaSource();
  media.src = URL.createObjectURL(source);
  await new Promise(done => source.addEventListener("sourceopen", done, {once: true}));
  const buffer = source.addSourceBuffer(mime);
  for (const name of ["whole-0", "clusters-1", "clusters-2"]) {
    const data = await (await fetch(`/${kind}/${name}`)).arrayBuffer();
    await new Promise((done, failed) => {
      buffer.addEventListener("updateend", done, {once: true});
      buffer.addEventListener("error", () => failed(new Error(`${name} was refused`)), {once: true});
      buffer.appendBuffer(data);
    });
  }
  source.endOfStream();
  const ranges = [...Array(buffer.buffered.length).keys()].map(i => [buffer.buffered.start(i), buffer.buffered.end(i)]);
  media.currentTime = 8;
  media.playbackRate = 4;
  await media.play();
  await new Promise((done, failed) => {
    media.addEventListener("timeupdate", () => { if (media.currentTime > 21) done(); });
    media.addEventListener("error", () => failed(new Error(media.error.message)));
  });
  const quality = kind === "video" ? media.getVideoPlaybackQuality() : {};
  return {ranges, time: media.currentTime, width: media.videoWidth, height: media.videoHeight,
    frames: quality.totalVideoFrames, bytes: media.webkitAudioDecodedByteCount};
}"""


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        arguments = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        running = await playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield running
        await running.close()


@pytest.fixture
async def address() -> AsyncIterator[str]:
    """A server of the segments: `whole-N` and `clusters-N` for each kind."""
    files = {kind: recorded(Stream(kind), 24) for kind in ("audio", "video")}

    async def page(request: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>play</title><body></body>", content_type="text/html")

    async def segment(request: web.Request) -> web.Response:
        what, number = request.match_info["name"].split("-")
        header, clusters = files[request.match_info["kind"]][int(number)]
        return web.Response(body=header + clusters if what == "whole" else clusters)

    app = web.Application()
    app.add_routes([web.get("/", page), web.get("/{kind}/{name}", segment)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.mark.parametrize(("kind", "codec"), [("audio", "opus"), ("video", "vp8")])
async def test_chromium_plays_across_segments(browser: Browser, address: str, kind: str, codec: str) -> None:
    page = await browser.new_page()
    await page.goto(address)
    played: dict[str, Any] = await page.evaluate(PLAY, [kind, f'{kind}/webm; codecs="{codec}"'])
    ((start, end),) = played["ranges"]  # one range: no hole where the segments meet
    assert (start, end) == (pytest.approx(0, abs=0.05), pytest.approx(24, abs=0.1))
    assert played["time"] > 21
    if kind == "video":
        assert (played["width"], played["height"]) == (WIDTH, HEIGHT)
        assert played["frames"] > 50
    else:
        assert played["bytes"] > 10_000
