# SPDX-License-Identifier: Apache-2.0
"""RTCP: what we build is what we read, broken compounds give their whole part and never raise."""

from __future__ import annotations

import struct

import pytest
from aiortc.rtp import RtcpPacket
from hypothesis import given
from hypothesis import strategies as st

from mediaserver.rtp import rtcp

BLOCK = rtcp.ReportBlock(5, 3, -2, 70_000, 9, 0x11223344, 65_536)


def test_reports_survive_the_round_trip() -> None:
    report = rtcp.SenderReport(7, 0xE5A1_0000_8000_0000, 123_456, 10, 2_000, (BLOCK,))
    data = rtcp.build_sender_report(report) + rtcp.build_sdes(7, "peer")
    assert rtcp.parse(data) == ([report], True)
    assert rtcp.parse(rtcp.build_receiver_report(1, [BLOCK])) == ([rtcp.ReceiverReport(1, (BLOCK,))], True)


def test_more_than_31_blocks_make_two_reports() -> None:
    found, whole = rtcp.parse(rtcp.build_receiver_report(1, [BLOCK] * 40))
    assert whole
    assert [len(report.blocks) for report in found if isinstance(report, rtcp.ReceiverReport)] == [31, 9]


def test_an_independent_library_reads_what_we_build() -> None:
    compound = rtcp.build_receiver_report(1, [BLOCK]) + rtcp.build_sdes(1, "videohome") + rtcp.build_pli(1, 2)
    compound += rtcp.build_nack(1, 2, [65_534, 65_535, 0, 40])
    report, sdes, pli, nack = RtcpPacket.parse(compound)
    assert report.reports[0].packets_lost == -2
    assert sdes.chunks[0].items == [(1, b"videohome")]
    assert (pli.fmt, pli.media_ssrc) == (1, 2)
    assert [number & 0xFFFF for number in nack.lost] == [65_534, 65_535, 0, 40]


@given(st.sets(st.integers(0, 65_535), min_size=1, max_size=60))
def test_nacks_name_exactly_the_numbers(numbers: set[int]) -> None:
    (found,), whole = rtcp.parse(rtcp.build_nack(1, 2, sorted(numbers)))
    assert whole
    assert isinstance(found, rtcp.Nack)
    assert set(found.sequence_numbers) == numbers


def test_remb_and_fir() -> None:
    remb = struct.pack("!BBHII4sBBHI", 0x8F, 206, 5, 1, 0, b"REMB", 1, 10 << 2 | 1, 0x0001, 99)
    fir = struct.pack("!BBHIIIB3x", 0x84, 206, 4, 1, 0, 77, 1)
    found, whole = rtcp.parse(remb + fir)
    assert whole
    assert found == [rtcp.Remb((0x10001) << 10, (99,)), rtcp.KeyframeRequest(77)]


@pytest.mark.parametrize(
    "data",
    [
        b"\x80",
        b"\x80\xc9\x00\x05\x00\x00\x00\x01",
        b"\x40\xc9\x00\x01\x00\x00\x00\x01",
        b"\xa0\xc9\x00\x01\x00\x00\x00\x00",
        b"\x82\xc9\x00\x01\x00\x00\x00\x01",
        b"\x81\xcd\x00\x02\x00\x00\x00\x01\x00\x00\x00\x02",
    ],
)
def test_broken_compounds_are_said_to_be(data: bytes) -> None:
    assert rtcp.parse(rtcp.build_pli(1, 2) + data) == ([rtcp.KeyframeRequest(2)], False)


@given(st.binary(max_size=120))
def test_no_bytes_make_the_parser_raise(data: bytes) -> None:
    rtcp.parse(data)
    rtcp.parse(b"\x81\xce" + (len(data) // 4).to_bytes(2) + data)


@given(st.integers(0, 255), st.integers(0, 20), st.integers(0, 70), st.binary(max_size=80), st.integers(-1, 1))
def test_feedback_alone_is_read_as_feedback_in_a_compound(
    chunk: int, base: int, total: int, rest: bytes, away: int
) -> None:
    body = struct.pack("!IIHHIBB", 1, 2, base, total, 5 << 8, chunk, 0xFF) + rest
    body += bytes(-len(body) % 4)
    lone = b"\x8f\xcd" + (len(body) // 4 + away).to_bytes(2) + body
    sdes = rtcp.build_sdes(1, "a")
    found, whole = rtcp.parse(sdes + lone)
    assert rtcp.parse(lone) == (found, whole) and rtcp.parse(bytearray(lone)) == (found, whole)
    if away == 0:
        assert rtcp.parse(lone + sdes) == (found, whole)


def test_only_reports_can_wait_for_the_next_tick() -> None:
    reports = rtcp.build_receiver_report(1, []) + rtcp.build_sdes(1, "a")
    feedback = b"\x8f\xcd\x00\x05" + bytes(20)
    assert rtcp.can_wait(reports) and rtcp.can_wait(feedback) and rtcp.can_wait(reports + feedback)
    for urgent in (rtcp.build_nack(1, 2, [3]), rtcp.build_pli(1, 2), b"\x80\xcb\x00\x00"):
        assert not rtcp.can_wait(urgent)
        assert not rtcp.can_wait(reports + urgent)
    assert not rtcp.can_wait(reports[:-1]) and not rtcp.can_wait(reports + b"\x80")
