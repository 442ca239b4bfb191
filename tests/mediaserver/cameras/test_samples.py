# SPDX-License-Identifier: Apache-2.0
"""What a decoded sample measures, with real encoders: black and bright, silent, spoken and clipping."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest

from mediaserver.cameras.h264 import Packetizer
from mediaserver.cameras.samples import measure
from mediaserver.rtp import packet as rtp
from mediaserver.sfu.troubles import picture_trouble, sound_trouble


def packets(payloads: list[bytes], *, one_time: bool) -> list[bytes]:
    return [
        bytes(
            rtp.build(
                payload_type=96,
                sequence_number=65_530 + number & 0xFFFF,
                timestamp=0 if one_time else number * 960,
                ssrc=1,
                payload=payload,
                marker=number == len(payloads) - 1,
            )
        )
        for number, payload in enumerate(payloads)
    ]


def picture(codec: str, grey: int) -> list[bytes]:
    """A key frame with noise of a camera in it."""
    name = {"vp8": "libvpx", "h264": "libx264"}[codec]
    encoder: Any = av.CodecContext.create(name, "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 320, 180, "yuv420p", Fraction(1, 25)
    encoder.options = {"vp8": {"deadline": "realtime", "lag-in-frames": "0"}, "h264": {"tune": "zerolatency"}}[codec]
    noise = np.random.default_rng(3).integers(-4, 5, (180, 320, 3))
    image = np.clip(grey + noise, 0, 255).astype(np.uint8)
    made = encoder.encode(av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p"))
    data = b"".join(bytes(one) for one in made)
    if codec == "vp8":
        pieces = [data[at : at + 1100] for at in range(0, len(data), 1100)]
        return packets([bytes((0x10 if n == 0 else 0,)) + piece for n, piece in enumerate(pieces)], one_time=True)
    found = Packetizer().picture(data)
    assert found is not None
    return packets(found.payloads, one_time=True)


@pytest.mark.parametrize("codec", ["vp8", "h264"])
@pytest.mark.parametrize(("grey", "trouble"), [(0, "black"), (4, "black"), (30, None), (200, None)])
def test_pictures(codec: str, grey: int, trouble: str | None) -> None:
    found = measure(codec, picture(codec, grey))
    assert abs(found["mean"] - grey) < 4
    assert picture_trouble(found["mean"], found["brightest"]) == trouble


@pytest.mark.parametrize(("size", "trouble"), [(0.0, "silent"), (0.05, None), (0.5, None), (6.0, "clipping")])
def test_sounds(size: float, trouble: str | None) -> None:
    encoder: Any = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format, encoder.bit_rate = 48_000, "mono", "s16", 64_000
    tone = np.clip(np.sin(np.arange(48_000) * 2 * np.pi * 300 / 48_000) * size, -1, 1) * 32_767
    payloads = []
    for at in range(0, 48_000, 960):
        frame = av.AudioFrame.from_ndarray(tone.astype(np.int16)[None, at : at + 960], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, at, Fraction(1, 48_000)
        payloads += [bytes(packet) for packet in encoder.encode(frame)]
    found = measure("opus", packets(payloads, one_time=False))
    assert sound_trouble(found["peak"], found["clipped"]) == trouble, found


@pytest.mark.parametrize("codec", ["vp8", "vp9", "h264", "av1", "opus"])
def test_what_cannot_be_decoded_says_nothing(codec: str) -> None:
    noise = np.random.default_rng(5).bytes(400)
    assert measure(codec, []) == {}
    measure(codec, packets([noise], one_time=True))
    measure(codec, [noise, b""])
