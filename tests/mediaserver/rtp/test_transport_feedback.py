# SPDX-License-Identifier: Apache-2.0
"""Feedback of receivers: what we write ourselves is read back, every form of chunk, and no bytes raise."""

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaserver.rtp import rtcp
from mediaserver.rtp.transport_feedback import MAX_STATUSES, TransportFeedback, read
from mediaserver.sfu.twcc import TwccReceiver


def body(base: int, total: int, chunks: list[int], deltas: bytes, reference: int = 5, count: int = 7) -> bytes:
    head = struct.pack("!IIHHI", 1, 2, base, total, reference << 8 | count)
    return head + b"".join(struct.pack("!H", chunk) for chunk in chunks) + deltas


def test_every_form_of_chunk_is_read() -> None:
    run = 1 << 13 | 3  # three small deltas
    one_bit = 0x8000 | 0b10100000000000  # received, not, received, 11 not
    two_bit = 0xC000 | 2 << 12 | 1 << 8  # large, not, small, 4 not
    data = body(65_534, 3 + 14 + 3, [run, one_bit, two_bit], bytes([4, 0, 8, 1, 1]) + struct.pack("!h", -9) + b"\x02")
    t = 5 * 256
    expected = (t + 4, t + 4, t + 12, t + 13, None, t + 14, *[None] * 11, t + 5, None, t + 7)
    assert read(data) == TransportFeedback(1, 2, 65_534, 7, expected)


def vectors(total: int, most: int, bits: int, head: int) -> list[int]:
    """The chunks of vectors of `most` symbols that say that each packet came within a small delta."""
    symbols = [[1] * min(most, total - at) for at in range(0, total, most)]
    return [head | sum(one << 14 - bits * (place + 1) for place, one in enumerate(each)) for each in symbols]


@pytest.mark.parametrize("total", [1, 6, 7, 8, 13, 14, 15, 28, 62, 63, 64, 65, 100])
def test_what_tells_of_nothing_missing_is_read_the_same_in_every_form(total: int) -> None:
    deltas = bytes((number * 7) % 256 for number in range(total))
    expected = tuple(itertools.accumulate(deltas, initial=5 * 256))[1:]
    for chunks in ([1 << 13 | total], vectors(total, 7, 2, 0xC000), vectors(total, 14, 1, 0x8000)):
        found = read(body(9, total, chunks, deltas))
        assert found is not None and found.arrivals == expected
        assert read(body(9, total, chunks, deltas[:-1])) is None, "a delta is missing"
        data = body(9, total, chunks, deltas)
        padding = -len(data) % 4 or 4
        padded = data + bytes(padding - 1) + bytes([padding])
        head = struct.pack("!BBH", 0xAF, 205, len(padded) // 4)
        assert rtcp.parse(head + padded) == ([found], True)
        assert rtcp.parse(head + padded[:-1] + b"\0") == ([], False), "padding of no bytes"
        assert rtcp.parse(head + padded[:-1] + b"\xff") == ([], False), "more padding than bytes"


def test_the_claimed_number_of_packets_is_bounded() -> None:
    def silent(total: int) -> bytes:
        return body(0, total, [total], b"")

    edge = read(silent(MAX_STATUSES))
    assert edge is not None
    assert edge.arrivals == (None,) * MAX_STATUSES
    assert read(silent(MAX_STATUSES + 1)) is None
    assert read(silent(0)) is None


def test_what_is_cut_short_or_reserved_is_refused() -> None:
    whole = body(1, 8, [2 << 13 | 8], bytes(16))
    assert read(whole) is not None
    assert all(read(whole[:size]) is None for size in range(len(whole)))
    assert read(body(1, 8, [3 << 13 | 8], bytes(16))) is None


@given(st.lists(st.tuples(st.integers(1, 40), st.floats(0, 0.5)), min_size=1, max_size=200), st.integers(0, 65_535))
def test_what_our_own_receiver_writes_is_read_back(steps: list[tuple[int, float]], first: int) -> None:
    receiver, number, now = TwccReceiver(), first, 50.0
    came: dict[int, int] = {}
    for step, pause in steps:
        number, now = number + step, now + pause
        receiver.arrived(number & 0xFFFF, now)
        came[number & 0xFFFF] = int(now * 4000)
    found, whole = rtcp.parse(b"".join(receiver.feedback(1, 2)))
    assert whole
    read_back = {}
    for feedback in found:
        assert isinstance(feedback, TransportFeedback)
        for index, arrival in enumerate(feedback.arrivals):
            if arrival is not None:
                read_back[feedback.base + index & 0xFFFF] = arrival
    assert read_back == came


def test_feedback_without_gaps_tells_all_that_came_and_nothing_of_what_did_not() -> None:
    with_gaps, without = TwccReceiver(), TwccReceiver()
    numbers = [65_530, 65_531, 65_534, 65_535, 65_536, 65_540, 65_900, 65_901]
    for receiver in (with_gaps, without):
        receiver.arrived(65_520, 49.9)
        receiver.feedback(1, 2)
        for index, number in enumerate(numbers):
            receiver.arrived(number & 0xFFFF, 50 + index / 100)
    loud, _ = rtcp.parse(b"".join(with_gaps.feedback(1, 2)))
    found, whole = rtcp.parse(b"".join(without.feedback(1, 2, gaps=False)))
    assert whole
    told: list[tuple[int, int]] = []
    for feedback in found:
        assert isinstance(feedback, TransportFeedback) and None not in feedback.arrivals
        told += [(feedback.base + at & 0xFFFF, ticks or 0) for at, ticks in enumerate(feedback.arrivals)]
    assert told == [(number & 0xFFFF, int((50 + at / 100) * 4000)) for at, number in enumerate(numbers)]
    assert any(None in feedback.arrivals for feedback in loud if isinstance(feedback, TransportFeedback))
    assert (without.came, without.expected) == (with_gaps.came, with_gaps.expected), "the link is known all the same"


@given(st.binary(max_size=200))
def test_no_bytes_raise(data: bytes) -> None:
    found = read(data)
    assert found is None or len(found.arrivals) <= MAX_STATUSES
