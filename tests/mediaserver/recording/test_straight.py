# SPDX-License-Identifier: Apache-2.0
"""The short way of a packet that follows the one before comes to the same as the long way, in Python and in C."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediaserver import native
from mediaserver.native.build import build
from mediaserver.recording import straight, webm
from mediaserver.recording.feed import (
    FeedFault,
    Kind,
    Record,
    TrackInfo,
    decode_packet,
    decode_report,
    encode,
    encode_packet,
    encode_report,
)
from mediaserver.recording.intake import Intake
from mediaserver.recording.segments import Block
from mediaserver.rtp import packet as rtp
from mediaserver.rtp.payload import read_vp8, vp8_data_offset

ORIGIN_UTC_MS = 1_700_000_000_000
TRACKS = {
    1: TrackInfo("p-mic", "p", "所", "室", "mic", "audio", "opus", 48_000, 111, 1),
    2: TrackInfo("p-cam", "p", "所", "室", "cam", "video", "vp8", 90_000, 96, 2),
    3: TrackInfo("q-cam", "q", "所", "室", "cam", "video", "h264", 90_000, 97, 3),
}
KEY = b"\x10\x00\x00\x9d\x01\x2a\x40\x01\xf0\x00"


@pytest.fixture(scope="module", params=["python", "native"], autouse=True)
def plane(request: pytest.FixtureRequest) -> Iterator[str]:
    """The loop that is tested."""
    module = None
    if request.param == "native":
        build()
        module = native.load()
        if module is None:
            pytest.fail("the compiled plane cannot be built here")
    straight.use(module)
    yield str(request.param)
    straight.use(None)


def descriptor(chance: random.Random, start: bool) -> bytes:
    """A VP8 descriptor with the fields that browsers send, or some, or broken."""
    flags = chance.choice((0x80, 0x80, 0xF0, 0xE0, 0x40, 0x10, 0))
    picture = b"\x81\x02" if chance.random() < 0.8 else b"\x05"
    first = bytes([0x80 | (0x10 if start else 0) | (chance.random() < 0.02)])
    return first + bytes([flags]) + (picture if flags & 0x80 else b"") + bytes(3)[: flags.bit_count() - (flags >> 7)]


def frame(chance: random.Random, codec: str, number: int) -> list[bytes]:
    """Payloads of one frame."""
    if codec == "opus":
        return [bytes([chance.choice((0x78, 0x7C, 3)), number & 0xFF]) + chance.randbytes(chance.randrange(60))]
    if codec == "h264":
        return [b"\x65" + chance.randbytes(20)]
    key = number % 9 == 0
    body = (KEY if key else b"\x01") + chance.randbytes(chance.choice((4, 400, 3000)))
    pieces = [body[at : at + 900] for at in range(0, len(body), 900)]
    return [
        descriptor(chance, at == 0) + piece if chance.random() < 0.98 else b"\x80" for at, piece in enumerate(pieces)
    ]


def dressed(chance: random.Random, packet: bytearray) -> bytes:
    """Now and then with padding, or with CSRCs, or cut short."""
    luck = chance.random()
    if luck < 0.03:
        packet[0] |= 0x20
        return bytes(packet) + bytes([0, 0, chance.choice((3, 255, 0))])
    if luck < 0.05:
        return bytes([packet[0] | 1]) + bytes(packet[1:12]) + bytes(4) + bytes(packet[12:])
    if luck < 0.06:
        return bytes(packet[: chance.randrange(len(packet))])
    return bytes(packet)


def packets(chance: random.Random, track: int, frames: int) -> list[tuple[float, bytes]]:
    """(ms of arrival, packet): wrapping numbers, losses, copies, some late, a clock that is set anew."""
    info, found = TRACKS[track], []
    sequence, stamp = chance.choice((0, 65_500, 30_000)), chance.choice((0, (1 << 32) - 90_000, 5_000_000))
    step_ms = 20 if info.kind == "audio" else 33
    trouble = chance.choice((0.0, 0.02, 0.1))
    elements = [(3, b"\x01\x02")] if chance.random() < 0.6 else []
    for number in range(frames):
        if chance.random() < 0.01:
            stamp += chance.choice((1 << 31, 900_000, 3_000_000))
        payloads = frame(chance, info.codec, number)
        for place, payload in enumerate(payloads):
            made = rtp.build(
                payload_type=info.payload_type, sequence_number=sequence, timestamp=stamp, ssrc=info.ssrc,
                payload=payload, marker=info.kind == "video" and place == len(payloads) - 1 and chance.random() < 0.98,
                extension_block=rtp.build_extensions(elements),
            )  # fmt: skip
            sequence += 1
            late_ms = chance.choice((30, 200, 1_500)) if chance.random() < trouble else 0
            copies = 0 if chance.random() < trouble else 2 if chance.random() < trouble else 1
            found += [(number * step_ms + late_ms + copy * 3, dressed(chance, made)) for copy in range(copies)]
        stamp += step_ms * info.clock_rate // 1000
    return sorted(found, key=lambda entry: entry[0])


def feed(chance: random.Random) -> list[tuple[int, bytes]]:
    """(ms, record) of all tracks, numbered as the mediaserver does, with reports among them; some come twice."""
    came = [
        (at_ms, track, data) for track in TRACKS for at_ms, data in packets(chance, track, chance.randrange(20, 90))
    ]
    numbers, found = {track: count(1) for track in TRACKS}, []
    for at_ms, track, data in sorted(came, key=lambda entry: entry[0]):
        utc_us = ORIGIN_UTC_MS * 1000 + round(at_ms * 1000) + 17
        number = next(numbers[track])
        told = number if chance.random() < 0.99 else max(1, number - 3)  # one that was told before is ignored
        found.append((int(at_ms), encode_packet(track, told, data, utc_us)))
        if chance.random() < 0.02:
            found.append((int(at_ms), found[-1][1]))
        if chance.random() < 0.03:
            number = next(numbers[track])
            found.append((int(at_ms), encode_report(track, number, 3.9e9 + at_ms / 1000, round(at_ms * 48), utc_us)))
    return found


class Recording:
    """The tracks of one session, whose packets go the short way or, one by one, the long way."""

    def __init__(self, *, short: bool) -> None:
        numbers = count(1)
        self.intakes = {track: Intake(track, info, lambda: next(numbers)) for track, info in TRACKS.items()}
        self.known = dict(self.intakes) if short else {}
        for intake in self.intakes.values():
            intake.origin_utc_ms = ORIGIN_UTC_MS
        self.steps: list[tuple[Any, bytes, bytes]] = []

    def give(self, data: bytes, now_us: int) -> int:
        return straight.take(data, self.known, now_us, self._rest)

    def _rest(self, record: Record, now_us: int) -> None:
        intake = self.intakes[record.track]
        if record.kind is Kind.REPORT:
            ntp_s, stamp, utc_us = decode_report(record.body)
            intake.report(record.number, ntp_s, stamp, utc_us / 1000 - ORIGIN_UTC_MS)
        else:
            utc_us, packet = decode_packet(record.body)
            intake._packet(record.number, packet, utc_us / 1000 - ORIGIN_UTC_MS, utc_us // 1000, now_us)

    def drain(self) -> None:
        for intake in self.intakes.values():
            self.steps += [(step.line, step.header, step.data) for step in intake.drain()]

    def state(self) -> list[Any]:
        return [inside(intake) for intake in self.intakes.values()]


def inside(thing: Any) -> Any:
    """All that an object of ours holds, down to plain values."""
    if callable(thing):
        return None
    if isinstance(thing, list | tuple):
        return [inside(part) for part in thing]
    if isinstance(thing, dict):
        return {key: inside(part) for key, part in thing.items()}
    slots = {name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())} - {"__dict__"}
    held = {name: getattr(thing, name) for name in slots} | getattr(thing, "__dict__", {})
    return (type(thing).__name__, {name: inside(held[name]) for name in sorted(held)}) if held else thing


def same(recordings: list[Recording]) -> None:
    for recording in recordings:
        recording.drain()
    first, *others = recordings
    for other in others:
        assert other.steps == first.steps
        assert other.state() == first.state()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1 << 40))
def test_the_short_way_comes_to_the_same_as_the_long_way(seed: int) -> None:
    """Lines, bytes and everything that is remembered, with ticks, pauses and other codecs in between."""
    chance = random.Random(seed)
    records = feed(chance)
    recordings = [Recording(short=False), Recording(short=True)]
    while records:
        some, records = records[: (size := chance.choice((1, 7, 60)))], records[size:]
        now_us = some[-1][0] * 1000 + 5
        data = b"".join(record for _, record in some)
        assert [recording.give(data, now_us) for recording in recordings] == [len(data)] * 2
        luck, track = chance.random(), chance.choice(list(TRACKS))
        for recording in recordings:
            intake = recording.intakes[track]
            if luck < 0.3:
                intake.tick(now_us)
            elif luck < 0.33:
                intake.finish(now_us)  # a pause, or the end of the track
            elif luck < 0.35:
                intake.flush(now_us)
            elif luck < 0.37 and track != 1:
                intake.finish(now_us)
                intake.info = replace(intake.info, codec="vp8" if intake.info.codec == "h264" else "h264")
        same(recordings)
    for recording in recordings:
        for intake in recording.intakes.values():
            intake.tick(100_000_000)
            intake.finish(100_000_000)
    same(recordings)


@given(st.binary(max_size=12))
def test_where_vp8_begins(payload: bytes) -> None:
    found = read_vp8(payload) if payload else None
    assert vp8_data_offset(payload) == (0 if found is None else found.data_offset)


RECORDS = [encode_packet(1, 1, b"\x80\x6f" + bytes(30), 99), encode_packet(9, 1, b"", 5), encode(Kind.ACK, 1, 2, b"x"),
           encode(Kind.PACKET, 1, 7, b"short"), encode(Kind.WELCOME, 0, 0, b"{}")]  # fmt: skip


@settings(max_examples=300)
@given(st.lists(st.sampled_from(RECORDS) | st.binary(max_size=30), max_size=6), st.integers(0, 40))
def test_the_stream_is_cut_the_same_whatever_it_holds(pieces: list[bytes], short: int) -> None:
    """Both find the same records and stop at the same byte, or at the same fault."""
    data = b"".join(pieces)
    data = data[: len(data) - short]
    outcomes = []
    for take in (straight.take, straight._python):
        rest: list[Any] = []
        intake = Recording(short=True).intakes[1]
        try:
            end: Any = take(data, {1: intake}, 5, lambda record, now_us, rest=rest: rest.append((record, now_us)))  # type: ignore[misc]
        except FeedFault as fault:
            end = str(fault)
        outcomes.append((end, rest, intake.highest))
    assert outcomes[0] == outcomes[1]


def test_a_fault_of_those_it_calls_ends_the_loop() -> None:
    """What came before is taken, and nothing behind."""
    recording = Recording(short=True)

    def refuse(record: Record, now_us: int) -> None:
        raise FeedFault("no")

    sound = [rtp.build(payload_type=111, sequence_number=n, timestamp=960 * n, ssrc=1, payload=b"\x78") for n in (1, 2)]
    data = [encode_packet(1, n, bytes(packet), ORIGIN_UTC_MS * 1000) for n, packet in enumerate(sound, 1)]
    with pytest.raises(FeedFault, match="no"):
        straight.take(data[0] + RECORDS[4] + data[1], recording.known, 5, refuse)
    assert recording.intakes[1].highest == 1


SIZES = (0, 1, 122, 123, 124, 126, 16_377, 16_378, 16_379, 16_380, 2_097_146, 2_097_147)
"""Around those where a block's length takes one byte more."""


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 300) | st.integers(0, 1 << 45),
    st.lists(st.tuples(st.integers(-1, 33_000), st.booleans(), st.sampled_from(SIZES[:8])), max_size=6),
)
def test_a_cluster_has_the_same_bytes(start_ms: int, blocks: list[tuple[int, bool, int]]) -> None:
    made = [Block(start_ms + at_ms, key, bytes(size)) for at_ms, key, size in blocks]
    outcomes = []
    for cluster in (webm.cluster, webm._python):
        try:
            outcomes.append(cluster(start_ms, made))
        except ValueError as error:
            outcomes.append(str(error).encode())
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("size", SIZES)
def test_a_cluster_of_one_block_has_the_same_bytes(size: int) -> None:
    made = [Block(7, True, bytes(size))]
    assert webm.cluster(7, made) == webm._python(7, made)


