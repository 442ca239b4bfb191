# SPDX-License-Identifier: Apache-2.0
"""RTP headers and extensions: golden bytes, broken bytes, and round trips."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaserver.rtp import packet as rtp
from mediaserver.rtp.payload import opus_duration_us, read_vp8, vp8_size
from mediaserver.rtp.seqnum import unwrap16, unwrap32

GOLDEN = bytes.fromhex("90e0fffe00010203000004d2bede0002412a3131beef0000aabbcc")
"""Marker, type 96, sequence 65534, one-byte extensions id 4 = 2a.. and id 3 = beef, three bytes of payload."""


def test_a_golden_packet() -> None:
    header = rtp.read_header(GOLDEN)
    assert header is not None
    assert (header.marker, header.payload_type, header.sequence_number) == (True, 96, 65534)
    assert (header.timestamp, header.ssrc) == (0x00010203, 1234)
    assert GOLDEN[header.payload_offset : header.payload_end] == bytes.fromhex("aabbcc")
    found = {number: GOLDEN[at : at + length] for number, at, length in rtp.extensions(GOLDEN, header)}
    assert found == {4: b"\x2a\x31", 3: b"\xbe\xef"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        GOLDEN[:11],
        b"\x40" + GOLDEN[1:],  # version 1
        GOLDEN[:14],  # the extension's head is cut
        b"\x8f" + GOLDEN[1:20],  # fifteen CSRCs that are not there
        b"\xa0" + GOLDEN[1:12] + b"\x05",  # more padding than packet
        b"\xa0" + GOLDEN[1:12] + b"\x00",  # padding of nothing
    ],
)
def test_broken_headers_are_none(data: bytes) -> None:
    assert rtp.read_header(data) is None


@given(st.binary(max_size=80))
def test_no_bytes_make_a_parser_raise(data: bytes) -> None:
    header = rtp.read_header(data)
    if header is not None:
        assert 12 <= header.payload_offset <= header.payload_end <= len(data)
        for _, at, length in rtp.extensions(data, header):
            assert header.extension_offset <= at <= at + length <= header.extension_end
    read_vp8(data)
    vp8_size(data)
    opus_duration_us(data)


ELEMENTS = st.lists(st.tuples(st.integers(1, 14), st.binary(min_size=1, max_size=40)), max_size=5)


@given(ELEMENTS, st.binary(max_size=30), st.integers(0, 65535), st.integers(0, 0xFFFFFFFF))
def test_what_is_built_is_read_again(
    elements: list[tuple[int, bytes]], payload: bytes, sequence: int, timestamp: int
) -> None:
    packet = rtp.build(
        payload_type=111,
        sequence_number=sequence,
        timestamp=timestamp,
        ssrc=7,
        payload=payload,
        marker=True,
        extension_block=rtp.build_extensions(elements),
    )
    rtp.rewrite(packet, payload_type=100, sequence_number=sequence + 1, timestamp=timestamp, ssrc=9)
    header = rtp.read_header(packet)
    assert header is not None
    assert (header.marker, header.payload_type, header.ssrc) == (True, 100, 9)
    assert header.sequence_number == (sequence + 1) & 0xFFFF
    assert bytes(packet[header.payload_offset : header.payload_end]) == payload
    assert [(n, bytes(packet[at : at + size])) for n, at, size in rtp.extensions(packet, header)] == elements


@pytest.mark.parametrize(
    ("value", "reference", "expected"),
    [
        (0, 65535, 65536),
        (65535, 65536, 65535),
        (5, 65541, 65541),
        (32768, 0, -32768),
        (10, 3 * 65536 + 9, 3 * 65536 + 10),
    ],
)
def test_sequence_numbers_unwrap_to_the_nearest(value: int, reference: int, expected: int) -> None:
    assert unwrap16(value, reference) == expected


def test_timestamps_unwrap() -> None:
    assert unwrap32(5, 0xFFFFFFFF) == 0x100000005
    assert unwrap32(0xFFFFFFFF, 0x100000005) == 0xFFFFFFFF


@pytest.mark.parametrize(
    ("payload", "start", "key", "picture"),
    [
        (b"\x10\x00\x00\x00", True, True, None),
        (b"\x10\x01", True, False, None),
        (b"\x00\x00", False, False, None),
        (b"\x90\x80\x85\x11\x00", True, True, 0x0511),
        (b"\x90\x80\x05\x01", True, False, 5),
        (b"\x90\xe0\x80\x07\x33\x40\x00", True, True, 7),
        (b"\x11\x00", False, False, None),
    ],
)
def test_vp8_descriptors(payload: bytes, start: bool, key: bool, picture: int | None) -> None:
    found = read_vp8(payload)
    assert found is not None
    assert (found.frame_start, found.keyframe, found.picture_id) == (start, key, picture)


@pytest.mark.parametrize("payload", [b"", b"\x80", b"\x90\x80", b"\x90\x80\x80", b"\x90\xf0\x00\x00", b"\x10"])
def test_cut_vp8_descriptors_are_none(payload: bytes) -> None:
    assert read_vp8(payload) is None


@pytest.mark.parametrize(
    ("packet", "duration_us"),
    [
        (b"", 0),
        (b"\x78\x01", 20_000),
        (b"\x79\x01", 40_000),
        (b"\x7b\x03", 60_000),
        (b"\x18\x00", 60_000),
        (b"\xe0", 2_500),
    ],
)
def test_opus_durations(packet: bytes, duration_us: int) -> None:
    assert opus_duration_us(packet) == duration_us
