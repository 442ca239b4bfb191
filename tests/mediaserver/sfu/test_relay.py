# SPDX-License-Identifier: Apache-2.0
"""The compiled plane's own way of an ordinary packet leaves a room as Python's does, to the last bit; all else it
leaves alone."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import Any

import pytest

from mediaserver.recording import ring
from mediaserver.recording.feed import Kind, RecordReader, SessionOrder, SessionRef
from mediaserver.recording.ring import FeedRing
from mediaserver.rtp import packet as rtp
from mediaserver.rtp import rtcp
from mediaserver.sfu import lane
from mediaserver.sfu.room import Room
from mediaserver.sfu.uplink import Uplink
from mediaserver.shell import native_port
from mediaserver.shell.feed_server import FeedServer
from mediaserver.shell.room_feed import RoomFeed
from tests.sim.call import IDS, audio_parameters, video_parameters, vp8_payload

VIDEO, SOUND, RTX, STRANGER, OTHER = 1111, 3333, 2222, 9999, 4444


@pytest.fixture(autouse=True)
def planes(compiled: Any) -> Iterator[None]:
    native_port.use(compiled)
    yield
    native_port.use(None)


def room(**settings: Any) -> Room:
    """`a` publishes to `b` and `c`, `d` has a microphone, too; `c` is not up."""
    ssrcs = itertools.count(900_001, 7919)
    made = Room("r", new_ssrc=lambda: next(ssrcs), wallclock_offset_s=1_700_000_000.0, **settings)
    for peer_id in "abcd":
        made.join(peer_id, peer_id, "desk", 1.0)
    made.add_transport("a-send", "a", "send")
    made.produce("a-send", "cam", "video", video_parameters(), 1.0)
    made.produce("a-send", "mic", "audio", audio_parameters(), 1.0)
    made.add_transport("d-send", "d", "send")
    made.produce("d-send", "mic", "audio", audio_parameters(ssrc=OTHER), 1.0)
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
        return {
            n: plain(getattr(value, n))
            for n in names
            if n not in ("downlinks", "describer", "port", "shapes", "uplink")
        }
    return vars(value) if type(value).__module__.startswith("mediaserver.sfu") else repr(value)


def state(made: Room, now: float) -> Any:
    """Of the publishers' side, and of the receivers' numbers."""
    ports = [made._ports["a-send"], made._ports["d-send"]]
    producers = [producer for port in ports for producer in port.producers.values()]
    uplinks = [uplink for producer in producers for uplink in producer.uplinks]
    downlinks = [d for p in made._ports.values() for d in p.downlinks.values()]
    return (
        [(port.twcc.expected, port.twcc.came, port.twcc.pending) for port in ports],
        [plain(uplink) for uplink in uplinks],
        [plain(producer.voice) for producer in producers if producer.voice is not None],
        [(producer.silent, producer.recorded_packets, producer.tap_first) for producer in producers],
        [(d.highest, d.packets, d.bytes, d.span.offset, plain(d.last)) for d in downlinks],
        [p.next_twcc for p in made._ports.values()],
        [port.dropped for port in ports],
        made._now,
        made.stats(now),
    )


class Publisher:
    """Makes packets by chance, mostly as they should be."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.numbers = {VIDEO: 65_500, SOUND: 100, RTX: 7, STRANGER: 1, OTHER: 50}
        self.ssrc = 0
        """Of the last packet."""
        self.wide = 65_400
        self.picture = 0

    def packet(self, now: float) -> bytes:
        """The next one."""
        chance, odd = self.chance, self.chance.random()
        ssrc = self.ssrc = chance.choice((VIDEO, VIDEO, SOUND, OTHER)) if odd > 0.05 else chance.choice((RTX, STRANGER))
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
        if ssrc in (SOUND, OTHER):
            payload = chance.randbytes(chance.choice((1, 3, 80)))
        elements = [(IDS["http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"],
                     (self.wide & 0xFFFF).to_bytes(2))]  # fmt: skip
        if chance.random() < 0.9:
            elements.append((12, bytes([chance.randrange(256)])))
        if chance.random() < 0.05:
            elements.append((4, b"0"))
        made = rtp.build(
            payload_type={VIDEO: 96, SOUND: 111, RTX: 97, STRANGER: 96, OTHER: 111}[ssrc]
            if chance.random() > 0.01
            else 100,
            sequence_number=self.numbers[ssrc] & 0xFFFF,
            timestamp=int(now * (48_000 if ssrc in (SOUND, OTHER) else 90_000)) & 0xFFFFFFFF,
            ssrc=ssrc,
            payload=payload if chance.random() > 0.02 else b"",
            marker=chance.random() < 0.2,
            extension_block=rtp.build_extensions(elements),
        )
        data = bytes(made)
        return data if chance.random() > 0.01 else data[: chance.randrange(len(data))]


