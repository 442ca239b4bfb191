# SPDX-License-Identifier: Apache-2.0
"""The loads that are measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """`publishers` peers that send audio and video; `subscribers` that only receive; each receives all others."""

    name: str
    publishers: int
    subscribers: int
    gap_us: int = 0
    """Between the packets of a frame: 0 sends them at once, 2000 as a browser's pacer does."""

    @property
    def peers(self) -> int:
        """Everybody."""
        return self.publishers + self.subscribers

    @property
    def levels(self) -> int:
        """Id of the audio level extension, 0 for none: with many speakers our server would pass on the loudest three
        only, and the load would not be the same for all."""
        return 1 if self.publishers <= 3 else 0

    @property
    def packets_per_s(self) -> int:
        """What subscribers get when everything is forwarded: 150 of video and 50 of audio for each pair."""
        return 200 * self.publishers * (self.publishers - 1 + self.subscribers)


SHAPES = {
    shape.name: shape
    for shape in (
        Shape("1x10", 1, 10),
        Shape("1x30", 1, 30),
        Shape("1x60", 1, 60),
        Shape("6x6", 6, 0),
        Shape("paced", 1, 30, 2000),
        Shape("1x1", 1, 1),
        Shape("1x5", 1, 5),
        Shape("1x100", 1, 100),
        Shape("4x100", 4, 100),
        Shape("5x100", 5, 100),
        Shape("8x60", 8, 60),
    )
}
DEFAULT = ("1x10", "1x30", "1x60", "6x6", "paced")