def told_both_ways(payloads: list[tuple[int, bytes]]) -> list[Any]:
    """What an intake holds after sound that came at these ms, by the loop that is tested and by the reference."""
    found = []
    for take in (straight.take, straight._python):
        recording = Recording(short=True)
        for number, (at_ms, payload) in enumerate(payloads, 1):
            packet = bytes(
                rtp.build(payload_type=111, sequence_number=number, timestamp=at_ms * 48, ssrc=1, payload=payload)
            )
            record = encode_packet(1, number, packet, (ORIGIN_UTC_MS + at_ms) * 1000)
            take(record, recording.known, 5, recording._rest)
        found.append((inside(recording.intakes[1]), [step.line for step in recording.intakes[1].drain()]))
    return found


@pytest.mark.parametrize("second", [b"", b"\x01", b"\x30", b"\xff"])
def test_sound_lasts_as_long_in_a_part(second: bytes) -> None:
    for first in range(256):
        ours, theirs = told_both_ways([(0, b"\x78"), (20, bytes([first]) + second)])
        assert ours == theirs, first


@pytest.mark.parametrize("step_ms", [0, 1, 20, 499, 500, 501, 999, 1_000, 1_001])
def test_frames_at_the_bounds_of_parts_and_gaps(step_ms: int) -> None:
    """A sound that does not say how long it is lasts as long as the step before it."""
    for count_more in (0, 1):
        ours, theirs = told_both_ways([(0, b"\x78"), (step_ms, b"\x03"), *[(step_ms + 20, b"\x03")] * count_more])
        assert ours == theirs
