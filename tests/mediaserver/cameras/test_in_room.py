# SPDX-License-Identifier: Apache-2.0
"""Cameras of others (GStreamer's RTSP server, live555) in a room of a real mediaserver, seen by a real receiver."""

from __future__ import annotations

import asyncio
import os
import signal
import wave
from collections.abc import AsyncIterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import pytest_asyncio

from mediaserver.cameras.states import State
from mediaserver.rtp import packet as rtp
from mediaserver.rtp import rtcp
from mediaserver.shell.camera_keeper import MAX_OF_ROOM
from storage.access import CamerasOrder
from tests.mediaserver.cameras import servers
from tests.mediaserver.cameras.room import MediaRoom, MediaServer, mediaserver, packets_of, room_of, stream_of
from tests.mediaserver.cameras.servers import PASSWORD, RtspServer, gstreamer, live555
from tests.mediaserver.cameras.viewer import access_units, decoded
from tests.mediaserver.shell.endpoint import Page, until


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def camera() -> AsyncIterator[RtspServer]:
    """One camera with many streams."""
    server = gstreamer(
        {
            "live": f"{servers.H264} {servers.ALAW}",
            "aac": f"{servers.NO_SETS} {servers.AAC}",
            "jpeg": servers.MJPEG,
            "h265": servers.H265,
            "b": servers.B_PICTURES,
        }
    )
    await server.start()
    yield server
    await server.kill()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MediaServer]:
    async with mediaserver(tmp_path_factory.mktemp("media")) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def room(server: MediaServer) -> AsyncIterator[MediaRoom]:
    """A room of its own for each test; no camera of an earlier one is left."""
    async with room_of(server) as made:
        await until(lambda: children(server) == [], 15)
        yield made


def children(server: MediaServer | MediaRoom) -> list[int]:
    """Camera processes of the mediaserver; the one that looks into samples is none."""
    pid = server.process.pid
    found = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [child for child in found if not _has_word(child, b"samples")]


def _has_word(pid: int, word: bytes) -> bool:
    try:
        return word in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:  # it has just ended
        return False


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def watched(room: MediaRoom, page: Page, pictures: int, peer: str = "peer1") -> Any:
    """Wait for so many pictures of a camera."""

    def enough() -> bool:
        return sum(data[1] >> 7 for data in packets_of(page, peer, "video")) >= pictures

    await until(enough, 20)
    return access_units(packets_of(page, peer, "video"))


@pytest.mark.parametrize(("path", "transport"), [("live", "tcp"), ("live", "udp"), ("aac", "tcp"), ("aac", "udp")])
async def test_picture_and_sound_arrive(room: MediaRoom, camera: RtspServer, path: str, transport: str) -> None:
    page = await room.page()
    await room.cameras(room.wish(1, camera.address(path), transport=transport, sound=True))
    told = await room.reaches("running")
    assert (told["width"], told["height"]) == (320, 180)
    assert told["sound_codec"] == ("pcm_alaw" if path == "live" else "aac")
    seen = await watched(room, page, 30)
    assert seen.missing == 0
    pictures = decoded(seen.units)
    assert len(pictures) >= 25
    assert {(picture.width, picture.height) for picture in pictures} == {(320, 180)}
    steps = np.diff(np.unwrap(np.array(seen.timestamps, dtype=float), period=2**32))[5:] / 90
    assert abs(np.median(steps) - 40) < 4 and steps.min() > 0, steps
    sounds = packets_of(page, "peer1", "audio")
    tone = heard(sounds)
    assert len(sounds) > 20 and abs(tone - 440) < 15, tone
    joined = next(note for note in page.notes if note["type"] == "peer_joined")["data"]
    assert (joined["name"], joined["place"]) == ("摄像机 1", "青石镇派出所")


