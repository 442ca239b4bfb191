# SPDX-License-Identifier: Apache-2.0
"""A batch goes straight to its receivers (native/direct.c): they get what the way by objects would send."""

from __future__ import annotations

import itertools
import socket
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pylibsrtp
import pytest

from mediaserver.rtp import codecs
from mediaserver.rtp import packet as rtp
from mediaserver.sfu.room import Room
from tests.mediaserver.shell.test_media_loop import run
from tests.mediaserver.shell.test_planes import Far, keys
from tests.sim.call import IDS, audio_parameters, video_parameters
from tests.sim.encoder import vp8_head

RECEIVERS = ("p0", "p1", "p2", "p3")
LEVEL_ID = IDS[codecs.AUDIO_LEVEL_URI]
SEND_TIME = slice(21, 24)
"""Of a packet for receivers: when it was sent, which no two runs share."""


def made(now: float) -> Room:
    """One publisher with camera and microphone, and its receivers."""
    ssrcs = itertools.count(900_001, 7919)
    room = Room("r", new_ssrc=lambda: next(ssrcs), wallclock_offset_s=0.0)
    for peer_id in ("a", *RECEIVERS):
        room.join(peer_id, peer_id, "", now)
    room.add_transport("a-send", "a", "send")
    for peer_id in RECEIVERS:
        room.add_transport(peer_id, peer_id, "recv")
    room.produce("a-send", "cam", "video", video_parameters(), now)
    room.produce("a-send", "mic", "audio", audio_parameters(), now)
    for transport_id in ("a-send", *RECEIVERS):
        room.transport_up(transport_id, now)
    room.drain_packets()
    return room


class Both:
    """The same packets to a room by the port, and to another one by its own methods."""

    def __init__(self, far: Far) -> None:
        now = time.monotonic()
        self.far, self.port = far, far.port
        self.direct, self.reference = made(now), made(now)
        self.sinks: dict[str, tuple[socket.socket, pylibsrtp.Session]] = {}
        self.wanted: dict[str, list[bytes]] = {name: [] for name in RECEIVERS}
        self.flushed = self.python = 0
        far.media = self.media  # type: ignore[method-assign]
        lane = self.direct.lane_of("a-send")
        assert lane is not None
        lane.flush = self.flush
        far.port.assign(far.path, "a", far.srtp, lane)
        for name in RECEIVERS:
            sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sink.bind(("127.0.0.1", 0))
            sink.setblocking(False)
            ours, theirs, _ = keys("gcm")
            self.sinks[name] = sink, theirs
            far.port.route(name, sink.getsockname(), ours)
        self.number = {1111: 65_530, 3333: 5}

    def flush(self) -> None:
        self.flushed += 1

    def media(self, owner: Any, plain: bytes | None, is_rtcp: bool, now: float) -> None:
        assert plain is not None
        self.python += 1
        self.direct.receive_rtp("a-send", plain, now)
        self.port.send_media([one for one in self.direct.drain_packets() if not one[2]])

    def packet(self, ssrc: int, *, key: bool = False, temporal: int = 0, size: int = 1000) -> bytes:
        """The next one of the stream."""
        number = self.number[ssrc] = self.number[ssrc] + 1
        kind = 96 if ssrc == 1111 else 111
        payload = bytes(size)
        if kind == 96:
            head = vp8_head(key=key, start=True, picture=number, bits=15, tl0=number, temporal=temporal, key_index=0)
            payload = head + bytes([0 if key else 1]) + payload
        return bytes(
            rtp.build(
                payload_type=kind,
                sequence_number=number & 0xFFFF,
                timestamp=number * 3000,
                ssrc=ssrc,
                payload=payload,
                extension_block=b"" if kind == 96 else rtp.build_extensions([(LEVEL_ID, b"\x0a")]),
            )
        )

    def send(self, *packets: bytes) -> None:
        """One batch, both ways."""
        for data in packets:
            self.far.socket.send(self.far.tx.protect(data))
        assert self.port._udp is not None
        self.port._read()
        now = time.monotonic()
        for data in packets:
            self.reference.receive_rtp("a-send", data, now)
            for transport_id, copy, is_rtcp in self.reference.drain_packets():
                if not is_rtcp and transport_id in self.wanted:
                    self.wanted[transport_id].append(bytes(copy))

    def same(self) -> None:
        """Every receiver has got the same, in order, and both rooms know the same of it."""
        for name, (sink, theirs) in self.sinks.items():
            found = [_timeless(theirs.unprotect(sink.recv(2048))) for _ in self.wanted[name]]
            assert found == [_timeless(data) for data in self.wanted[name]], name
            with pytest.raises(BlockingIOError):
                sink.recv(2048)
            self.wanted[name].clear()
        assert _state(self.direct) == _state(self.reference)


