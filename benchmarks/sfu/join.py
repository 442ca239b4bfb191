# SPDX-License-Identifier: Apache-2.0
"""From the click to the first picture: a real Chromium joins a room in which another publishes, and tells each step.

The page is the call engine of the product with the least page around it (tests/mediaserver/chromium), open and with
its camera and microphone before the click. Pages and signalling come through a relay as the product's web server
passes them on; everything runs on this machine.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from playwright.async_api import TimeoutError as BrowserTimeout

from tests.acceptance.picture import write_y4m
from tests.acceptance.speech import RATE, write_microphone
from tests.mediaserver.chromium.harness import Tab, build_page, meeting

STEPS = ("socket", "socket_open", "joined", "ice", "dtls", "first_packet", "key_frame", "presented")
"""Each in ms after the click: the socket asked for and open, the joined answer, ICE and DTLS of the receiving transport
up, the first packet of the picture, the last packet of its first frame, and that frame shown."""
BLACK_AFTER_S = 3.0
DARKEST = 25
"""Mean brightness, of 255, of the first picture; the fake camera's is 110."""
MEDIAN_MS, P95_MS = 200.0, 300.0

WATCH_JS = """
(() => {
  const steps = (window.steps = {});
  const once = (name, at = performance.now()) => void (steps[name] ??= at);
  const Native = RTCPeerConnection;
  window.RTCPeerConnection = class extends Native {
    constructor(...words) {
      super(...words);
      this.addEventListener("track", (event) => {
        if (event.track.kind !== "video" || this.watched) return;
        this.watched = true;
        event.track.addEventListener("unmute", () => once("first_packet"));
        const look = () => {
          if (["connected", "completed"].includes(this.iceConnectionState)) once("ice");
          if (this.connectionState === "connected") once("dtls");
        };
        for (const name of ["iceconnectionstatechange", "connectionstatechange"]) this.addEventListener(name, look);
        look();
      });
    }
  };
  const shown = HTMLVideoElement.prototype.requestVideoFrameCallback;
  HTMLVideoElement.prototype.requestVideoFrameCallback = function (callback) {
    return shown.call(this, (now, frame) => {
      callback(now, frame);
      if (!this.id.startsWith("cam-") || steps.presented) return;
      once("presented");
      if (frame.receiveTime) once("key_frame", frame.receiveTime);
      const pen = new OffscreenCanvas(16, 16).getContext("2d");
      pen.drawImage(this, 0, 0, 16, 16);
      const pixels = pen.getImageData(0, 0, 16, 16).data;
      let sum = 0;
      for (let at = 1; at < pixels.length; at += 4) sum += pixels[at];
      steps.brightness = sum / 256;
    });
  };
})()
"""


async def _once(tab: Tab) -> dict[str, float] | None:
    """One join on a page that waits for its click; None when it stayed black."""
    await tab.page.wait_for_function("!!window.go")
    await tab.page.evaluate("go()")
    try:
        await tab.page.wait_for_function("steps.brightness !== undefined", timeout=BLACK_AFTER_S * 1000)
    except BrowserTimeout:
        return None
    steps: dict[str, float] = await tab.page.evaluate("steps")
    click = await tab.when("start")
    named = {"socket": "socket", "socket_open": "socket_open", "joined": "link joined"}
    for step, entry in named.items():
        steps[step] = await tab.when(entry)
    if steps.pop("brightness") < DARKEST:
        return None
    return {step: at - click for step, at in steps.items()}


async def measure(joins: int) -> list[dict[str, float] | None]:
    """So many joins, one after another by the same warm browser. Raises AssertionError, OSError when it cannot be."""
    with tempfile.TemporaryDirectory(prefix="videohome-join-") as name:
        folder = Path(name)
        build_page(folder / "page")
        write_y4m(folder / "camera.y4m", 110, (110, 150))
        tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(RATE * 4) / RATE)
        write_microphone(folder / "mic.wav", tone.astype(np.float32), 0.0)
        async with meeting(folder, folder / "page", folder / "camera.y4m", folder / "mic.wav") as room:
            await room.join("a")
            tab = await room.join("b", "?wait")
            await tab.page.add_init_script(WATCH_JS)
            found = []
            for number in range(joins + 1):
                await tab.page.reload()
                join = await _once(tab)
                if number:  # the first is the browser's warming up
                    found.append(join)
            return found


def figures(joins: list[dict[str, float] | None]) -> dict[str, Any]:
    """Medians of the steps, and of the whole the 95th in a hundred and the slowest; ms."""
    whole = [join for join in joins if join is not None]
    times = sorted(join["presented"] for join in whole)
    row: dict[str, Any] = {"joins": len(joins), "black": len(joins) - len(whole)}
    if times:
        row |= {"median_ms": round(median(times), 1), "p95_ms": round(times[_place(len(times))], 1)}
        row["worst_ms"] = round(times[-1], 1)
        row["steps_ms"] = {
            step: round(median(join[step] for join in whole if step in join), 1)
            for step in STEPS
            if any(step in join for join in whole)
        }
    return row


def _place(count: int) -> int:
    """Index of the 95th in a hundred, by nearest rank: of twenty the nineteenth."""
    return -(-95 * count // 100) - 1


def targets(row: dict[str, Any]) -> list[dict[str, Any]]:
    """What these figures decide."""
    decided = [{"name": "joins that stay black", "target": "0", "figure": row["black"], "met": row["black"] == 0}]
    for name, most in (("median_ms", MEDIAN_MS), ("p95_ms", P95_MS)):
        if name in row:
            met = row[name] <= most
            decided.append(
                {"name": f"join to first frame, {name}", "target": f"<= {most:g}", "figure": row[name], "met": met}
            )
    return decided