def heard(packets: list[bytes]) -> float:
    """The loudest frequency, in hertz."""
    decoder: Any = av.CodecContext.create("libopus", "r")
    decoder.sample_rate, decoder.layout = 48_000, "mono"
    samples = []
    for data in packets:
        header = rtp.read_header(data)
        assert header is not None
        frames = decoder.decode(av.Packet(data[header.payload_offset : header.payload_end]))
        samples += [frame.to_ndarray().astype(float).reshape(-1)[:: len(frame.layout.channels)] for frame in frames]
    whole = np.concatenate(samples[5:])
    spectrum = np.abs(np.fft.rfft(whole * np.hanning(len(whole))))
    return float(np.fft.rfftfreq(len(whole), 1 / 48_000)[spectrum.argmax()])


@pytest.mark.parametrize(
    ("path", "password", "state", "detail"),
    [
        ("live", "wrong", State.WRONG_PASSWORD, ""),
        ("none", PASSWORD, State.NO_SUCH_STREAM, ""),
        ("jpeg", PASSWORD, State.CODEC_NOT_USABLE, "MJPEG"),
        ("h265", PASSWORD, State.CODEC_NOT_USABLE, "H.265"),
        ("b", PASSWORD, State.CODEC_NOT_USABLE, "H.264 (B)"),
    ],
)
async def test_what_cannot_be_used_says_why(
    room: MediaRoom, camera: RtspServer, path: str, password: str, state: State, detail: str
) -> None:
    await room.cameras(room.wish(1, camera.address(path), password=password))
    told = await room.reaches(state.value)
    assert told["detail"] == detail


async def test_a_camera_that_dies_comes_back_as_the_same_stream(room: MediaRoom) -> None:
    camera = gstreamer({"live": servers.H264})
    await camera.start()
    try:
        page = await room.page()
        await room.cameras(room.wish(1, camera.address()))
        await watched(room, page, 20)
        before = access_units(packets_of(page, "peer1", "video"))
        went_s = asyncio.get_running_loop().time()
        await camera.kill()
        await room.reaches("lost")
        await until(lambda: paused(page) == [True])
        await room.reaches("unreachable")
        already = len(room.states())
        await camera.start()
        await room.reaches("running", after=already)
        await until(lambda: paused(page) == [True, False])
        gone_s = asyncio.get_running_loop().time() - went_s
        seen = await watched(room, page, len(before.units) + 30)
    finally:
        await camera.kill()
    assert seen.missing == 0, "the stream goes on with the next number"
    steps = np.diff(np.unwrap(np.array(seen.timestamps, dtype=float), period=2**32)) / 90_000
    assert steps.min() > 0
    gap = int(steps.argmax())
    assert abs(steps[gap] - gone_s) < 2, "the clock went on through the gap"
    assert np.median(steps) < 0.05 and sorted(steps)[-2] < 0.5, "there is one gap"
    after = seen.units[gap + 1 :]
    assert len(decoded(after)) >= 25, "it begins with a key frame"
    assert [note["type"] for note in page.notes].count("peer_left") == 0


