# SPDX-License-Identifier: Apache-2.0
"""The packetizer against a decoder: what it makes of an encoder's byte stream is the same stream for a receiver."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediaserver.cameras.h264 import MAX_PARAMETER_SETS, Packetizer, Pieces, fragments, read_sps, split_units
from mediaserver.cameras.streams import OutgoingStream
from mediaserver.rtp.h264 import STAP_A, read_h264
from tests.mediaserver.cameras.viewer import START, access_units, decoded

FIRST_SEQUENCE_NUMBER = 65_500


def encoded(profile: str, *, pictures: int = 30, width: int = 322, height: int = 182) -> list[bytes]:
    """Access units of an encoder: a key frame every ten pictures, noise enough for many packets."""
    encoder: Any = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = width, height, "yuv420p", Fraction(1, 25)
    encoder.options = {
        "profile": profile,
        "tune": "zerolatency",
        "g": "10",
        "preset": "ultrafast",
        "x264-params": "aud=1:scenecut=0",
    }
    if profile == "high":
        encoder.options = {**encoder.options, "preset": "superfast"}
    noise = np.random.default_rng(7)
    units = []
    for number in range(pictures):
        image = noise.integers(0, 256, (height, width, 3), dtype=np.uint8)
        frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
        frame.pts = number
        units += [bytes(packet) for packet in encoder.encode(frame)]
    return units


def sent(units: list[bytes], packetizer: Packetizer) -> list[bytes]:
    """RTP packets of a stream whose sequence numbers wrap around soon."""
    stream = OutgoingStream("video", 1, FIRST_SEQUENCE_NUMBER, 0)
    packets = []
    for number, unit in enumerate(units):
        picture = packetizer.picture(unit)
        if picture is not None:
            packets += stream.send(picture.payloads, number / 25)
    return packets


@pytest.mark.parametrize("profile", ["baseline", "high"])
def test_a_decoder_sees_the_same_pictures(profile: str) -> None:
    units = encoded(profile)
    packetizer = Packetizer()
    seen = access_units(sent(units, packetizer))
    assert seen.missing == 0 and len(seen.units) == len(units)
    want, got = decoded(units), decoded(seen.units)
    assert len(got) == 30
    assert all(np.array_equal(a.to_ndarray(), b.to_ndarray()) for a, b in zip(want, got, strict=True))
    assert packetizer.facts is not None
    assert (packetizer.facts.width, packetizer.facts.height) == (322, 182)
    assert packetizer.facts.profile_level_id[:2] == {"baseline": "42", "high": "64"}[profile]


def test_parameter_sets_stand_before_every_key_frame_in_one_packet() -> None:
    units = encoded("high")
    bare = [START + b"".join(START + u for u in split_units(unit) if u[0] & 31 not in (7, 8)) for unit in units]
    packetizer = Packetizer()
    packetizer.learn(b"".join(START + u for u in split_units(units[0]) if u[0] & 31 in (7, 8)))
    for number, unit in enumerate(bare):
        picture = packetizer.picture(unit)
        assert picture is not None and picture.keyframe == (number % 10 == 0)
        first = read_h264(picture.payloads[0])
        assert first is not None
        assert (picture.payloads[0][0] & 31 == STAP_A and first.parameter_sets) == picture.keyframe
    assert len(decoded(access_units(sent(bare, packetizer)).units)) == 30


def test_nothing_comes_out_before_a_key_frame() -> None:
    units = encoded("baseline", pictures=25)
    packetizer = Packetizer()
    assert [packetizer.picture(unit) is None for unit in units[5:]] == [True] * 5 + [False] * 15
    packetizer.wait_for_keyframe()
    assert packetizer.picture(units[21]) is None


def test_a_key_frame_without_parameter_sets_is_no_beginning() -> None:
    units = encoded("baseline", pictures=1)
    bare = b"".join(START + u for u in split_units(units[0]) if u[0] & 31 not in (7, 8))
    assert Packetizer().picture(bare) is None


def test_another_size_begins_at_its_key_frame() -> None:
    packetizer = Packetizer()
    both = encoded("baseline", pictures=5) + encoded("high", pictures=5, width=160, height=96)
    assert len(access_units(sent(both, packetizer)).units) == 10
    assert packetizer.facts is not None and packetizer.facts.width == 160


def test_at_most_so_many_parameter_sets_are_kept() -> None:
    packetizer = Packetizer()
    unit = next(u for u in split_units(encoded("baseline", pictures=1)[0]) if u[0] & 31 == 8)
    # ids 0, 1, 2, … as Exp-Golomb codes at the start
    for number in range(MAX_PARAMETER_SETS + 3):
        code = bin(number + 1)[2:]
        bits = "0" * (len(code) - 1) + code
        body = int(bits.ljust(-(-len(bits) // 8) * 8, "1"), 2).to_bytes(-(-len(bits) // 8))
        packetizer.learn(START + bytes([0x68]) + body + unit[1:])
    assert len(packetizer._pps) == MAX_PARAMETER_SETS


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=6000), st.integers(100, 1160))
def test_fragments_are_small_even_and_whole(unit: bytes, most: int) -> None:
    parts = fragments(unit, most)
    assert max(map(len, parts)) <= most
    if len(parts) == 1:
        assert parts[0] == unit
        return
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert bytes([parts[0][0] & 0xE0 | parts[0][1] & 31]) + b"".join(part[2:] for part in parts) == unit
    assert [part[1] & 0xC0 for part in parts] == [0x80] + [0] * (len(parts) - 2) + [0x40]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=80), max_size=8))
def test_any_bytes_are_survived(pieces: list[bytes]) -> None:
    packetizer = Packetizer()
    packetizer.learn(START.join(pieces))
    packetizer.picture(START + START.join(pieces))
    for unit in split_units(START + START.join(pieces)):
        with contextlib.suppress(ValueError):
            read_sps(unit)


KEY, DELTA = START + b"\x67sets" + START + b"\x65key", START + b"\x41delta"


@pytest.mark.parametrize(
    ("came", "whole"),
    [
        # The first key frames wait for what follows.
        ([(KEY, 0.0)], []),
        ([(KEY, 0.0), (DELTA, 0.04), (KEY, 0.08)], [(KEY, 0.0), (DELTA, 0.04)]),
        # Two slices, three slices, each with its parameter sets.
        ([(KEY, 0.0), (KEY, 0.0), (DELTA, 0.04), (KEY, 0.08)], [(KEY + KEY, 0.0), (DELTA, 0.04)]),
        ([(KEY, 0.0), (KEY, 0.0), (KEY, 0.0), (KEY, 0.1), (DELTA, 0.2)], [(KEY * 3, 0.0), (KEY, 0.1), (DELTA, 0.2)]),
        # Three that came whole: no later one waits.
        ([(KEY, 0.0), (KEY, 0.1), (KEY, 0.2), (KEY, 0.3)], [(KEY, 0.0), (KEY, 0.1), (KEY, 0.2), (KEY, 0.3)]),
        # But where one comes in pieces in spite of that, all do from the next one on.
        (
            [(KEY, 0.1), (KEY, 0.2), (KEY, 0.3), (KEY, 0.4), (KEY, 0.4), (KEY, 0.5), (KEY, 0.5), (DELTA, 0.6)],
            [(KEY, 0.1), (KEY, 0.2), (KEY, 0.3), (KEY, 0.4), (KEY, 0.4), (KEY + KEY, 0.5), (DELTA, 0.6)],
        ),
        # Without times nothing is joined.
        ([(KEY, None), (KEY, None), (DELTA, None)], [(KEY, None), (KEY, None), (DELTA, None)]),
        ([(DELTA, 0.0), (DELTA, 0.04)], [(DELTA, 0.0), (DELTA, 0.04)]),
    ],
)
def test_a_key_frame_in_pieces_is_put_together(came: list[Any], whole: list[Any]) -> None:
    pieces = Pieces()
    found = [one for at_s, (data, camera_s) in enumerate(came) for one in pieces.take((data, camera_s, float(at_s)))]
    assert [(data, camera_s) for data, camera_s, _ in found] == whole
    arrived = [arrived_s for _, _, arrived_s in found]
    assert arrived == sorted(set(arrived)), "when its first piece came"
