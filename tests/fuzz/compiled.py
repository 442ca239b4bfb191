# SPDX-License-Identifier: Apache-2.0
"""Where foreign bytes reach C: datagrams at the socket, packets that are stored, feedback. Each target gives the
compiled plane one broken input; what it must hold is little, since the sanitizers look on."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from mediaserver.recording import feed, ring, straight
from mediaserver.recording.intake import Intake
from mediaserver.rtp import packet as rtp
from mediaserver.rtp import rtcp, transport_feedback
from mediaserver.sfu import intake
from mediaserver.shell.media_port import MAX_DATAGRAM_BYTES
from mediaserver.shell.native_port import NativePort
from tests.fuzz.mutation import mutated_bytes
from tests.fuzz.targets import FEEDBACK, RTCP, RTP, STUN, VP8
from tests.mediaserver.recording.test_ring import Life, Pair
from tests.mediaserver.sfu.test_intake import LARGE_IDS, SMALL_IDS, fields, producer
from tests.mediaserver.sfu.test_relay import OTHER, Publisher, Recorder, begun
from tests.mediaserver.shell.test_planes import keys

AT_ONCE = 70
"""More than one batch."""
_MIMES = ("audio/opus", "video/VP8", "video/H264", "video/VP9", "video/AV1")


class Door:
    """A port on a real socket, a peer with keys, one without, and a stranger."""

    def __init__(self, port: NativePort, udp: socket.socket, far: list[socket.socket], suite: str) -> None:
        self.port, self._udp, self._far = port, udp, far
        self.ours, self._opens, self._protects = keys(suite)
        self._numbers = 0
        port.assign(far[0].getsockname(), "peer", self.ours)
        port.assign(far[1].getsockname(), "early", None)
        port.route("peer", far[0].getsockname(), self.ours)

    def receive(self, chance: random.Random) -> bytes:
        """Some datagrams come; each is handed on once, and in clear only what its peer had protected."""
        good: list[bytes] = []
        count = chance.choice((1, 3, AT_ONCE))
        for _ in range(count):
            data = self._datagram(chance, good)
            if data in good:
                self._far[0].send(self._protects.protect(data))
            else:
                chance.choice(self._far).send(data)
        handed = HOST.handed = []
        for _ in range(3):
            self.port._read()
        assert len(handed) == count
        clear = [plain for owner, plain in handed if owner == "peer" and plain is not None]
        assert [plain for plain in clear if plain[1] < 192 or plain[1] > 223] == good
        return b"".join(good)

    def _datagram(self, chance: random.Random, good: list[bytes]) -> bytes:
        if chance.random() < 0.3:  # authentic, whatever its payload says
            self._numbers += 1
            head = b"\x80\x60" + (self._numbers & 0xFFFF).to_bytes(2) + bytes(4) + b"\0\0\0\7"
            good.append(head + chance.randbytes(chance.choice((0, 1, 40, 1_200, 1_300))))
            return good[-1]
        if chance.random() < 0.1:
            return chance.randbytes(chance.choice((0, 1, MAX_DATAGRAM_BYTES, MAX_DATAGRAM_BYTES + 1, 9_000)))
        return mutated_bytes(chance, [*RTP, *RTCP, *STUN])

    def send(self, chance: random.Random) -> bytes:
        """Packets of any size go out, with and without a way to go, and come to the peer as they were."""
        sent = [
            (bytearray(b"\x80\x60" + number.to_bytes(2) + bytes(8) + bytes(chance.choice((0, 60, 900, 1_188)))), False)
            for number in range(chance.choice((1, 2, 90)))
        ]
        if chance.random() < 0.5:
            sent.append((bytearray(rtcp.build_pli(1, 1111)), True))
        packets: list[Any] = [("peer", data, is_rtcp) for data, is_rtcp in sent]
        packets.insert(chance.randrange(len(packets) + 1), ("nobody", bytearray(20), False))
        before = self.port.counters["sent"]
        self.port.send_media(packets)
        assert self.port.counters["sent"] - before == len(sent)
        for _ in sent:
            self._far[0].recv(MAX_DATAGRAM_BYTES)
        return b""


class Host:
    """Takes what the port hands on."""

    def __init__(self) -> None:
        self.handed: list[tuple[Any, bytes | None]] = []

    def media(self, owner: Any, plain: bytes | None, is_rtcp: bool, now: float) -> None:
        """As media_port.Host says."""
        self.handed.append((owner, plain))

    def other(self, data: bytes, path: Any, remote: tuple[str, int]) -> None:
        """As media_port.Host says."""
        self.handed.append((None, data))

    def batch_end(self) -> None:
        """As media_port.Host says."""

    def path_gone(self, path: Any) -> None:
        """As media_port.Host says."""


HOST = Host()


@contextmanager
def door(module: Any, suite: str) -> Iterator[Door]:
    """A door with its sockets."""
    with ExitStack() as held:
        udp, *far = (held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(4))
        for one in (udp, *far):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            one.bind(("127.0.0.1", 0))
            one.settimeout(5)
        for one in far:
            one.connect(udp.getsockname())
        udp.setblocking(False)
        port = NativePort(HOST, module)
        port._udp = udp
        yield Door(port, udp, far, suite)


def store_packet(chance: random.Random) -> bytes:
    """A packet of any codec is read as Python reads it, and stored, however its extensions and descriptors lie."""
    data = mutated_bytes(chance, [*RTP, *(_wrapped(chance, body) for body in VP8)])
    number_id = chance.choice((0, 3, 12, 200, 255))
    found, expected = intake.read(data, number_id), intake._read(data, number_id)
    assert found == expected
    if found is None:
        return data
    made = producer(chance.choice(_MIMES), chance.choice((SMALL_IDS, LARGE_IDS)))
    stored, _ = intake.store(made, made.uplinks[0], data, found[0], 70_000, 5.0)
    assert rtp.read_header(stored.packet) is not None and len(fields(stored)) > 20
    return data


def forward_packet(chance: random.Random) -> bytes:
    """A room takes broken packets among good ones, of which most go C's own way; some rooms are recorded."""
    room, publisher, now, said = begun(), Publisher(chance.randrange(1 << 30)), 1.3, b""
    recorder = Recorder(room, ring.make())
    room.record(chance.random() < 0.7, now)
    for _ in range(30):
        now += chance.choice((0.0, 0.005, 0.02))
        data = publisher.packet(now)
        if chance.random() < 0.4:
            data = mutated_bytes(chance, [data, *RTP])
        said += data
        sender = "d-send" if publisher.ssrc == OTHER else "a-send"
        room.receive_rtp(sender, bytearray(data) if chance.random() < 0.5 else data, now)
        if chance.random() < 0.05:
            room.record(chance.random() < 0.7, now)
        recorder.sees(room.drain_events())
        for _transport, packet, is_rtcp in room.drain_packets():
            assert is_rtcp or rtp.read_header(packet)
    room.stats(now)
    return said


