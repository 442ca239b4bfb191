# SPDX-License-Identifier: Apache-2.0
"""Packets get their receiver's numbers and nothing else changes."""

from __future__ import annotations

from mediaserver.rtp import packet as rtp
from mediaserver.rtp.renumber import renumber


def packet(elements: list[tuple[int, bytes]], *, payload_type: int = 101, payload: bytes = b"picture") -> bytearray:
    return rtp.build(
        payload_type=payload_type,
        sequence_number=7,
        timestamp=9,
        ssrc=72,
        payload=payload,
        marker=True,
        extension_block=rtp.build_extensions(elements),
    )


def elements(data: bytearray) -> list[tuple[int, bytes]]:
    header = rtp.read_header(data)
    assert header is not None
    return [(n, bytes(data[at : at + length])) for n, at, length in rtp.extensions(data, header)]


def test_payload_type_and_extensions_are_changed() -> None:
    data = packet([(1, b"ab"), (5, b"\x01\x02"), (6, b"\x33")])
    before = bytes(data)
    assert renumber(data, {101: 96}, {1: 4, 6: 14}, {})
    header = rtp.read_header(data)
    assert header is not None
    assert (header.payload_type, header.marker, header.ssrc, len(data)) == (96, True, 72, len(before))
    assert elements(data) == [(4, b"ab"), (14, b"\x33")], "what is not known there becomes padding"
    assert data[header.payload_offset :] == b"picture"


def test_the_two_byte_form_keeps_its_form_and_large_ids_do_not_fit_the_other() -> None:
    wide = packet([(1, b"a" * 20), (5, b"")])
    assert renumber(wide, {101: 96}, {1: 200}, {})
    assert elements(wide) == [(200, b"a" * 20)]
    narrow = packet([(1, b"a")])
    assert renumber(narrow, {101: 96}, {1: 15}, {})
    assert elements(narrow) == []


def test_repair_becomes_the_packet_that_was_lost() -> None:
    data = packet([(1, b"a")], payload_type=102, payload=(4711).to_bytes(2) + b"picture")
    assert renumber(data, {101: 96}, {1: 4}, {102: (96, 71)})
    header = rtp.read_header(data)
    assert header is not None
    assert (header.payload_type, header.sequence_number, header.ssrc, header.timestamp) == (96, 4711, 71, 9)
    assert (data[header.payload_offset :], header.marker) == (b"picture", True)


def test_what_has_no_number_there_is_not_sent() -> None:
    assert not renumber(packet([], payload_type=55), {101: 96}, {}, {})
    assert not renumber(packet([], payload_type=102, payload=b"\0\1"), {101: 96}, {}, {102: (96, 71)}), "a probe"
    assert not renumber(bytearray(b"\x80\x60"), {101: 96}, {}, {})
