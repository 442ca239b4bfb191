# SPDX-License-Identifier: Apache-2.0
"""Sound against picture in a sealed recording of real browsers, through what happens in a call.

Each page has a camera and a microphone that tell the machine's clock: every picture shows the time as a number, and at
each full second a beep sounds. So the record itself says how far picture, sound and the other peer lie apart.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.recording.report import ONE_PEER_MS, PEERS_MS
from storage.objects import open_store
from storage.settings import Settings
from tests.acceptance.picture import BITS, HEIGHT, SQUARE, WIDTH
from tests.acceptance.recorded import Recorded
from tests.acceptance.speech import RATE
from tests.mediaserver.chromium.harness import ROOM, Meeting, Recording, Tab, build_page, meeting

TICK_MS, PERIOD_MS = 16, 4000
"""The number in a picture counts steps of TICK_MS and begins anew each PERIOD_MS."""
LOUD = 0.1
QUIET_S = 0.3
"""A beep begins where sound gets LOUD after so much quiet."""
BEEP_S = 0.08
NEAR_S = 0.5
"""A beep is held against the pictures so near to it."""
ZERO_READS = 100
"""Pieces of 10 ms of sound by which a page finds the browser's clock of captured sound."""
EDGE_S = 1.0
"""Left out at the edges of a stretch: what is under way there belongs to both."""

SOURCE_JS = f"""
(() => {{
  const wall = () => performance.timeOrigin + performance.now();
  const Native = RTCPeerConnection;
  const links = (window.links = []);
  window.RTCPeerConnection = class extends Native {{
    constructor(...words) {{ super(...words); links.push(this); }}
  }};
  const paint = (canvas) => {{
    const pen = canvas.getContext("2d");
    const draw = () => {{
      const now = wall(), number = Math.floor((now % {PERIOD_MS}) / {TICK_MS});
      pen.fillStyle = now % 1000 < 100 ? "#dddddd" : "#707070";
      pen.fillRect(0, 0, {WIDTH}, {HEIGHT});
      for (let bit = 0; bit < {BITS}; bit++) {{
        pen.fillStyle = number >> bit & 1 ? "#f0f0f0" : "#101010";
        pen.fillRect(16 + bit * {SQUARE + 12}, {HEIGHT - SQUARE - 16}, {SQUARE}, {SQUARE});
      }}
      requestAnimationFrame(draw);
    }};
    draw();
  }};
  // What the browser's own clock of captured sound (microseconds) shows when the machine's is 0. Sender reports reckon
  // with a sample's time stamp on that clock: another one makes them useless. The least delayed read counts.
  const captureZero = async () => {{
    const context = new AudioContext(), place = context.createMediaStreamDestination();
    const tone = context.createOscillator();
    tone.connect(place);
    tone.start();
    const reader = new MediaStreamTrackProcessor({{ track: place.stream.getAudioTracks()[0] }}).readable.getReader();
    let zero = -Infinity;
    for (let read = 0; read < {ZERO_READS}; read++) {{
      const heard = (await reader.read()).value;
      zero = Math.max(zero, heard.timestamp - wall() * 1000);
      heard.close();
    }}
    await reader.cancel();
    await context.close();
    return zero;
  }};
  // Sound is made by the machine's clock, sample by sample: a late timer makes up for itself.
  const beep = async () => {{
    const track = new MediaStreamTrackGenerator({{ kind: "audio" }}), writer = track.writable.getWriter();
    const zero = await captureZero();
    let next = Math.ceil(wall() / 10);
    setInterval(() => {{
      for (; next * 10 <= wall(); next++) {{
        const samples = new Float32Array({RATE} / 100), into_s = (next % 100) / 100;
        for (let at = 0; at < samples.length; at++) {{
          const second = into_s + at / {RATE};
          if (second < {BEEP_S}) samples[at] = 0.6 * Math.sin(2 * Math.PI * 1000 * second);
        }}
        const form = {{ format: "f32-planar", sampleRate: {RATE}, numberOfChannels: 1 }};
        const place = {{ numberOfFrames: samples.length, timestamp: Math.round(zero + next * 10000) }};
        writer.write(new AudioData({{ ...form, ...place, data: samples }}));
      }}
    }}, 10);
    return new MediaStream([track]);
  }};
  navigator.mediaDevices.getUserMedia = async (wanted) => {{
    if (wanted.audio) return beep();
    const canvas = Object.assign(document.createElement("canvas"), {{ width: {WIDTH}, height: {HEIGHT} }});
    paint(canvas);
    return canvas.captureStream(30);
  }};
}})()
"""