def _wrapped(chance: random.Random, body: bytes) -> bytes:
    """The body behind extensions of every id, of sizes by chance."""
    elements = [(chance.randrange(1, 256), chance.randbytes(chance.randrange(30))) for _ in range(chance.randrange(9))]
    return bytes(
        rtp.build(payload_type=96, sequence_number=9, timestamp=9, ssrc=1111, payload=body,
                  extension_block=rtp.build_extensions(elements) if elements else b"")
    )  # fmt: skip


def read_feedback(chance: random.Random) -> bytes:
    """Feedback is read as Python reads it."""
    data = mutated_bytes(chance, FEEDBACK)[4:]
    assert transport_feedback._read(data) == transport_feedback._python(data)
    return data


def take_told(module: Any, chance: random.Random) -> bytes:
    """What a receiver tells of a room's packets goes to its estimate or stays as it was, however broken it is."""
    room, said = begun(), b""
    sender, lane = room._bandwidth.receivers["b-recv"].sender, room.lane_of("b-recv")
    for number in range(12):
        for _ in range(chance.randrange(40)):
            sender.sent(chance.randrange(1, 1500), 2.0 + number / 10)
        data = chance.choice(FEEDBACK) if chance.random() < 0.3 else mutated_bytes(chance, [*FEEDBACK, *RTCP])
        said += data
        told = module.take_told(lane, data, 2.1 + number / 10)
        if told is not None:
            assert rtcp.parse(data)[1] and data[1] in (rtcp.RTPFB, rtcp.RR)
            for receiver, one in told:
                receiver.told(*one)
        room.handle_timer(2.1 + number / 10)
    room.stats(9.0)
    return said


def take_feed(chance: random.Random) -> bytes:
    """A feed of a sound and a picture that are recorded, broken somewhere, is taken as Python takes it."""
    data, track = b"", chance.choice((1, 2))
    for number in range(1, chance.randrange(2, 13)):
        payload = b"\x78\x01" if track == 1 else mutated_bytes(chance, VP8)
        packet = rtp.build(
            payload_type=96,
            sequence_number=number,
            timestamp=number * 900,
            ssrc=1,
            payload=payload,
            marker=number % 2 == 0,
        )
        whole = mutated_bytes(chance, [bytes(packet)]) if chance.random() < 0.3 else bytes(packet)
        data += feed.encode_packet(track, number, whole, number * 20_000)
    if chance.random() < 0.3:
        data = mutated_bytes(chance, [data])
    outcomes = []
    for take in (straight.take, straight._python):
        known = {
            1: Intake(1, feed.TrackInfo("a", "p", "n", "", "mic", "audio", "opus", 48_000, 96, 1), lambda: 1),
            2: Intake(2, feed.TrackInfo("b", "p", "n", "", "cam", "video", "vp8", 90_000, 96, 1), lambda: 1),
        }
        rest: list[feed.Record] = []
        try:
            end: int | str = take(data, known, 5, lambda record, now_us, rest=rest: rest.append(record))  # type: ignore[misc]
        except feed.FeedFault as fault:
            end = str(fault)
        outcomes.append((end, rest, [(one.highest, one.wants_keyframe(5), one.drain()) for one in known.values()]))
    assert outcomes[0] == outcomes[1]
    return data


def keep_records(chance: random.Random) -> bytes:
    """The feed's memory lives as Python's does."""
    life = Life(chance, Pair(chance.choice((2_000_000, 1 << 60)), chance.choice((2_500, 16 << 20))))
    for _ in range(60):
        life.step()
    return b""


def targets(first: Door, second: Door) -> dict[str, Callable[[random.Random], bytes]]:
    """All that meet the compiled plane alone; the two doors have keys of different suites."""
    return {
        "receive_gcm": first.receive, "send_gcm": first.send, "receive_cm": second.receive, "send_cm": second.send,
        "store_packet": store_packet, "read_feedback": read_feedback, "take_feed": take_feed,
        "forward_packet": forward_packet, "keep_records": keep_records,
        "take_told": lambda chance: take_told(first.port._native, chance),
    }  # fmt: skip
