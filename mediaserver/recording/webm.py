# SPDX-License-Identifier: Apache-2.0
"""WebM bytes of one track: a header, then clusters of whole frames; Matroska where the codec is H264. PURE.

Matroska (RFC 9559) over EBML (RFC 8794), in the part of it that WebM allows. Every cluster has a known size and
absolute time, so that a file cut after any cluster is whole, and a browser's MediaSource can append the clusters of
one file after those of another without a second header.

Opus is written without codec delay: a recording begins in the middle of a stream whose time stamps are the capture
times, so nothing may be trimmed at the start of a file, and the decoder's 6.5 ms are the same in every track.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from mediaserver.recording.segments import Block

OPUS_RATE_HZ = 48_000
_SEEK_PREROLL_NS = 80_000_000
_UNKNOWN_SIZE = b"\x01\xff\xff\xff\xff\xff\xff\xff"
_TICK_NS = 1_000_000
"""Time stamps count milliseconds, as the whole recording does."""

MAX_BLOCK_MS = 32_767
"""A block's time lies within 16 signed bits of its cluster's."""

_BLOCK = struct.Struct("!BhB")
_MIDDLING_BLOCK = struct.Struct("!BHBhB")
"""The same with the element's identifier and a size of two bytes in front."""
_CLUSTER = b"\x1f\x43\xb6\x75"


class Sound(NamedTuple):
    """What a file of Opus must say of itself."""

    channels: int


class Picture(NamedTuple):
    """What a file of video must say of itself, in pixels."""

    width: int
    height: int
    codec: str = "vp8"
    private: bytes = b""
    """The codec's own header; empty where it has none."""


CODEC_IDS = {"vp8": b"V_VP8", "vp9": b"V_VP9", "av1": b"V_AV1", "h264": b"V_MPEG4/ISO/AVC"}
"""RFC 9559 section 27.6 and the codec mappings that it names. The last is not of WebM's part of Matroska."""


@functools.lru_cache(maxsize=64)
def header(media: Sound | Picture) -> bytes:
    """Everything before the first cluster. Each part has it at hand, and most of a track's parts have the same."""
    ebml = _element(
        0x1A45DFA3,
        _number(0x4286, 1)
        + _number(0x42F7, 1)
        + _number(0x42F2, 4)
        + _number(0x42F3, 8)
        + _element(0x4282, b"matroska" if isinstance(media, Picture) and media.codec == "h264" else b"webm")
        + _number(0x4287, 4)
        + _number(0x4285, 2),
    )
    info = _element(
        0x1549A966, _number(0x2AD7B1, _TICK_NS) + _element(0x4D80, b"videohome") + _element(0x5741, b"videohome")
    )
    tracks = _element(0x1654AE6B, _element(0xAE, _track(media)))
    return ebml + b"\x18\x53\x80\x67" + _UNKNOWN_SIZE + info + tracks


def cluster(start_ms: int, blocks: list[Block]) -> bytes:
    """One cluster of whole frames. Raises ValueError when a block lies too far from `start_ms`."""
    found: bytes = _cluster(start_ms, blocks)
    return found


def _python(start_ms: int, blocks: list[Block]) -> bytes:
    body = [b"", _number(0xE7, start_ms)]
    for pts_ms, keyframe, data in blocks:
        offset = pts_ms - start_ms
        if not 0 <= offset <= MAX_BLOCK_MS:
            raise ValueError(f"a block {offset} ms from its cluster's start cannot be written")
        flags, size = 0x80 if keyframe else 0, _BLOCK.size + len(data)
        if 127 <= size < 16_383:  # most are: the size takes two bytes
            body += (_MIDDLING_BLOCK.pack(0xA3, 0x4000 | size, 0x81, offset, flags), data)
        else:
            body += (b"\xa3", _size(size), _BLOCK.pack(0x81, offset, flags), data)
    body[0] = _CLUSTER + _size(sum(map(len, body)))
    return b"".join(body)


_cluster: Callable[..., Any] = _python


def use(module: Any | None) -> None:
    """Put clusters together in the compiled plane (`straight.c`), or here for None."""
    global _cluster
    _cluster = _python if module is None else module.pack_cluster


def _track(media: Sound | Picture) -> bytes:
    common = _number(0xD7, 1) + _number(0x73C5, 1) + _number(0x9C, 0) + _element(0x22B59C, b"und")
    if isinstance(media, Picture):
        size = _number(0xB0, media.width) + _number(0xBA, media.height)
        private = _element(0x63A2, media.private) if media.private else b""
        return common + _number(0x83, 1) + _element(0x86, CODEC_IDS[media.codec]) + private + _element(0xE0, size)
    sound = _element(0xB5, struct.pack("!d", OPUS_RATE_HZ)) + _number(0x9F, media.channels)
    return (
        common
        + _number(0x83, 2)
        + _element(0x86, b"A_OPUS")
        + _element(0x63A2, _opus_head(media.channels))
        + _number(0x56AA, 0)
        + _number(0x56BB, _SEEK_PREROLL_NS)
        + _element(0xE1, sound)
    )


def _opus_head(channels: int) -> bytes:
    """Identification header (RFC 7845 section 5.1), mapping family 0."""
    return b"OpusHead" + struct.pack("<BBHIhB", 1, channels, 0, OPUS_RATE_HZ, 0, 0)


def _element(identifier: int, body: bytes) -> bytes:
    return identifier.to_bytes((identifier.bit_length() + 7) // 8) + _size(len(body)) + body


def _number(identifier: int, value: int) -> bytes:
    return _element(identifier, value.to_bytes(max(1, (value.bit_length() + 7) // 8)))


def _size(value: int) -> bytes:
    """EBML variable-size integer (RFC 8794 section 4.4); all ones would mean "unknown"."""
    width = 1
    while value >= (1 << 7 * width) - 1:
        width += 1
    return (value | 1 << 7 * width).to_bytes(width)
