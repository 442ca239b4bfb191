# SPDX-License-Identifier: Apache-2.0
"""The compiled plane's own way of an ordinary packet leaves a room as Python's does, to the last bit; all else it
leaves alone."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import Any

import pytest

from mediaserver.rtp import packet as rtp
from mediaserver.rtp import rtcp
from mediaserver.sfu import lane
from mediaserver.sfu.room import Room
from mediaserver.sfu.uplink import Uplink
from mediaserver.shell import native_port
from tests.sim.call import IDS, audio_parameters, video_parameters, vp8_payload

VIDEO, SOUND, RTX, STRANGER = 1111, 3333, 2222, 9999


@pytest.fixture(autouse=True)
def planes(compiled: Any) -> Iterator[None]:
    native_port.use(compiled)
    yield
    native_port.use(None)


def room(**settings: Any) -> Room:
    """`a` publishes to `b` and `c`; `c` is not up."""
    ssrcs = itertools.count(900_001, 7919)
    made = Room("r", new_ssrc=lambda: next(ssrcs), wallclock_offset_s=1_700_000_000.0, **settings)
    for peer_id in "abc":
        made.join(peer_id, peer_id, "desk", 1.0)
    made.add_transport("a-send", "a", "send")
    made.produce("a-send", "cam", "video", video_parameters(), 1.0)
    made.produce("a-send", "mic", "audio", audio_parameters(), 1.0)
    for peer_id in "bc":
        made.add_transport(f"{peer_id}-recv", peer_id, "recv")
    made.transport_up("a-send", 1.0)
    made.transport_up("b-recv", 1.0)
    return made


def plain(value: Any) -> Any:
    """All that an object of a room holds, to be compared."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(one) for one in value if one is not None]
    if hasattr(value, "refused") and not hasattr(value, "port"):
        return value.refused
    names = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    if type(value).__module__.startswith("mediaserver.sfu") and names:
        return {n: plain(getattr(value, n)) for n in names if n not in ("downlinks", "describer", "port", "uplink")}
    return vars(value) if type(value).__module__.startswith("mediaserver.sfu") else repr(value)


def state(made: Room, now: float) -> Any:
    """Of the publisher's side, and of the receivers' numbers."""
    port = made._ports["a-send"]
    uplinks = [uplink for producer in port.producers.values() for uplink in producer.uplinks]
    downlinks = [d for p in made._ports.values() for d in p.downlinks.values()]
    return (
        plain(port.twcc),
        [plain(uplink) for uplink in uplinks],
        [plain(producer.voice) for producer in port.producers.values() if producer.voice is not None],
        [(d.highest, d.packets, d.bytes, d.span.offset, plain(d.last)) for d in downlinks],
        [p.next_twcc for p in made._ports.values()],
        port.dropped,
        made._now,
        made.stats(now),
    )


class Publisher:
    """Makes packets by chance, mostly as they should be."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.numbers = {VIDEO: 65_500, SOUND: 100, RTX: 7, STRANGER: 1}
        self.wide = 65_400
        self.picture = 0

    def packet(self, now: float) -> bytes:
        """The next one."""
        chance, odd = self.chance, self.chance.random()
        ssrc = chance.choice((VIDEO, VIDEO, SOUND)) if odd > 0.05 else chance.choice((RTX, STRANGER))
        step = chance.choice((0, -1, 2, 3, 40, 2_000)) if odd > 0.97 else 1
        self.numbers[ssrc] += step
        self.wide += chance.choice((1, 1, 1, 1, 1, 1, 2, -3))
        start = chance.random() < 0.4
        self.picture += start
        payload = vp8_payload(
            self.picture, key=start and chance.random() < 0.05, start=start, size=chance.randrange(900)
        )
        if ssrc == RTX:
            payload = ((self.numbers[VIDEO] - 2) & 0xFFFF).to_bytes(2) + payload
        if ssrc == SOUND:
            payload = chance.randbytes(chance.choice((1, 3, 80)))
        elements = [(IDS["http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"],
                     (self.wide & 0xFFFF).to_bytes(2))]  # fmt: skip
        if chance.random() < 0.9:
            elements.append((12, bytes([chance.randrange(256)])))
        if chance.random() < 0.05:
            elements.append((4, b"0"))
        made = rtp.build(
            payload_type={VIDEO: 96, SOUND: 111, RTX: 97, STRANGER: 96}[ssrc] if chance.random() > 0.01 else 100,
            sequence_number=self.numbers[ssrc] & 0xFFFF,
            timestamp=int(now * (48_000 if ssrc == SOUND else 90_000)) & 0xFFFFFFFF,
            ssrc=ssrc,
            payload=payload if chance.random() > 0.02 else b"",
            marker=chance.random() < 0.2,
            extension_block=rtp.build_extensions(elements),
        )
        data = bytes(made)
        return data if chance.random() > 0.01 else data[: chance.randrange(len(data))]


def lives(made: Room, seed: int, way: Any) -> Iterator[Any]:
    """The room's life, step by step: what it sent, and what it holds."""
    publisher, chance, now = Publisher(seed), random.Random(seed + 1), 1.0
    camera, microphone = (p.producer_id for p in made.producers())
    for step in range(400):
        lane.forward = way
        now += chance.choice((0.0, 0.001, 0.005, 0.02))
        if step % 150 == 149:
            now += 2.0
        data = publisher.packet(now)
        made.receive_rtp("a-send", bytearray(data) if step % 2 else data, now)
        event = chance.random()
        if event < 0.01:
            made.record(chance.random() < 0.3, now)
        elif event < 0.02:
            made.silence_producer(chance.choice((camera, microphone)), chance.random() < 0.2, now)
        elif event < 0.03:
            made.transport_up("c-recv", now)
        elif event < 0.04:
            made.receive_rtcp(
                "b-recv", rtcp.build_pli(1, made.consumers("b")[0]["rtp_parameters"]["encodings"][0]["ssrc"]), now
            )
        if chance.random() < 0.2:
            made.handle_timer(now)
        sent = [(t, bytes(p).hex(), r) for t, p, r in made.drain_packets()]
        yield step, sent, repr(made.drain_events()), state(made, now) if step % 40 == 39 else None


