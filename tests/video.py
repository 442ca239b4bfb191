# SPDX-License-Identifier: Apache-2.0
"""Real video: encoded by FFmpeg's encoders, cut into RTP payloads as each codec's payload format says."""

from __future__ import annotations

import fractions
import os
from collections.abc import Iterator

import av
import numpy as np

ENCODERS = {"h264": "libx264", "h264 high": "libx264", "vp8": "libvpx", "vp9": "libvpx-vp9", "av1": "libsvtav1"}
OPTIONS = {
    "h264": {"profile": "baseline", "tune": "zerolatency", "preset": "ultrafast"},
    "h264 high": {"profile": "high", "tune": "zerolatency", "preset": "veryfast", "x264-params": "scenecut=0"},
    "vp8": {"deadline": "realtime", "lag-in-frames": "0"},
    "vp9": {"deadline": "realtime", "lag-in-frames": "0", "cpu-used": "8"},
    "av1": {"preset": "12", "svtav1-params": "pred-struct=1:lookahead=0"},
}


def encode(codec: str, frames: int = 20, width: int = 320, height: int = 178, key_every: int = 10) -> list[bytes]:
    """A moving picture as one encoded frame (AV1: temporal unit) after the other; the first is a key frame."""
    # SVT-AV1, run by root, puts the thread that calls it before everything else on the machine, for good (SCHED_FIFO).
    policy, parameter = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        return _encoded(codec, frames, width, height, key_every)
    finally:
        os.sched_setscheduler(0, policy, parameter)


def _encoded(codec: str, frames: int, width: int, height: int, key_every: int) -> list[bytes]:
    context = av.CodecContext.create(ENCODERS[codec], "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base = fractions.Fraction(1, 30)
    context.gop_size = key_every
    context.max_b_frames = 0
    context.options = {**OPTIONS[codec]}
    found: list[bytes] = []
    for index in range(frames):
        picture = np.zeros((height, width, 3), np.uint8)
        picture[:, : (index * 9) % width] = (40, 90, 200)
        picture[index : index + 40, 20:80] = np.arange(60, dtype=np.uint8)[None, :, None] * 3
        frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv420p")
        frame.pts = index
        found += [bytes(packet) for packet in context.encode(frame)]
    found += [bytes(packet) for packet in context.encode(None)]
    return found


def payloads(codec: str, frame: bytes, key: bool, most: int = 500) -> list[bytes]:
    """The RTP payloads of one encoded frame, none longer than about `most` bytes."""
    if codec == "vp8":
        pieces = _cut(frame, most)
        return [bytes([0x10 if index == 0 else 0]) + piece for index, piece in enumerate(pieces)]
    if codec == "vp9":
        pieces = _cut(frame, most)
        last = len(pieces) - 1
        heads = [(0 if key else 0x40) | (8 if i == 0 else 0) | (4 if i == last else 0) for i in range(len(pieces))]
        return [bytes([head]) + piece for head, piece in zip(heads, pieces, strict=True)]
    return list(_h264(frame, most) if codec.startswith("h264") else _av1(frame, key, most))


def _cut(data: bytes, most: int) -> list[bytes]:
    return [data[at : at + most] for at in range(0, len(data), most)]


def units(frame: bytes) -> list[bytes]:
    """The units of an H264 frame with start codes."""
    return [unit for unit in frame.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if unit]


def _h264(frame: bytes, most: int) -> Iterator[bytes]:
    small: list[bytes] = []
    for unit in units(frame):
        if unit[0] & 31 in (6, 7, 8):
            small.append(unit)
            continue
        if len(small) > 1:
            yield bytes([24]) + b"".join(len(unit).to_bytes(2) + unit for unit in small)
        elif small:
            yield small[0]
        small = []
        if len(unit) <= most:
            yield unit
            continue
        pieces = _cut(unit[1:], most)
        for index, piece in enumerate(pieces):
            bits = (0x80 if index == 0 else 0) | (0x40 if index == len(pieces) - 1 else 0)
            yield bytes([unit[0] & 0xE0 | 28, bits | unit[0] & 31]) + piece


def _obus(unit: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(unit):
        head = unit[at]
        size_at = at + (2 if head & 4 else 1)
        size = shift = 0
        end = size_at
        while True:
            byte = unit[end]
            size |= (byte & 127) << shift
            shift, end = shift + 7, end + 1
            if byte < 128:
                break
        if head >> 3 & 15 != 2:
            yield bytes([head & ~2]) + unit[at + 1 : size_at] + unit[end : end + size]
        at = end + size


def _av1(unit: bytes, key: bool, most: int) -> Iterator[bytes]:
    """Every packet holds one element (or a piece of one), so W is 1."""
    first = True
    for obu in _obus(unit):
        pieces = _cut(obu, most)
        for index, piece in enumerate(pieces):
            head = (0x80 if index else 0) | (0x40 if index < len(pieces) - 1 else 0) | 0x10
            yield bytes([head | (8 if key and first else 0)]) + piece
            first = False
