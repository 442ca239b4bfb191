# SPDX-License-Identifier: Apache-2.0
"""Recorded files made in memory, without process, disk or store."""

from __future__ import annotations

from collections import Counter

from mediaserver.recording.feed import TrackInfo
from mediaserver.recording.intake import Intake
from tests.mediaserver.recorder.media import Stream


def recorded(stream: Stream, seconds: int) -> list[tuple[bytes, bytes]]:
    """(header, clusters) of every segment of so much of the stream, which begins at 0 ms of the session."""
    audio = stream.kind == "audio"
    codec, source = ("opus", "mic") if audio else ("vp8", "cam")
    kind = "audio" if audio else "video"
    info = TrackInfo(f"p-{source}", "p", "所", "室", source, kind, codec, stream.rate, 111, 1)  # type: ignore[arg-type]
    numbers = Counter[str]()

    def new_epoch() -> int:
        numbers["epoch"] += 1
        return numbers["epoch"]

    intake, number = Intake(1, info, new_epoch), 0
    while stream.at_ms < seconds * 1000:
        at_ms = stream.at_ms
        for packet in stream.next():
            number += 1
            intake.packet(number, packet, at_ms, at_ms, at_ms * 1000)
    intake.finish(seconds * 1_000_000)
    files: dict[int, tuple[bytes, bytes]] = {}
    for step in intake.drain():
        if step.data:
            header, clusters = files.get(step.line["segment"], (step.header, b""))
            files[step.line["segment"]] = header, clusters + step.data
    return [files[index] for index in sorted(files)]
