# SPDX-License-Identifier: Apache-2.0
"""RTCP packets (RFC 3550 section 6, RFC 4585, RFC 5104, REMB): parse a compound, build what we send.

Parsing never raises: it gives what was whole and says whether the rest was malformed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from mediaserver.rtp import transport_feedback
from mediaserver.rtp.transport_feedback import TransportFeedback

SR, RR, SDES, BYE, APP, RTPFB, PSFB, XR = 200, 201, 202, 203, 204, 205, 206, 207
_NACK, _TWCC = 1, 15
_PLI, _FIR, _AFB = 1, 4, 15
_LONE_FEEDBACK, _LONE_FEEDBACK_BYTES, _PADDED = 0x80 | _TWCC, 20, 0x20
_MAX_COMPOUND = 64
"""Packets read from one compound; more is not a report, it is a flood."""


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """How one stream arrived (RFC 3550 section 6.4.1). Times are in 1/65536 s, jitter in clock ticks."""

    ssrc: int
    fraction_lost: int
    packets_lost: int
    highest_sequence: int
    jitter: int
    last_sr: int
    delay_since_last_sr: int


@dataclass(frozen=True, slots=True)
class SenderReport:
    """Pairs an NTP time with an RTP time stamp of `ssrc`."""

    ssrc: int
    ntp: int
    rtp_timestamp: int
    packets: int
    octets: int
    blocks: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """Report blocks of a receiver."""

    ssrc: int
    blocks: tuple[ReportBlock, ...]


@dataclass(frozen=True, slots=True)
class Nack:
    """Sequence numbers (16 bit) that `media_ssrc` is asked to send again (RFC 4585 section 6.2.1)."""

    sender_ssrc: int
    media_ssrc: int
    sequence_numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KeyframeRequest:
    """A PLI (RFC 4585 section 6.3.1) or FIR (RFC 5104 section 4.3.1) for `media_ssrc`."""

    media_ssrc: int


@dataclass(frozen=True, slots=True)
class Remb:
    """Receiver Estimated Maximum Bitrate, bits per second."""

    bitrate: int
    ssrcs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Bye:
    """These streams end."""

    ssrcs: tuple[int, ...]


Rtcp = SenderReport | ReceiverReport | Nack | KeyframeRequest | Remb | Bye | TransportFeedback

_HEAD = struct.Struct("!BBH")
_BLOCK = struct.Struct("!IIIIII")
_SENDER = struct.Struct("!IQIII")


def can_wait(data: bytes | bytearray | memoryview) -> bool:
    """True for a compound of nothing but reports (SR, RR, SDES, XR, transport-wide feedback), which some milliseconds
    do not harm; False for one that asks for something, and for malformed bytes."""
    at, size = 0, len(data)
    while at + 4 <= size:
        kind = data[at + 1]
        if not (SR <= kind <= SDES or (kind == RTPFB and data[at] & 31 == _TWCC) or kind == XR):
            return False
        at += 4 + (data[at + 2] << 8 | data[at + 3]) * 4
    return at == size


def parse(data: bytes | bytearray | memoryview) -> tuple[list[Rtcp], bool]:
    """(packets understood, True when everything was well formed). Kinds we do not use are passed over."""
    size = len(data)
    if size >= _LONE_FEEDBACK_BYTES and data[0] & ~_PADDED == _LONE_FEEDBACK and data[1] == RTPFB:
        padded = data[0] & _PADDED
        padding = data[-1] if padded else 0
        whole = 4 + (data[2] << 8 | data[3]) * 4 == size and padding <= size - _LONE_FEEDBACK_BYTES
        if whole and (padding or not padded):
            # And nothing else: most of what receivers send.
            feedback = transport_feedback.read(bytes(data[4 : size - padding]))
            return ([], False) if feedback is None else ([feedback], True)
    found: list[Rtcp] = []
    at = 0
    for _ in range(_MAX_COMPOUND):
        if at == size:
            return found, True
        if at + 4 > size:
            return found, False
        first, kind, words = _HEAD.unpack_from(data, at)
        end = at + 4 + words * 4
        if first >> 6 != 2 or end > size:
            return found, False
        body_end = end
        if first & 0x20:
            padding = data[end - 1] if end > at + 4 else 0
            if padding == 0 or padding > end - at - 4:
                return found, False
            body_end = end - padding
        if not _parse_one(bytes(data[at + 4 : body_end]), kind, first & 31, found):
            return found, False
        at = end
    return found, False


def _parse_one(body: bytes, kind: int, count: int, found: list[Rtcp]) -> bool:
    if kind == SR:
        return _parse_sr(body, count, found)
    if kind == RR:
        if len(body) < 4 + 24 * count:
            return False
        found.append(ReceiverReport(int.from_bytes(body[:4]), _blocks(body, 4, count)))
    elif kind == BYE:
        if len(body) < 4 * count:
            return False
        found.append(Bye(struct.unpack_from(f"!{count}I", body)))
    elif kind == RTPFB and count == _NACK:
        return _parse_nack(body, found)
    elif kind == RTPFB and count == _TWCC:
        feedback = transport_feedback.read(body)
        if feedback is None:
            return False
        found.append(feedback)
    elif kind == PSFB:
        return _parse_psfb(body, count, found)
    return True


def _parse_sr(body: bytes, count: int, found: list[Rtcp]) -> bool:
    if len(body) < 24 + 24 * count:
        return False
    ssrc, ntp, rtp_timestamp, packets, octets = _SENDER.unpack_from(body)
    found.append(SenderReport(ssrc, ntp, rtp_timestamp, packets, octets, _blocks(body, 24, count)))
    return True


def _blocks(body: bytes, at: int, count: int) -> tuple[ReportBlock, ...]:
    blocks = []
    for index in range(count):
        ssrc, loss, highest, jitter, last_sr, delay = _BLOCK.unpack_from(body, at + 24 * index)
        lost = loss & 0xFFFFFF
        blocks.append(
            ReportBlock(ssrc, loss >> 24, lost - (1 << 24) if lost >> 23 else lost, highest, jitter, last_sr, delay)
        )
    return tuple(blocks)


def _parse_nack(body: bytes, found: list[Rtcp]) -> bool:
    if len(body) < 12 or len(body) % 4:
        return False
    sender, media = struct.unpack_from("!II", body)
    numbers = []
    for at in range(8, len(body), 4):
        first, mask = struct.unpack_from("!HH", body, at)
        numbers.append(first)
        numbers += [(first + bit + 1) & 0xFFFF for bit in range(16) if mask >> bit & 1]
    found.append(Nack(sender, media, tuple(numbers)))
    return True


def _parse_psfb(body: bytes, count: int, found: list[Rtcp]) -> bool:
    if len(body) < 8:
        return False
    media = int.from_bytes(body[4:8])
    if count == _PLI:
        found.append(KeyframeRequest(media))
    elif count == _FIR:
        if (len(body) - 8) % 8:
            return False
        found.extend(KeyframeRequest(int.from_bytes(body[at : at + 4])) for at in range(8, len(body), 8))
    elif count == _AFB and body[8:12] == b"REMB":
        if len(body) < 16 or len(body) < 16 + 4 * body[12]:
            return False
        exponent_mantissa = int.from_bytes(body[13:16])
        bitrate = (exponent_mantissa & 0x3FFFF) << (exponent_mantissa >> 18)
        found.append(Remb(bitrate, struct.unpack_from(f"!{body[12]}I", body, 16)))
    return True


def _packet(kind: int, count: int, body: bytes) -> bytes:
    return _HEAD.pack(0x80 | count, kind, len(body) // 4) + body


def _pack_blocks(blocks: Iterable[ReportBlock]) -> bytes:
    return b"".join(
        _BLOCK.pack(
            block.ssrc,
            block.fraction_lost << 24 | block.packets_lost & 0xFFFFFF,
            block.highest_sequence & 0xFFFFFFFF,
            block.jitter & 0xFFFFFFFF,
            block.last_sr,
            block.delay_since_last_sr & 0xFFFFFFFF,
        )
        for block in blocks
    )


def build_sender_report(report: SenderReport) -> bytes:
    """An SR; at most 31 blocks."""
    body = _SENDER.pack(
        report.ssrc,
        report.ntp,
        report.rtp_timestamp & 0xFFFFFFFF,
        report.packets & 0xFFFFFFFF,
        report.octets & 0xFFFFFFFF,
    )
    return _packet(SR, len(report.blocks), body + _pack_blocks(report.blocks))


def build_receiver_report(ssrc: int, blocks: list[ReportBlock]) -> bytes:
    """As many RRs as the blocks need, 31 in each (RFC 3550 section 6.4.2)."""
    groups = [blocks[at : at + 31] for at in range(0, len(blocks), 31)] or [[]]
    return b"".join(_packet(RR, len(group), struct.pack("!I", ssrc) + _pack_blocks(group)) for group in groups)


def build_sdes(ssrc: int, cname: str) -> bytes:
    """An SDES with the CNAME that every compound must carry (RFC 3550 section 6.5.1)."""
    name = cname.encode()[:255]
    chunk = struct.pack("!IBB", ssrc, 1, len(name)) + name + b"\0"
    return _packet(SDES, 1, chunk + bytes(-len(chunk) % 4))


def build_nack(sender_ssrc: int, media_ssrc: int, sequence_numbers: list[int]) -> bytes:
    """A generic NACK; numbers (16 bit) in rising order are packed 17 to an entry."""
    body = bytearray(struct.pack("!II", sender_ssrc, media_ssrc))
    index = 0
    while index < len(sequence_numbers):
        first, mask = sequence_numbers[index], 0
        index += 1
        while index < len(sequence_numbers) and 0 < (step := sequence_numbers[index] - first & 0xFFFF) <= 16:
            mask |= 1 << step - 1
            index += 1
        body += struct.pack("!HH", first, mask)
    return _packet(RTPFB, _NACK, bytes(body))


def build_pli(sender_ssrc: int, media_ssrc: int) -> bytes:
    """Ask `media_ssrc` for a key frame."""
    return _packet(PSFB, _PLI, struct.pack("!II", sender_ssrc, media_ssrc))
