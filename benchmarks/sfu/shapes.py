# SPDX-License-Identifier: Apache-2.0
"""The loads that are measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Layer:
    """What one video stream sends: 30 frames/s of so many packets."""

    packets: int
    packet_bytes: int
    width: int
    height: int


FULL = Layer(5, 1200, 1280, 720)
SIMULCAST = (Layer(1, 600, 320, 180), Layer(2, 1000, 640, 360), FULL)
"""Three layers as a browser sends them, from the lowest: 0.15, 0.5 and 1.4 Mbit/s."""
HEARD = 3
"""Microphones that our server forwards at a time."""


@dataclass(frozen=True)
class Shape:
    """`publishers` peers that send audio and video; `subscribers` that only receive; each receives all others."""

    name: str
    publishers: int
    subscribers: int
    gap_us: int = 0
    """Between the packets of a frame: 0 sends them at once, 2000 as a browser's pacer does."""
    tiles: int = 0
    """Pictures on each page, the first large and the others small; 0 for all of them large. With tiles, pictures come
    in layers, microphones with levels, and layers that no page shows are not sent: a meeting as our pages hold it."""
    every_layer: bool = False
    """Everybody publishes every layer of a meeting, as the recording wants it."""
    recorded: bool = False
    """All that is published is recorded meanwhile."""

    @property
    def peers(self) -> int:
        """Everybody."""
        return self.publishers + self.subscribers

    @property
    def levels(self) -> int:
        """Id of the audio level extension, 0 for none: with many speakers our server would pass on the loudest three
        only, and the load would not be the same for all."""
        return 1 if self.publishers <= HEARD or self.tiles else 0

    def shown_by(self, viewer: int) -> list[int]:
        """Publishers on the page of publisher `viewer` of a meeting: the speaker large, then those who follow."""
        speaker = 1 if viewer == 0 else 0
        others = [(viewer + step) % self.publishers for step in range(1, self.publishers)]
        return [speaker, *(other for other in others if other != speaker)][: self.tiles]

    def layers_of(self, publisher: int) -> tuple[Layer, ...]:
        """What a publisher sends: the two who are large somewhere all layers, the others the lowest."""
        if not self.tiles:
            return (FULL,)
        return SIMULCAST if publisher < 2 or self.every_layer else SIMULCAST[:1]

    def serves(self, server: str) -> bool:
        """Only ours holds such a meeting: Janus's VideoRoom and the floor choose no layers, tiles and voices."""
        return not self.tiles or server in ("native", "python")

    @property
    def packets_per_s(self) -> int:
        """What subscribers get when everything is forwarded: 150 of video and 50 of audio for each pair; in a meeting
        one large picture, small ones and the voices that are forwarded."""
        if self.tiles:
            large, small = FULL.packets, SIMULCAST[0].packets
            pictures = 30 * self.publishers * (large + small * (self.tiles - 1))
            return pictures + 50 * HEARD * (self.publishers - 1)
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
        Shape("meeting24", 24, 0, 2000, tiles=9),
        Shape("recorded24", 24, 0, 2000, tiles=9, every_layer=True, recorded=True),
    )
}
DEFAULT = ("1x10", "1x30", "1x60", "6x6", "paced", "meeting24", "1x5", "1x100", "4x100")
OURS_ALONE = ("1x5", "1x100", "4x100")
"""Capacity and cost by the number of receivers, of the compiled plane: no peer is needed to read them."""
