# SPDX-License-Identifier: Apache-2.0
"""Where parts and segments end. PURE.

A part is about a second of one track; it becomes one cluster and is the unit that is made durable. A segment is one
file; it ends at the first part boundary after about ten seconds, key frame or not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from mediaserver.recording.frames import Frame

PART_MS = 1_000
SEGMENT_MS = 10_000
CONTINUOUS_MS = 500
"""Two frames nearer than this follow each other without a gap: the first lasts until the second."""
_PICTURE_MS = 33
"""Length of a picture after which nothing followed and before which nothing was."""
PICTURE_LAST_MS = 100
"""Most that a picture lasts after which nothing followed."""


class Block(NamedTuple):
    """One frame at its place in the file."""

    pts_ms: int
    keyframe: bool
    data: bytes


@dataclass(slots=True)
class Part:
    """One part, open or closed. `end_ms` counts once it is closed."""

    segment: int
    start_ms: int
    opened_us: int
    """The recorder's steady clock when its first frame came."""
    end_ms: int = 0
    keyframe: bool = False
    packets: int = 0
    first_sequence: int = 0
    last_sequence: int = 0
    last_rtp: int = 0
    blocks: list[Block] = field(default_factory=list)


class Cutter:
    """Cuts the frames of one epoch into parts and numbers the segments that they belong to.

    `segment` and `segment_start_ms` continue an epoch after a restart of the recorder.
    """

    __slots__ = ("_last_pts_ms", "_segment", "_segment_start_ms", "_step_ms", "part")

    def __init__(self, segment: int = 0, segment_start_ms: int | None = None, last_pts_ms: int = -1) -> None:
        self._segment = segment
        self._segment_start_ms = segment_start_ms
        self._last_pts_ms = last_pts_ms
        self._step_ms = _PICTURE_MS
        self.part: Part | None = None
        """The part that is open now."""

    def add(self, frame: Frame, pts_ms: int, now_us: int) -> Part | None:
        """Take the next frame in order. Returns the part that ended before it, if one did."""
        ended, part = None, self.part
        if part is not None and pts_ms - part.start_ms >= PART_MS:
            ended, part = self._end(pts_ms), None
        rtp_time, data, keyframe, last_sequence, duration_us, packets, _, _ = frame
        if part is None:
            part = self._begin(pts_ms, now_us)
            part.first_sequence = last_sequence - packets + 1
        elif 0 < pts_ms - self._last_pts_ms < CONTINUOUS_MS:
            self._step_ms = pts_ms - self._last_pts_ms
        part.blocks.append(Block(pts_ms, keyframe, data))
        part.keyframe = part.keyframe or keyframe
        part.packets += packets
        part.last_sequence, part.last_rtp = last_sequence, rtp_time
        part.end_ms = pts_ms + (-(-duration_us // 1000) or min(self._step_ms, PICTURE_LAST_MS))
        self._last_pts_ms = pts_ms
        return ended

    def close(self) -> Part | None:
        """End the open part although no frame followed (the track is quiet, or ends)."""
        return self._end(None)

    def _begin(self, pts_ms: int, now_us: int) -> Part:
        if self._segment_start_ms is None:
            self._segment_start_ms = pts_ms
        elif pts_ms - self._segment_start_ms >= SEGMENT_MS:
            self._segment += 1
            self._segment_start_ms = pts_ms
        self.part = Part(self._segment, pts_ms, now_us)
        return self.part

    def _end(self, next_pts_ms: int | None) -> Part | None:
        part, self.part = self.part, None
        if part is not None and next_pts_ms is not None and next_pts_ms - self._last_pts_ms < CONTINUOUS_MS:
            part.end_ms = next_pts_ms
        return part
