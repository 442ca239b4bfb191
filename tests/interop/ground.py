# SPDX-License-Identifier: Apache-2.0
"""One running installation that programs of others come into: a session, somebody in it who counts what arrives from
whom, and somebody who publishes all the time for others to watch."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import aiohttp
import av
import numpy
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack

from mediaserver.rtp import packet as rtp
from tests.interop.relay import SECRET, start_relay
from tests.web.front import Browser
from tests.web.sessions.house import FrontPage, House, until

WIDTH, HEIGHT, RATE = 160, 120, 20


class SmallPicture(VideoStreamTrack):
    """A small moving picture that costs nearly nothing."""

    def __init__(self, rate: int = 10) -> None:
        super().__init__()
        self._rate, self._count = rate, 0

    async def recv(self) -> av.VideoFrame:
        """The next frame, in time."""
        await asyncio.sleep(1 / self._rate)
        self._count += 1
        frame = picture(self._count)
        frame.pts, frame.time_base = self._count * 90_000 // self._rate, Fraction(1, 90_000)
        return frame


def picture(count: int) -> av.VideoFrame:
    """A grey field with a bright bar that moves."""
    image = numpy.full((HEIGHT * 3 // 2, WIDTH), 128, numpy.uint8)
    image[: HEIGHT // 2, count * 4 % WIDTH :][:, :16] = 235
    return av.VideoFrame.from_ndarray(image, format="yuv420p")


def encoded_media(path: Path) -> None:
    """Two seconds of VP8 and Opus frames as JSON, for programs without encoders."""
    frames: dict[str, list[str]] = {"audio": [], "video": []}
    video = av.CodecContext.create("libvpx", "w")
    video.width, video.height, video.pix_fmt, video.bit_rate = WIDTH, HEIGHT, "yuv420p", 100_000
    video.time_base, video.framerate, video.gop_size = Fraction(1, RATE), Fraction(RATE), RATE
    video.options = {"deadline": "realtime", "lag-in-frames": "0", "cpu-used": "8"}
    audio = av.CodecContext.create("libopus", "w")
    audio.sample_rate, audio.layout, audio.format, audio.time_base = 48_000, "stereo", "s16", Fraction(1, 48_000)
    for number in range(2 * RATE):
        frame = picture(number)
        frame.pts, frame.time_base = number, video.time_base
        frames["video"] += [base64.b64encode(bytes(packet)).decode() for packet in video.encode(frame)]
    for number in range(100):
        tone = (8000 * numpy.sin(numpy.arange(1920) / 9)).astype(numpy.int16).reshape(1, -1)
        sound = av.AudioFrame.from_ndarray(tone, format="s16", layout="stereo")
        sound.sample_rate, sound.pts, sound.time_base = 48_000, number * 960, audio.time_base
        frames["audio"] += [base64.b64encode(bytes(packet)).decode() for packet in audio.encode(sound)]
    assert max(len(frame) for kind in frames.values() for frame in kind) < 1500, "one frame is one packet"
    path.write_text(json.dumps(frames))


@dataclass
class Ground:
    """The installation and who is in it."""

    house: House
    officer: Browser
    session_id: str
    observer: FrontPage
    ca: Path
    http: aiohttp.ClientSession
    relay: asyncio.subprocess.Process
    relay_uri: str
    star: str = ""
    """Peer id of whoever publishes all the time."""
    _connections: list[RTCPeerConnection] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._alive = asyncio.create_task(self.keep_alive())

    def url(self, path: str) -> str:
        """A public address."""
        return str(self.house.front.url.with_path(path))

    async def door(self, right: str, name: str) -> dict[str, Any]:
        """Open one as the officer does; `url` is where to send the offer."""
        body: dict[str, Any] = {"name": name, "right": right}
        if right == "publish":
            body["people"] = [{"name": f"{name} 前的人", "kind": "other"}]
        reply = await self.officer.post(f"/api/sessions/{self.session_id}/doors", body)
        assert reply.status == 200, reply.body
        return {**reply.body, "url": self.url(reply.body["path"].replace("PEER", self.star))}

    async def knock(self, door: dict[str, Any], sdp: str) -> tuple[str, str]:
        """Answer and visit's address."""
        headers = {"Authorization": f"Bearer {door['token']}", "Content-Type": "application/sdp"}
        async with self.http.post(door["url"], data=sdp, headers=headers) as reply:
            text = await reply.text()
            assert reply.status == 201, (reply.status, text)
            return text, reply.headers["Location"]

    async def publish(self, door: dict[str, Any], pc: RTCPeerConnection) -> None:
        """aiortc offers, the door answers."""
        self._connections.append(pc)
        await pc.setLocalDescription(await pc.createOffer())
        answer, _ = await self.knock(door, pc.localDescription.sdp)
        await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def start_star(self) -> None:
        """aiortc publishes a small picture and a tone for everybody else to watch."""
        door = await self.door("publish", "常在的设备")
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        pc.addTransceiver(AudioStreamTrack(), direction="sendonly")
        pc.addTransceiver(SmallPicture(), direction="sendonly")
        await self.publish(door, pc)
        self.star = door["peer_id"]
        await until(lambda: min(self.arrived(self.star).values()) > 3)

    def arrived(self, peer_id: str) -> dict[str, int]:
        """RTP packets that the observer got of one peer, by kind: decrypted and of the stream it was told about."""
        told = list(self.observer.joined["consumers"])
        for note in self.observer.notes:
            told += note["data"]["consumers"] if note["type"] == "new_consumers" else []
        kinds = {c["rtp_parameters"]["encodings"][0]["ssrc"]: c["kind"] for c in told if c["peer_id"] == peer_id}
        found = {"audio": 0, "video": 0}
        for data in self.observer.wires["recv"].media:
            header = rtp.read_header(data)
            if header is not None and header.ssrc in kinds and header.payload_end > header.payload_offset:
                found[kinds[header.ssrc]] += 1
        return found

    async def keep_alive(self) -> None:
        """Checks like a browser's: without them the observer would be gone after ten seconds."""
        while True:
            for wire in self.observer.wires.values():
                wire.check()
            await asyncio.sleep(2.5)

    async def close(self) -> None:
        """End everything."""
        self._alive.cancel()
        for connection in self._connections:
            await connection.close()
        await self.http.close()
        self.relay.kill()
        await self.relay.wait()
        await self.house.close()


async def open_ground(folder: Path, ui_folder: Path) -> Ground:
    """Start the programs, open a session and let the observer in."""
    house = House(folder / "data", ui_folder)
    relay, uri = await start_relay(folder)
    house._environment |= {
        "VIDEOHOME_BIND": "0.0.0.0",  # GStreamer's ICE does not use loopback for itself
        "VIDEOHOME_TURN_URIS": json.dumps([uri]),
        "VIDEOHOME_TURN_SECRET": SECRET,
    }
    await house.start_mediaserver()
    await house.start_web()
    officer = await house.front.signed_in("station_officer")
    session_id = await house.session(officer, "互通")
    observer = await house.enter(officer, session_id)
    http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=house.front.trust))
    ca = house.settings.data_dir / "tls" / "ca.crt"
    ground = Ground(house, officer, session_id, observer, ca, http, relay, uri)
    await ground.start_star()
    return ground
