# SPDX-License-Identifier: Apache-2.0
"""The feed: records survive any cutting of the stream; what was not acknowledged comes again, what fell out is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaserver.recording.feed import (
    FeedFault,
    Kind,
    RecordReader,
    SessionOrder,
    SessionRef,
    decode_overflow,
    decode_packet,
    decode_report,
    encode_json,
    encode_packet,
    encode_report,
    parse_session,
    session_json,
)
from mediaserver.recording.ring import KEEP_US, FeedRing


def packet(sequence: int, size: int = 100) -> bytes:
    return b"\x80\x60" + sequence.to_bytes(2) + bytes(size - 4)


def fill(ring: FeedRing, track: int, numbers: range, *, step_us: int = 20_000, size: int = 100) -> None:
    for index in numbers:
        data = encode_packet(track, ring.next_number(track), packet(index & 0xFFFF, size), index * step_us)
        ring.append(track, data, index * step_us, index & 0xFFFF)


def drain(ring: FeedRing) -> list[tuple[Kind, int]]:
    reader, found = RecordReader(), []
    while data := ring.take(1 << 20):
        found += [(record.kind, record.number) for record in reader.feed(data)]
    return found


@given(st.lists(st.binary(max_size=50), max_size=8), st.integers(1, 30))
def test_records_come_whole_however_the_stream_is_cut(bodies: list[bytes], piece: int) -> None:
    stream = b"".join(encode_packet(3, n, body, n) for n, body in enumerate(bodies))
    reader, found = RecordReader(), []
    for at in range(0, len(stream), piece):
        found += reader.feed(stream[at : at + piece])
    assert [(r.track, r.number, decode_packet(r.body)) for r in found] == [
        (3, n, (n, body)) for n, body in enumerate(bodies)
    ]


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_raise_anything_but_its_fault(data: bytes) -> None:
    try:
        for record in RecordReader().feed(data):
            record.json()
    except FeedFault:
        pass


def test_bodies_survive_the_round_trip() -> None:
    reference = SessionRef("c", "s", "r")
    assert parse_session({"session": session_json(reference)}["session"]) == reference
    (record,) = RecordReader().feed(encode_report(1, 2, 3.5, 4, 5))
    assert decode_report(record.body) == (3.5, 4, 5)
    (record,) = RecordReader().feed(encode_json(Kind.EVENT, 0, 1, {"类型": "consent"}))
    assert record.json() == {"类型": "consent"}
    assert SessionOrder(reference, "on", 1, 2).reason == ""


def test_a_new_reader_gets_what_was_not_acknowledged() -> None:
    ring = FeedRing()
    ring.add_track(1)
    fill(ring, 1, range(100))
    ring.connect({})
    first = drain(ring)
    assert len(first) == 100
    ring.acknowledge(1, first[59][1])
    ring.disconnect()
    fill(ring, 1, range(100, 110))
    ring.connect({1: first[59][1]})
    assert [number for _, number in drain(ring)] == list(range(first[59][1] + 1, first[59][1] + 51))


def test_the_servers_clock_empties_no_memory() -> None:
    """Rooms that began before and after it was set an hour on; age is counted on a clock that nobody sets."""
    ring = FeedRing()
    for track, began_us in ((1, 0), (2, 3_600_000_000)):
        ring.add_track(track)
        for index in range(10):
            ring.append(track, b"record", began_us + index * 1_000_000, index)
    ring.expire(77)
    ring.expire(77 + KEEP_US - 9_000_000)
    assert ring.kept_bytes == 120 and ring.overflowed_packets == 0
    ring.append(2, b"record", 3_610_000_000, 10)
    ring.expire(77 + KEEP_US - 9_000_000 + 1)
    assert (ring.kept_bytes, ring.overflowed_packets) == (120, 1), "the oldest of the track that got nothing more"
    ring.expire(77 + KEEP_US + 1)
    assert ring.kept_bytes == 42, "of the first track nothing"


@pytest.mark.parametrize(("keep_us", "keep_bytes"), [(1_000_000, 1 << 30), (1 << 60, 5_000)])
def test_what_falls_out_of_memory_is_counted_and_told(keep_us: int, keep_bytes: int) -> None:
    ring = FeedRing(keep_us=keep_us, keep_bytes=keep_bytes)
    ring.add_track(1)
    fill(ring, 1, range(65_500, 65_700))
    assert ring.kept_bytes <= max(keep_bytes, 0) if keep_bytes < 1 << 30 else ring.kept_bytes > 0
    lost = ring.overflowed_packets
    assert lost > 0
    ring.connect({})
    reader, records = RecordReader(), []
    while data := ring.take(1 << 20):
        records += reader.feed(data)
    told = [decode_overflow(record) for record in records if record.kind is Kind.OVERFLOW]
    kept = [record for record in records if record.kind is Kind.PACKET]
    assert len(told) == 1
    assert told[0].packets == lost == 200 - len(kept)
