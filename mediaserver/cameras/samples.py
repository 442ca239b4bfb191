# SPDX-License-Identifier: Apache-2.0
"""Looks into samples of what has no page to measure it: one key frame, or one second of sound. A process of its own, of
low priority: it decodes strangers' bytes, and no call waits for it."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterable
from typing import Any, Final

import av
import av.error
import numpy as np

from mediaserver.recording.frames import Frame, FrameAssembler

NICE: Final = 19
WIDTH, HEIGHT = 64, 36
"""A picture is judged at this size."""
BRIGHTEST_PERCENT: Final = 98
"""But for one part in fifty: the lamp of a covered camera."""
FULL_SCALE: Final = 0.985
_LUMA: Final = np.array([0.2126, 0.7152, 0.0722])
_DECODERS: Final = {"h264": "h264", "vp8": "vp8", "vp9": "vp9", "av1": "libdav1d", "opus": "opus"}


def run(lines: Iterable[bytes], say: Callable[[dict[str, Any]], None]) -> None:
    """Each line is a sample, `{"codec": …, "packets": [base64 of RTP]}`; each gets one answer, see `measure`.

    The first thing said is `{"ready": true}`.
    """
    os.nice(NICE)
    say({"ready": True})
    for line in lines:
        order = json.loads(line)
        say(measure(str(order["codec"]), [base64.b64decode(packet) for packet in order["packets"]]))


def measure(codec: str, packets: list[bytes]) -> dict[str, Any]:
    """`{"mean", "brightest"}` of a picture (0 to 255), `{"peak", "clipped"}` of sound (parts of full scale, share of
    the samples), or nothing for what cannot be decoded."""
    assembler = FrameAssembler(codec)
    for packet in packets:
        assembler.add(packet, 0)
    frames = [one for one in assembler.take(0, everything=True) if isinstance(one, Frame)]
    try:
        return _sound(frames) if codec == "opus" else _picture(codec, frames)
    except (av.error.FFmpegError, ValueError):
        return {}


def _picture(codec: str, frames: list[Frame]) -> dict[str, Any]:
    key = next((frame for frame in frames if frame.keyframe), None)
    if key is None:
        return {}
    decoder: Any = av.CodecContext.create(_DECODERS[codec], "r")
    decoder.thread_count = 1
    if key.private:
        decoder.extradata = key.private
    pictures = [*decoder.decode(av.Packet(key.data)), *decoder.decode(None)]
    if not pictures:
        return {}
    luma = pictures[0].reformat(width=WIDTH, height=HEIGHT, format="rgb24").to_ndarray() @ _LUMA
    return {"mean": float(luma.mean()), "brightest": float(np.percentile(luma, BRIGHTEST_PERCENT))}


def _sound(frames: list[Frame]) -> dict[str, Any]:
    decoder: Any = av.CodecContext.create(_DECODERS["opus"], "r")
    decoder.sample_rate, decoder.layout = 48_000, "stereo"
    decoded = [out.to_ndarray() for frame in frames for out in decoder.decode(av.Packet(frame.data))]
    if not decoded:
        return {}
    size = np.abs(np.concatenate([one.reshape(-1) for one in decoded]))
    return {"peak": float(size.max()), "clipped": float((size >= FULL_SCALE).mean())}