def paused(page: Page) -> list[bool]:
    """What the page was told of the camera's picture."""
    return [note["data"]["paused"] for note in page.notes if note["type"] == "consumer_paused"]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A minute of High profile video as an encoder's byte stream, and of G.711's raw sound."""
    folder = tmp_path_factory.mktemp("films")
    encoder: Any = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 320, 180, "yuv420p", Fraction(1, 25)
    encoder.framerate = Fraction(25)
    encoder.options = {"profile": "high", "tune": "zerolatency", "g": "25", "preset": "superfast"}
    with (folder / "film.264").open("wb") as file:
        for number in range(60 * 25):
            image = np.zeros((180, 320, 3), np.uint8)
            image[:, number % 320 :] = number % 256
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
            frame.pts = number
            for packet in encoder.encode(frame):
                file.write(bytes(packet))
    tone = np.sin(np.arange(60 * 8000) * 2 * np.pi * 440 / 8000) * 12_000
    with wave.open(str(folder / "tone.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(tone.astype("<i2").tobytes())
    return folder / "film.264", folder / "tone.wav"


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_live555(room: MediaRoom, films: tuple[Path, Path], transport: str) -> None:
    camera = live555(*films)
    await camera.start()
    try:
        page = await room.page()
        await room.cameras(room.wish(1, camera.address(), transport=transport, sound=True))
        assert (await room.reaches("running"))["sound_codec"] == "pcm_mulaw"
        seen = await watched(room, page, 40)
        assert seen.missing == 0 and len(decoded(seen.units)) >= 35
        assert abs(heard(packets_of(page, "peer1", "audio")) - 440) < 15
        already = len(room.states())
        await room.cameras(room.wish(1, camera.address(), transport=transport, password="wrong"))
        await room.reaches("wrong_password", after=already)
    finally:
        await camera.kill()


async def test_a_secret_stands_nowhere(room: MediaRoom, camera: RtspServer) -> None:
    await room.cameras(room.wish(1, camera.address()), room.wish(2, camera.address("none")))
    await room.reaches("running")
    await room.reaches("no_such_stream", 2)
    pids = children(room)
    assert len(pids) == 2
    shown = [room.log.read_text("utf-8"), str(room.events)]
    for pid in pids:
        shown += [Path(f"/proc/{pid}/{name}").read_bytes().decode() for name in ("cmdline", "environ")]
    for text in shown:
        for secret in (PASSWORD, "pa:ss", "pa%3Ass", "rtsp://"):
            assert secret not in text


async def test_children_end_with_what_they_are_for(room: MediaRoom, camera: RtspServer) -> None:
    page = await room.page()
    first, second = room.wish(1, camera.address()), room.wish(2, camera.address())
    await room.cameras(first, second)
    await room.reaches("running", 1)
    await room.reaches("running", 2)
    await until(lambda: all(stream_of(page, peer, "video") for peer in ("peer1", "peer2")))
    await room.cameras(second)
    await until(lambda: left(page) == ["peer1"])
    await until(lambda: len(children(room)) == 1)
    [pid] = children(room)
    already = len(room.states(2))
    os.kill(pid, signal.SIGKILL)
    await room.reaches("fault", 2, after=already)
    await room.reaches("running", 2, after=already)
    await room.cameras()
    await until(lambda: left(page)[-1:] == ["peer2"])
    await until(lambda: children(room) == [])


def left(page: Page) -> list[str]:
    """Who is said to have left."""
    return [note["data"]["peer_id"] for note in page.notes if note["type"] == "peer_left"]


async def test_a_killed_mediaserver_leaves_no_child(tmp_path: Path, camera: RtspServer) -> None:
    async with mediaserver(tmp_path) as server, room_of(server) as room:
        await room.cameras(room.wish(1, camera.address()))
        await room.reaches("running")
        [pid] = children(server)
        server.process.kill()
        await server.process.wait()
        await until(lambda: not Path(f"/proc/{pid}").exists())


async def test_more_cameras_than_a_room_takes_change_nothing(room: MediaRoom, camera: RtspServer) -> None:
    wishes = tuple(room.wish(number, camera.address("none")) for number in range(MAX_OF_ROOM + 1))
    answer = await room.order("PUT", "/cameras", CamerasOrder("c", room.name, room.name, wishes))
    assert (answer.status, (await answer.json())["error"]["code"]) == (409, "too_many_cameras")
    assert children(room) == []
    await room.cameras(*wishes[:-1])
    await until(lambda: len(children(room)) == MAX_OF_ROOM)


async def test_a_receiver_gets_sender_reports_of_the_camera(room: MediaRoom, camera: RtspServer) -> None:
    page = await room.page()
    await room.cameras(room.wish(1, camera.address()))
    found = None
    await until(lambda: stream_of(page, "peer1", "video") is not None, 20)
    found = stream_of(page, "peer1", "video")
    assert found is not None
    wire, ssrc = found

    def reports() -> list[rtcp.SenderReport]:
        parsed = [report for data in wire.rtcp for report in rtcp.parse(data)[0]]
        return [report for report in parsed if isinstance(report, rtcp.SenderReport) and report.ssrc == ssrc]

    await until(lambda: len(reports()) >= 3, 15)
    first, last = reports()[0], reports()[-1]
    clock = (last.ntp - first.ntp) / 2**32
    assert abs(((last.rtp_timestamp - first.rtp_timestamp) & 0xFFFFFFFF) / 90_000 - clock) < 0.1