def _timeless(data: bytes) -> bytes:
    header = bytearray(data)
    header[SEND_TIME] = bytes(3)
    return bytes(header)


def _state(room: Room) -> Any:
    downlinks = [d for port in room._ports.values() for d in port.downlinks.values()]
    receivers = room._bandwidth.receivers
    return (
        [(d.highest, d.packets, d.bytes, d.span.offset, d.temporal, d.skipped is None) for d in downlinks],
        [d.last is not None and _timeless(bytes(d.last.packet)) for d in downlinks],
        [port.next_twcc for port in room._ports.values()],
        [(name, r.meter.next_number, r.meter.sent_bytes, r.pacer._count) for name, r in receivers.items()],
    )


def both(test: Callable[[Both], None]) -> None:
    async def whole() -> None:
        far = Far("native", "gcm")
        await far.open()
        ways = Both(far)
        ways.send(ways.packet(1111, key=True))
        ways.send(ways.packet(3333, size=80))
        ways.same()
        ways.python = 0
        try:
            test(ways)
        finally:
            await far.close()
            for sink, _ in ways.sinks.values():
                sink.close()

    coroutine: Coroutine[Any, Any, None] = whole()
    run(coroutine)


def test_batches_of_one_and_of_many_streams() -> None:
    def test(ways: Both) -> None:
        for count in (1, 5, 2, 7):
            ways.send(*(ways.packet(1111, size=300 + 10 * n) for n in range(count)))
            ways.send(ways.packet(3333, size=80))
            ways.send(ways.packet(1111, size=90), ways.packet(3333, size=90), ways.packet(1111, size=90))
            ways.same()
            time.sleep(0.02)  # what left empties the buckets again
        assert ways.python == 0, "all of it passed without Python"

    both(test)


def test_a_receiver_that_gets_fewer_layers_holds_nobody_up() -> None:
    def test(ways: Both) -> None:
        for room in (ways.direct, ways.reference):
            downlink = next(d for d in room._ports["p1"].downlinks.values() if d.rtx_ssrc is not None)
            room.set_target(downlink, 0, 0, "bandwidth", time.monotonic())
        for temporal in (0, 2, 1, 2, 0):
            ways.send(*(ways.packet(1111, temporal=temporal, size=200) for _ in range(3)))
            time.sleep(0.02)
        assert len(ways.wanted["p1"]) < len(ways.wanted["p0"])
        ways.same()

    both(test)


def test_a_burst_waits_only_where_its_receiver_is_narrow() -> None:
    def test(ways: Both) -> None:
        for room in (ways.direct, ways.reference):
            room._bandwidth.receivers["p2"].pacer.set_rate(50_000)
        ways.send(*(ways.packet(1111) for _ in range(4)))
        assert len(ways.wanted["p2"]) < 4 == len(ways.wanted["p3"]) and ways.flushed
        ways.same()
        ways.send(ways.packet(1111), ways.packet(3333, size=80))  # behind what waits
        ways.same()

    both(test)


def test_a_receiver_without_a_way_by_datagrams_is_left_to_python() -> None:
    def test(ways: Both) -> None:
        ways.port.route("p3", None, None)
        ways.send(ways.packet(1111), ways.packet(1111))
        assert len(ways.wanted["p3"]) == 2
        ways.wanted["p3"].clear()
        ways.same()

    both(test)


def test_what_comes_out_of_order_or_twice_is_as_ever() -> None:
    def test(ways: Both) -> None:
        first, second, third = (ways.packet(1111, size=100) for _ in range(3))
        ways.send(first)
        ways.send(third, ways.packet(1111, size=100))
        ways.send(second, ways.packet(1111, size=100))
        ways.same()
        assert ways.python

    both(test)


def test_more_receivers_than_are_looked_at_abreast() -> None:
    def test(ways: Both) -> None:
        now = time.monotonic()
        sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sink.bind(("127.0.0.1", 0))
        for n in range(70):
            ways.direct.join(f"q{n}", "", "", now)
            ways.direct.add_transport(f"q{n}", f"q{n}", "recv")
            ways.direct.transport_up(f"q{n}", now)
            ways.port.route(f"q{n}", sink.getsockname(), keys("gcm")[0])
        ways.send(ways.packet(1111, key=True, size=90))
        before, ways.python = ways.port.counters["sent"], 0
        ways.send(ways.packet(1111, size=90))
        assert ways.port.counters["sent"] - before == 70 + len(RECEIVERS) and not ways.python
        sink.close()

    both(test)