TOP_LAYER_JS = """
async (on) => {
  for (const link of links)
    for (const sender of link.getSenders()) {
      if (sender.track?.kind !== "video") continue;
      const parameters = sender.getParameters();
      if (parameters.encodings.length < 2) continue;
      parameters.encodings.at(-1).active = on;
      await sender.setParameters(parameters);
    }
}
"""
"""Stops or starts the largest layer that the page publishes."""


@dataclass(frozen=True)
class Stretch:
    """Something that happened in the call, between two times of the machine's clock (s since 1970)."""

    name: str
    from_s: float
    to_s: float

    def holds(self, utc_s: float) -> bool:
        """True for a time well inside."""
        return self.from_s + EDGE_S <= utc_s <= self.to_s - EDGE_S


@dataclass(frozen=True)
class Track:
    """When things lie in the record (s since 1970), and how much later that is than they say (s)."""

    at_s: NDArray[np.float64]
    late_s: NDArray[np.float64]


def pictures(recorded: Recorded, peer: str) -> Track:
    """Every picture of a peer's camera."""
    origin_s = recorded.manifest.origin_utc_ms / 1000
    found = recorded.pictures(recorded.track(peer, "cam"))
    at_s = np.array([picture.at_s + origin_s for picture in found])
    told_s = np.array([(picture.number + 0.5) * TICK_MS / 1000 for picture in found])
    return Track(at_s, _within(at_s - told_s, PERIOD_MS / 1000))


def beeps(recorded: Recorded, peer: str) -> Track:
    """Every beep of a peer's microphone."""
    sound = recorded.sound(recorded.track(peer, "mic"))
    at_s = onsets(sound.samples) + sound.start_s + recorded.manifest.origin_utc_ms / 1000
    return Track(at_s, _within(at_s, 1.0))


