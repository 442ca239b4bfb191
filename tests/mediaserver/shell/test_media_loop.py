# SPDX-License-Identifier: Apache-2.0
"""The loop whose waiting the compiled plane takes over: ordinary media passes by itself, all else comes as ever."""

from __future__ import annotations

import asyncio
import itertools
import socket
import threading
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from mediaserver import native
from mediaserver.native.build import build
from mediaserver.rtp import packet as rtp
from mediaserver.sfu.room import Room
from mediaserver.shell import native_port
from mediaserver.shell.media_loop import MediaLoop
from mediaserver.shell.media_port import FEEDBACK_S
from tests.mediaserver.shell.endpoint import until
from tests.mediaserver.shell.test_planes import Far
from tests.sim.call import video_parameters, vp8_payload


def run(test: Coroutine[Any, Any, None]) -> None:
    """In a loop as the program's."""
    build()
    if native.load() is None:
        pytest.fail("the compiled plane cannot be built here")
    try:
        with asyncio.Runner(loop_factory=MediaLoop) as runner:
            runner.run(test)
    finally:
        native_port.use(None)


class Meeting:
    """A room whose publisher and only receiver are one far end, on a socket."""

    def __init__(self, far: Far) -> None:
        ssrcs = itertools.count(900_001, 7919)
        self.far = far
        self.room = Room("r", new_ssrc=lambda: next(ssrcs), wallclock_offset_s=0.0)
        for peer_id in "ab":
            self.room.join(peer_id, peer_id, "", 1.0)
        self.room.add_transport("a-send", "a", "send")
        self.room.add_transport("far", "b", "recv")
        self.room.produce("a-send", "cam", "video", video_parameters(), 1.0)
        self.way = self.room.lane_of("a-send")
        self.flushed = 0
        far.media = self.media  # type: ignore[method-assign]
        assert self.way is not None
        self.way.flush = self.flush
        far.port.assign(far.path, "a", far.srtp, self.way)
        far.port.route("far", far.path, far.srtp)
        for transport_id in ("a-send", "far"):
            self.room.transport_up(transport_id, 1.0)

    def media(self, owner: Any, plain: bytes | None, is_rtcp: bool, now: float) -> None:
        """What Python has to look at."""
        assert plain is not None
        self.far.came.append((owner, plain, is_rtcp))
        self.room.receive_rtp("a-send", plain, now)
        self.far.port.send_media([one for one in self.room.drain_packets() if one[0] == "far"])

    def flush(self) -> None:
        """Something waits."""
        self.flushed += 1

    def send(self, number: int, *, key: bool = False, size: int = 200) -> None:
        """The publisher sends one packet."""
        payload = vp8_payload(number, key=key, size=size)
        data = rtp.build(payload_type=96, sequence_number=number, timestamp=number, ssrc=1111, payload=payload)
        self.far.socket.send(self.far.tx.protect(bytes(data)))

    async def gets(self) -> bytes:
        """The next packet at the receiver."""
        return (await asyncio.to_thread(self.far.read, 1))[0]


async def begun() -> Meeting:
    far = Far("native", "gcm")
    await far.open()
    meeting = Meeting(far)
    meeting.send(1, key=True)
    await meeting.gets()
    return meeting


async def ended(meeting: Meeting) -> None:
    await meeting.far.close()


def test_ordinary_media_passes_without_python() -> None:
    async def test() -> None:
        meeting = await begun()
        first = len(meeting.far.came)
        for number in range(2, 40):
            meeting.send(number)
            header = rtp.read_header(await meeting.gets())
            assert header is not None and header.timestamp == number
        assert len(meeting.far.came) == first, "Python saw none of them"
        assert meeting.far.port.counters["received"] == 39 and meeting.far.port.counters["sent"] == 39
        meeting.send(41)  # one is missing
        await meeting.gets()
        assert len(meeting.far.came) == first + 1
        await ended(meeting)

    run(test())


def test_timers_threads_and_strangers_are_not_kept_waiting() -> None:
    async def test() -> None:
        meeting = await begun()
        loop, said = asyncio.get_running_loop(), asyncio.Event()
        stop = threading.Event()

        def flood() -> None:
            number = 2
            while not stop.wait(0.001):
                meeting.send(number, size=20)
                number += 1

        thread = threading.Thread(target=flood)
        thread.start()
        try:
            await asyncio.sleep(0.05)
            loop.call_soon_threadsafe(said.set)
            await asyncio.wait_for(said.wait(), 5)
            meeting.far.socket.send(b"\x00stun")
            await until(lambda: bool(meeting.far.others))
        finally:
            stop.set()
            thread.join()
        assert meeting.far.others == [(b"\x00stun", meeting.far.path)]
        await ended(meeting)

    run(test())


def test_a_wait_that_ends_by_the_clock_says_that_no_file_is_ready() -> None:
    async def test() -> None:
        meeting = await begun()
        loop = asyncio.get_running_loop()
        assert isinstance(loop, MediaLoop) and loop.media.relay is not None
        poll, (reads, writes) = loop.media.fileno(), socket.socketpair()
        with reads, writes:
            loop.add_reader(reads, lambda: None)
            assert loop.media.relay(poll, FEEDBACK_S + 0.002) is False
            meeting.send(2)
            assert loop.media.relay(poll, 0.05) is False, "media alone"
            port: Any = meeting.far.port
            assert 0 < port._brought_at <= time.monotonic(), "and brought the feedback with it"
            writes.send(b"x")
            assert loop.media.relay(poll, 5) is True
            loop.remove_reader(reads)
        await ended(meeting)

    run(test())


def test_a_burst_that_waits_wakes_the_room() -> None:
    async def test() -> None:
        meeting = await begun()
        for number in range(2, 60):
            meeting.send(number, size=1_100)
        await until(lambda: meeting.flushed > 0)
        assert meeting.room._bandwidth.receivers["far"].pacer.waiting
        await ended(meeting)

    run(test())


def test_a_fault_in_the_compiled_plane_ends_only_its_use(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        meeting = await begun()
        monkeypatch.setattr(meeting.far.port, "_native", object())
        await asyncio.sleep(0.01)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, MediaLoop) and loop.media.relay is None
        monkeypatch.undo()
        meeting.send(2)
        await meeting.gets()
        await ended(meeting)

    run(test())
