# SPDX-License-Identifier: Apache-2.0
"""Many scripted people in one session of the running product: they sign no page, but send real pictures and voices."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext

from mediaserver.rtp import codecs
from mediaserver.rtp import packet as rtp
from storage.access import RoomToken, mint_room_token
from tests.mediaserver.recorder.media import tone
from tests.mediaserver.shell.endpoint import Page, Wire, unix_session

WIDTH, HEIGHT, FPS, FRAMES = 320, 180, 10, 20
ALIVE_EVERY_S = 2.5
"""As a browser's consent checks; the server gives up after ten seconds without."""
LOUD_DBOV = 18
_AUDIO_LEVEL_ID, _MID_ID = 1, 2
_PIECE_BYTES = 1100
_Answer = TypeVar("_Answer")


@functools.cache
def clip(number: int) -> tuple[bytes, ...]:
    """Two seconds of somebody before a wall, in colours of their own; the first frame is a key frame."""
    encoder = av.CodecContext.create("libvpx", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    encoder.time_base, encoder.bit_rate, encoder.gop_size = Fraction(1, FPS), 120_000, FRAMES
    encoder.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    hue = np.array([0.5 + 0.35 * np.cos(number * 0.9 + shift) for shift in (0.0, 2.1, 4.2)])
    found = []
    for frame in range(FRAMES):
        image = np.ones((HEIGHT, WIDTH, 3)) * hue * 150 + 60
        middle = WIDTH / 2 + 10 * np.sin(2 * np.pi * frame / FRAMES)
        image[((x - middle) / 62) ** 2 + ((y - 180) / 80) ** 2 < 1] = hue[::-1] * 160
        image[((x - middle) / 27) ** 2 + ((y - 76) / 34) ** 2 < 1] = (214, 178, 150)
        picture = av.VideoFrame.from_ndarray(image.clip(0, 255).astype(np.uint8), format="rgb24")
        picture = picture.reformat(format="yuv420p")
        picture.pts, picture.time_base = frame, Fraction(1, FPS)
        found += [bytes(packet) for packet in encoder.encode(picture)]
    return tuple(found)


_SILENCE_EVERY = 20
"""Packets of 20 ms: a microphone in silence is heard every 400 ms, as Opus does it."""


@dataclass
class _Track:
    """RTP of one scripted track."""

    ssrc: int
    payload_type: int
    sequence: int = 1
    ticks: int = 0
    frame: int = 0
    picture_id: int = 0

    def packet(self, payload: bytes, marker: bool, extensions: list[tuple[int, bytes]]) -> bytes:
        made = rtp.build(
            payload_type=self.payload_type,
            sequence_number=self.sequence,
            timestamp=self.ticks,
            ssrc=self.ssrc,
            payload=payload,
            marker=marker,
            extension_block=rtp.build_extensions(extensions),
        )
        self.sequence = self.sequence + 1 & 0xFFFF
        return bytes(made)


@dataclass
class Member:
    """One of them."""

    number: int
    page: Page
    camera: _Track
    voice: _Track
    speaks: bool = False
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def peer_id(self) -> str:
        """Their id in the room."""
        return f"crowd-{self.number}"

    @property
    def wire(self) -> Wire:
        """The way up; they receive nothing."""
        return self.page.wires["send"]

    def send_picture(self) -> None:
        """The next frame, in VP8 payloads with a running picture id (RFC 7741)."""
        frames = clip(self.number)
        data = frames[self.camera.frame % len(frames)]
        self.camera.frame += 1
        self.camera.ticks += 90_000 // FPS
        self.camera.picture_id = self.camera.picture_id + 1 & 0x7FFF
        pieces = [data[at : at + _PIECE_BYTES] for at in range(0, len(data), _PIECE_BYTES)]
        running = bytes([0x80, 0x80 | self.camera.picture_id >> 8, self.camera.picture_id & 0xFF])
        for index, piece in enumerate(pieces):
            payload = bytes([0x90 if index == 0 else 0x80]) + running + piece
            self.wire.send_rtp(self.camera.packet(payload, index == len(pieces) - 1, []))

    def send_sound(self) -> None:
        """20 ms of a tone, as loud as speech, with its level (RFC 6464); in silence a short word now and then (DTX)."""
        samples = tone(2)
        payload = samples[self.voice.frame % len(samples)].payloads[0]
        self.voice.frame += 1
        self.voice.ticks += 960
        if self.speaks:
            level = bytes([0x80 | LOUD_DBOV])
            self.wire.send_rtp(self.voice.packet(payload, False, [(_AUDIO_LEVEL_ID, level)]))
        elif self.voice.frame % _SILENCE_EVERY == 0:
            self.wire.send_rtp(self.voice.packet(payload[:1], False, [(_AUDIO_LEVEL_ID, bytes([127]))]))


class Crowd:
    """Scripted people of one session. Methods may be called from a test without an event loop."""

    def __init__(self, data_dir: Path, session: str) -> None:
        self.data_dir, self.session = data_dir, session
        self.members: list[Member] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def come(self, count: int) -> None:
        """`count` more people join and publish camera and microphone."""
        first = len(self.members)
        for number in range(first, first + count):
            clip(number)  # drawn before anybody's connection waits for it
        tone(2)
        self._run(self._come(first, count))

    def speak(self, number: int | None) -> None:
        """Only this one speaks from now on; None for silence."""
        for member in self.members:
            member.speaks = member.number == number

    def leave(self, number: int) -> None:
        """One of them goes."""
        self._run(self._leave(next(m for m in self.members if m.number == number)))

    def close(self) -> None:
        """All of them go."""
        for member in list(self.members):
            self._run(self._leave(member))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, _Answer]) -> _Answer:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    async def _come(self, first: int, count: int) -> None:
        for number in range(first, first + count):
            await self._join(number)

    async def _join(self, number: int) -> None:
        http = unix_session(self.data_dir / "run" / "media.sock")
        page = Page(http, self.session)
        member = Member(number, page, _Track(1000 + number, 96), _Track(2000 + number, 111))
        name, place = f"第{number + 1}所", "调解室"
        token = RoomToken("default", self.session, self.session, member.peer_id, name, place)
        await page.open()
        page.joined = await page.good(
            "hello", {"version": 1, "token": mint_room_token(self.data_dir / "secrets", token)}
        )
        page.wires["send"] = Wire(page.joined["send_transport"])
        await page.connect("send")
        await member.wire.up()
        for source, kind, codec, track in (
            ("cam", "video", codecs.VP8, member.camera),
            ("mic", "audio", codecs.OPUS, member.voice),
        ):
            body = {"transport_id": member.wire.described["id"], "source": source, "kind": kind}
            await page.good("produce", {**body, "rtp_parameters": _parameters(codec, track, source)})
        member.tasks = [
            asyncio.create_task(self._every(ALIVE_EVERY_S, member.wire.check)),
            asyncio.create_task(self._every(1 / FPS, member.send_picture)),
            asyncio.create_task(self._every(0.02, member.send_sound)),
        ]
        self.members.append(member)

    async def _every(self, step_s: float, work: Any) -> None:
        due = self._loop.time()
        while True:
            work()
            due = max(due + step_s, self._loop.time() - 5 * step_s)
            await asyncio.sleep(max(0.0, due - self._loop.time()))

    async def _leave(self, member: Member) -> None:
        for task in member.tasks:
            task.cancel()
        await asyncio.gather(*member.tasks, return_exceptions=True)
        with contextlib.suppress(ConnectionError, TimeoutError):  # the session may be over before they go
            await member.page.good("leave", {})
        await member.page.close()
        await member.page.http.close()
        self.members.remove(member)


def _parameters(codec: codecs.Codec, track: _Track, mid: str) -> dict[str, Any]:
    """rtpParameters as mediasoup-client makes them."""
    entry: dict[str, Any] = {
        "mimeType": codec.mime_type,
        "payloadType": track.payload_type,
        "clockRate": codec.clock_rate,
        "parameters": {},
        "rtcpFeedback": [],
    }
    if codec.channels:
        entry["channels"] = codec.channels
    extensions = [{"uri": codecs.MID_URI, "id": _MID_ID}]
    if codec.kind == "audio":
        extensions.append({"uri": codecs.AUDIO_LEVEL_URI, "id": _AUDIO_LEVEL_ID})
    return {
        "mid": mid,
        "codecs": [entry],
        "headerExtensions": extensions,
        "encodings": [{"ssrc": track.ssrc}],
        "rtcp": {"cname": mid, "reducedSize": True},
    }