@pytest.mark.parametrize("seed", range(6))
def test_every_step_is_the_same_both_ways(compiled: Any, seed: int) -> None:
    taken: list[bool] = []

    def watched(*arguments: Any) -> bool:
        taken.append(compiled.forward_received(*arguments))
        return taken[-1]

    ours, theirs = lives(room(), seed, None), lives(room(), seed, watched)
    for expected, found in zip(ours, theirs, strict=True):
        same = found == expected
        assert same, f"step {found[0]}"
    assert 40 < sum(taken) < len(taken), "both ways were gone"


def ordinary(number: int, ssrc: int = VIDEO) -> bytes:
    payload = vp8_payload(number, key=False) if ssrc == VIDEO else b"\x78" + bytes(60)
    payload_type, block = (96, b"") if ssrc == VIDEO else (111, rtp.build_extensions([(12, b"\x85")]))
    return bytes(
        rtp.build(payload_type=payload_type, sequence_number=number, timestamp=number, ssrc=ssrc, payload=payload,
                  extension_block=block)
    )  # fmt: skip


def begun() -> Room:
    """Picture and sound flow."""
    made = room()
    key = rtp.build(payload_type=96, sequence_number=9, timestamp=9, ssrc=VIDEO, payload=vp8_payload(9, key=True))
    made.receive_rtp("a-send", bytes(key), 1.1)
    for number in (9, 10):
        made.receive_rtp("a-send", ordinary(number, SOUND), 1.1)
    made.handle_timer(1.2)
    assert len(made.drain_packets()) >= 3
    return made


def uplinks(made: Room) -> list[Uplink]:
    return [uplink for producer in made._producers.values() for uplink in producer.uplinks]


def test_what_is_out_of_the_ordinary_is_left_alone(compiled: Any) -> None:
    made = begun()
    way = made.lane_of("a-send")
    out: list[Any] = []
    sample = ordinary(10)
    odd = {
        "late": ordinary(8),
        "after a gap": ordinary(12),
        "a duplicate": ordinary(9),
        "a stranger": ordinary(10, STRANGER),
        "a retransmission": ordinary(10, RTX),
        "another codec": sample[:1] + b"\x64" + sample[2:],
        "no packet": sample[:11],
        "another version": b"\x40" + sample[1:],
        "a key frame": bytes(
            rtp.build(payload_type=96, sequence_number=10, timestamp=9, ssrc=VIDEO, payload=vp8_payload(9, key=True))
        ),
        "cut in its extensions": b"\x90" + sample[1:12] + b"\xbe\xde\x40\x00" + sample[12:],
        "more padding than bytes": b"\xa0" + sample[1:-1] + b"\xff",
    }
    before = state(made, 1.3)
    for what, data in odd.items():
        assert compiled.forward_received(way, data, 1.3, out) is False, what
    assert (out, state(made, 1.3)) == ([], before)
    made.record(True, 1.3)
    assert compiled.forward_received(way, sample, 1.3, out) is False, "recorded"
    made.record(False, 1.3)
    made.silence_producer(made.producers()[1].producer_id, True, 1.3)
    assert compiled.forward_received(way, ordinary(11, SOUND), 1.3, out) is False, "muted by the host"
    assert compiled.forward_received(way, sample, 1.3, out) is True
    kept = uplinks(made)[0].stored(65_546)
    assert kept is not None and [(name, item[20:]) for name, item, _ in out] == [("b-recv", kept.packet[20:])]


def test_a_flood_ends_where_it_ends_in_python(compiled: Any) -> None:
    made = begun()
    way = made.lane_of("a-send")
    assert way is not None
    count = next(n for n in itertools.count() if not compiled.forward_received(way, ordinary(n + 10), 1.3, []))
    assert 1_000 < count < 10_000
    made.receive_rtp("a-send", ordinary(count + 10), 1.3)
    assert way.port.dropped == {"over_rate": 1}


def test_what_is_no_lane_and_no_packet_is_refused(compiled: Any) -> None:
    way = begun().lane_of("a-send")
    assert compiled.forward_received(None, ordinary(10), 1.3, []) is False
    assert compiled.forward_received(way, ordinary(10), 1, []) is False, "a time that is no float"
    for arguments in ((way, "text", 1.3, []), (way, b"", 1.3, ()), (way, b"", 1.3)):
        with pytest.raises(TypeError):
            compiled.forward_received(*arguments)
    for wrong in ((), (int,) * 8):
        with pytest.raises((TypeError, AttributeError)):
            compiled.bind_relay(wrong, 1, 1, 1.0, 1, 1.0, 1.0)