def onsets(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Seconds at which sound begins after quiet."""
    loud = np.flatnonzero(np.abs(samples) > LOUD)
    first = np.diff(loud, prepend=-RATE) > QUIET_S * RATE
    return loud[first] / RATE


def _within(late_s: NDArray[np.float64], period_s: float) -> NDArray[np.float64]:
    """The same modulo `period_s`, around zero."""
    return (late_s + period_s / 2) % period_s - period_s / 2


def apart(sound: Track, picture: Track, stretch: Stretch) -> list[float]:
    """ms by which the picture is later than the sound, at each beep of a stretch."""
    found = []
    for at_s, late_s in zip(sound.at_s, sound.late_s, strict=True):
        near = np.abs(picture.at_s - at_s) < NEAR_S
        if stretch.holds(at_s) and near.any():
            found.append(float(np.median(picture.late_s[near]) - late_s) * 1000)
    return found


def figures(recorded: Recorded, peers: tuple[str, str], stretches: list[Stretch]) -> list[dict[str, Any]]:
    """A row for each stretch: picture against sound of each peer, and the peers against each other, in ms."""
    sounds = {peer: beeps(recorded, peer) for peer in peers}
    seen = {peer: pictures(recorded, peer) for peer in peers}
    rows = []
    for stretch in stretches:
        row: dict[str, Any] = {"table": "lip sync", "stretch": stretch.name}
        for peer in peers:
            offsets = apart(sounds[peer], seen[peer], stretch)
            row[f"beeps_{peer}"] = len(offsets)
            row[f"median_{peer}_ms"] = round(median(offsets), 1) if offsets else None
            row[f"worst_{peer}_ms"] = round(max(offsets, key=abs), 1) if offsets else None
        for name, tracks in (("sounds", sounds), ("pictures", seen)):
            inside = [
                [late for at, late in zip(t.at_s, t.late_s, strict=True) if stretch.holds(at)] for t in tracks.values()
            ]
            both = all(inside)
            row[f"peers_{name}_ms"] = round(float(median(inside[0]) - median(inside[1])) * 1000, 1) if both else None
        rows.append(row)
    return rows


def targets(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What these figures decide; a stretch without a beep or a picture decides that it is missed."""
    decided = []
    for name, most, columns in (
        ("picture against sound of one peer, worst beep, ms", ONE_PEER_MS, ("worst_a_ms", "worst_b_ms")),
        ("two peers against each other, ms", PEERS_MS, ("peers_sounds_ms", "peers_pictures_ms")),
    ):
        values = [row[column] for row in rows for column in columns]
        worst = max((abs(value) for value in values if value is not None), default=0.0)
        met = bool(values) and None not in values and worst <= most
        decided.append({"name": name, "target": f"<= {most:g}", "figure": worst, "met": met})
    return decided


@asynccontextmanager
async def _store(data_dir: Path) -> AsyncIterator[None]:
    """The embedded store, ready."""
    environment = {"VIDEOHOME_DATA_DIR": str(data_dir), "VIDEOHOME_CONFIG": str(data_dir / "none.toml")}
    with (data_dir / "store.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "storage.embedded", env={**os.environ, **environment}, stdout=log, stderr=log
        )
    try:
        for _ in range(300):
            with suppress(Exception):  # whatever a store that is not there yet makes of the question
                await asyncio.to_thread(open_store(Settings(data_dir=data_dir)).ensure_bucket)
                break
            await asyncio.sleep(0.2)
        else:
            raise RuntimeError("the store did not start")
        yield
    finally:
        process.terminate()
        await process.wait()


class Call:
    """Two browsers and what is done to them."""

    def __init__(self, room: Meeting, short: float) -> None:
        self._room, self._stretch_s = room, 4.0 * short
        self.stretches: list[Stretch] = []
        self._version = 1

    async def order(self, state: str) -> None:
        """What web would order."""
        self._version += 1
        await self._room.media.put(state, self._version)

    async def last(self, name: str) -> None:
        """Let a stretch pass, and note it."""
        from_s = time.time()
        await asyncio.sleep(self._stretch_s + 2 * EDGE_S)
        self.stretches.append(Stretch(name, from_s, time.time()))

    async def play(self, a: Tab) -> None:
        """Everything, to the peer a."""
        cable = self._room.relay.cable
        assert cable is not None
        await self.last("undisturbed")
        cable.loss = 0.05
        await self.last("5 % loss")
        cable.loss = 0.0
        for on in ("false", "true"):
            for source in ("mic", "cam"):
                await a.page.evaluate(f"engine.setLocal('{source}', engine.view().local.{source}.track, {on})")
            await asyncio.sleep(2)
        await self.last("after a mute")
        await a.page.evaluate(f"({TOP_LAYER_JS})(false)")
        await asyncio.sleep(2)
        await self.last("the lower layer")
        await a.page.evaluate(f"({TOP_LAYER_JS})(true)")
        await asyncio.sleep(4)
        await self.last("the upper layer again")
        await self.order("paused")
        await asyncio.sleep(2)
        await self.order("on")
        await self.last("after a pause")
        await a.page.reload()
        await a.page.wait_for_function("window.engine")
        await a.when("link joined")
        await asyncio.sleep(3)
        await self.last("after a re-join")


async def measure(short: float = 1.0) -> list[dict[str, Any]]:
    """One call, recorded and sealed; its rows. `short` scales the stretches. Raises AssertionError, RuntimeError,
    OSError when it could not be measured."""
    with tempfile.TemporaryDirectory(prefix="videohome-lipsync-") as name:
        folder = Path(name)
        build_page(folder / "page")
        async with _store(folder), meeting(folder, folder / "page", folder / "none", folder / "none") as room:
            room.init_script = SOURCE_JS
            await room.lay_cable()
            recording = Recording(room.media)
            await recording.start()
            try:
                a, b = await room.join("a"), await room.join("b")
                await a.when("frame cam-b")
                await b.when("frame cam-a")
                call = Call(room, short)
                await call.order("on")
                await asyncio.sleep(3)
                await call.play(a)
                await call.order("stopped")
                for _ in range(600):
                    if await recording.state() == "sealed":
                        break
                    await asyncio.sleep(0.1)
                else:
                    raise RuntimeError(f"the recording was not sealed: {await recording.state()}")
                return figures(Recorded(folder, ROOM), ("a", "b"), call.stretches)
            finally:
                await recording.stop()