class Recorder:
    """What a room's recorder is sent, but for what is told on the server's clock."""

    def __init__(self, made: Room, kept: FeedRing) -> None:
        reference = SessionRef("c", "s", "r")
        self._ring, self._reader, self._feed = kept, RecordReader(), FeedServer("boot", kept)
        self._tracks = RoomFeed(self._feed, reference, made, 1_700_000_000_000_017)
        self._feed.session_order(SessionOrder(reference, "on", 1, 5))
        kept.connect({})

    def sees(self, events: list[Any]) -> tuple[list[str], list[Any], dict[str, int]]:
        """The events that are not for it; the media that it got since; and the feed's counters."""
        others = [repr(event) for event in events if not self._tracks.take(event)]
        came = self._reader.feed(self._ring.take(1 << 20))
        return others, [r for r in came if r.kind in (Kind.PACKET, Kind.REPORT)], self._feed.stats() | {"kept_bytes": 0}


def lives(made: Room, seed: int, way: Any) -> Iterator[Any]:
    """The room's life, step by step: what it sent, what was recorded, and what it holds."""
    publisher, chance, now = Publisher(seed), random.Random(seed + 1), 1.0
    camera, microphone, _ = (p.producer_id for p in made.producers())
    recorder = Recorder(made, FeedRing() if way is None else ring.make())
    for step in range(400):
        lane.forward = way
        now += chance.choice((0.0, 0.001, 0.005, 0.02))
        if step % 150 == 149:
            now += 2.0
        data = publisher.packet(now)
        sender = "d-send" if publisher.ssrc == OTHER else "a-send"
        made.receive_rtp(sender, bytearray(data) if step % 2 else data, now)
        event = chance.random()
        if event < 0.01:
            made.record(chance.random() < 0.8, now)
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
        yield step, sent, recorder.sees(made.drain_events()), state(made, now) if step % 40 == 39 else None


@pytest.mark.parametrize("seed", range(8))
def test_every_step_is_the_same_both_ways(compiled: Any, seed: int) -> None:
    """With room for both microphones and for one only, whose place the other takes now and then."""
    taken: list[bool] = []
    unheard = taped = 0
    settings = {"top_audio": 1 + seed % 2}

    def watched(*arguments: Any) -> bool:
        nonlocal unheard, taped
        sound = next(p for p in arguments[0].port.producers.values() if p.kind == "audio")
        silent, before = sound.silent, sound.uplinks[0].packets
        recorded = sum(p.recorded_packets for p in arguments[0].port.producers.values())
        taken.append(compiled.forward_received(*arguments))
        unheard += taken[-1] and silent and sound.uplinks[0].packets > before
        taped += sum(p.recorded_packets for p in arguments[0].port.producers.values()) > recorded
        return taken[-1]

    ours, theirs = lives(room(**settings), seed, None), lives(room(**settings), seed, watched)
    for expected, found in zip(ours, theirs, strict=True):
        same = found == expected
        assert same, f"step {found[0]}"
    assert taped > 20, "of what was recorded most went by a tape"
    assert bool(unheard) == (settings["top_audio"] == 1), "unheard microphones, too"
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
    assert compiled.forward_received(way, sample, 1.3, out) is False, "recorded, and its epoch not open yet"
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
    for wrong in ((), (int,) * 11):
        with pytest.raises((TypeError, AttributeError)):
            compiled.bind_relay(wrong, 1.0, 1, 1.0, 1.0, 1.0)


def test_what_came_before_is_recorded_before(compiled: Any) -> None:
    """While an event waits for the recorder, or nobody has given a tape, each packet is an event."""
    made = begun()
    way = made.lane_of("a-send")
    recorder = Recorder(made, ring.make())
    made.record(True, 1.3)
    made.receive_rtp("a-send", ordinary(10), 1.3)
    assert compiled.forward_received(way, ordinary(11), 1.31, []) is False, "the first one waits"
    recorder.sees(made.drain_events())
    assert compiled.forward_received(way, ordinary(11), 1.31, []) is True
    made.receive_rtp("a-send", ordinary(13), 1.32)
    assert compiled.forward_received(way, ordinary(14), 1.33, []) is False
    _, came, counters = recorder.sees(made.drain_events())
    assert [int.from_bytes(record.body[10:12]) for record in came] == [11, 13]
    assert counters["packets"] == 3
    made.record(False, 1.4)
    assert made.producers() and all(producer.tape is None for producer in made._producers.values())
