# SPDX-License-Identifier: Apache-2.0
"""Frames come out whole and in order, whatever order and loss the packets had; holes are exact."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaserver.recording.frames import MAX_WAITING, Frame, FrameAssembler, Hole
from mediaserver.rtp import packet as rtp
from tests.sim.call import vp8_payload


def sound(number: int, payload: bytes = b"\x78\x01") -> bytes:
    return bytes(rtp.build(payload_type=111, sequence_number=number, timestamp=number * 960, ssrc=1, payload=payload))


def picture(number: int, frame: int, *, start: bool, end: bool, key: bool = False) -> bytes:
    payload = vp8_payload(frame, key=key, start=start, size=10)
    return bytes(
        rtp.build(payload_type=96, sequence_number=number, timestamp=frame * 3000, ssrc=1, payload=payload, marker=end)
    )


@given(st.integers(0, 65_535), st.integers(0, 10_000), st.sets(st.integers(1, 58), max_size=20))
def test_sound_through_wrap_around_disorder_and_loss(first: int, seed: int, lost: set[int]) -> None:
    """Whatever is lost is named exactly; everything else comes out once and in order."""
    numbers = [first + index for index in range(60) if index not in lost]
    shuffled = numbers[:1] + random.Random(seed).sample(numbers[1:], len(numbers) - 1)
    assembler = FrameAssembler("opus")
    for number in [*shuffled, *shuffled[:5]]:
        assembler.add(sound(number), 0)
    out = assembler.take(0, everything=True)
    frames = [item for item in out if isinstance(item, Frame)]
    holes = [item for item in out if isinstance(item, Hole)]
    assert [frame.last_sequence - 0x10000 for frame in frames] == numbers
    assert {n for hole in holes for n in range(hole.first, hole.last + 1)} == {first + 0x10000 + n for n in lost}
    assert all(frame.duration_us == 20_000 for frame in frames)
    times = [frame.rtp_time for frame in frames]
    assert times == sorted(times)


def test_a_gap_is_waited_for_and_then_given_up() -> None:
    assembler = FrameAssembler("opus", wait_us=1_000)
    assembler.add(sound(1), 0)
    assembler.add(sound(3), 100)
    assert [type(item) for item in assembler.take(500)] == [Frame]
    assembler.add(sound(2), 900)  # repaired in time
    assert [type(item) for item in assembler.take(950)] == [Frame, Frame]
    assembler.add(sound(6), 1_000)
    assert assembler.take(1_999) == []
    assert [type(item) for item in assembler.take(2_000)] == [Hole, Frame]
    assembler.add(sound(5), 2_100)
    assert assembler.take(9_000) == []
    assert assembler.late == 1


def test_what_waits_is_bounded() -> None:
    assembler = FrameAssembler("opus")
    assembler.add(sound(0), 0)
    for number in range(2, MAX_WAITING + 2):
        assembler.add(sound(number), 0)
    assert len(assembler.take(0)) == MAX_WAITING + 2  # the first, one hole, the rest


@pytest.mark.parametrize(
    ("lost", "frames"), [(set(), [1, 2, 3]), ({4}, [1, 3]), ({3}, [1, 3]), ({5}, [1, 3]), ({2, 3}, [3])]
)
def test_a_picture_with_a_hole_is_left_out(lost: set[int], frames: list[int]) -> None:
    """Three frames of three, three and two packets, numbered from 0."""
    packets = [
        (0, 1, 1, 0),
        (1, 1, 0, 0),
        (2, 1, 0, 1),
        (3, 2, 1, 0),
        (4, 2, 0, 0),
        (5, 2, 0, 1),
        (6, 3, 1, 0),
        (7, 3, 0, 1),
    ]
    assembler = FrameAssembler("vp8")
    for number, frame, start, end in packets:
        if number not in lost:
            data = picture(number + 65_530, frame, start=bool(start), end=bool(end), key=frame == 1)
            assembler.add(data, 0)
    out = [item for item in assembler.take(0, everything=True) if isinstance(item, Frame)]
    assert [(frame.rtp_time - (1 << 32)) // 3000 for frame in out] == frames
    assert [frame.keyframe for frame in out] == [frame == 1 for frame in frames]


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_no_bytes_make_it_raise(packets: list[bytes]) -> None:
    assembler = FrameAssembler("vp8")
    for data in packets:
        assembler.add(b"\x80" + data, 0)
    assembler.take(0, everything=True)
