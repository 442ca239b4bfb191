# SPDX-License-Identifier: Apache-2.0
"""A test picture: the first key frame of a camera as JPEG, with what the camera sends. The only place that decodes."""

from __future__ import annotations

import base64
import time
from fractions import Fraction
from typing import Any, Final

import av
import av.error

from mediaserver.cameras.h264 import Packetizer
from mediaserver.cameras.source import Source
from mediaserver.cameras.states import CameraFault, CameraSpec, State

WITHIN_S: Final = 9.0
"""All in all; the page waits ten seconds."""
WIDTH: Final = 640
"""The picture is made no wider than this."""
_PROFILES: Final = {66: "Baseline", 77: "Main", 88: "Extended", 100: "High", 110: "High 10", 122: "High 4:2:2"}


def take(spec: CameraSpec) -> dict[str, Any]:
    """JSON-ready: jpeg (base64), width, height, profile, sound_codec. Raises CameraFault."""
    deadline_s = time.monotonic() + WITHIN_S
    source = Source(spec)
    source.open()
    try:
        return _take(source, deadline_s)
    finally:
        source.close()


def _take(source: Source, deadline_s: float) -> dict[str, Any]:
    packetizer = Packetizer()
    packetizer.learn(source.parameter_sets)
    decoder: Any = av.CodecContext.create("h264", "r")
    decoder.options = {"err_detect": "explode"}
    decoder.thread_count = 1  # a picture comes out at once
    if source.parameter_sets:
        decoder.extradata = source.parameter_sets
    for unit in source.units():
        if time.monotonic() > deadline_s:
            break
        if not unit.video or packetizer.picture(bytes(unit.packet)) is None:
            continue
        try:
            frames = [frame for frame in decoder.decode(unit.packet) if not frame.is_corrupt]
        except (av.error.FFmpegError, ValueError):
            continue
        if not frames:
            continue
        facts = packetizer.facts
        assert facts is not None, "a picture came out, so its parameter sets are known"
        codec = "" if source.sound is None else source.sound.codec_context.name
        return {
            "jpeg": base64.b64encode(_jpeg(frames[0])).decode("ascii"),
            "width": facts.width,
            "height": facts.height,
            "profile": _PROFILES.get(int(facts.profile_level_id[:2], 16), ""),
            "sound_codec": codec,
        }
    raise CameraFault(State.NO_KEY_FRAME)


def _jpeg(frame: Any) -> bytes:
    width = min(WIDTH, frame.width) // 2 * 2
    height = max(2, round(frame.height * width / frame.width) // 2 * 2)
    small = frame.reformat(width=width, height=height, format="yuvj420p")
    encoder: Any = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    small.pts = None
    return b"".join(bytes(packet) for packet in [*encoder.encode(small), *encoder.encode(None)])
