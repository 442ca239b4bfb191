# SPDX-License-Identifier: Apache-2.0
"""Which layers of a publisher anybody needs: encoding and sending the others is spared."""

from __future__ import annotations

from collections.abc import Sequence

UNWANTED_AFTER_S = 5.0
"""A layer nobody has needed for so long is paused at the publisher: switching it back costs a key frame."""
NOBODY = -1


def recorded_layer(heights: Sequence[int | None], recorded_height: int) -> int:
    """The highest layer within the room's recording height; the lowest when all are larger. Sizes that no key frame
    has told yet count as small enough."""
    fitting = [index for index, height in enumerate(heights) if height is None or height <= recorded_height]
    return max(fitting, default=0)


class Demand:
    """Of one producer of video with `layers` layers. At first all of them run."""

    def __init__(self, layers: int) -> None:
        self.announced = layers - 1
        """Highest layer that the publisher was told to send."""
        self._needed: list[float | None] = [None] * layers  # since when not needed; None while it is

    def update(self, highest_needed: int, now: float, most: int | None = None) -> int | None:
        """`highest_needed` is the highest layer that a viewer or the recording is to get (NOBODY for none), `most` the
        highest that the publisher's link carries, where that is known. Returns what the publisher must be told, None
        when nothing new."""
        for layer, since in enumerate(self._needed):
            if layer <= highest_needed:
                self._needed[layer] = None
            elif since is None:
                self._needed[layer] = now
        wanted = highest_needed
        for layer, since in enumerate(self._needed):
            if since is None or (layer <= self.announced and now - since < UNWANTED_AFTER_S):
                wanted = max(wanted, layer)
        if most is not None:
            wanted = min(wanted, most)
        if wanted == self.announced:
            return None
        self.announced = wanted
        return wanted

    def next_deadline(self) -> float | None:
        """When a layer may become superfluous."""
        times = [since for layer, since in enumerate(self._needed) if since is not None and layer <= self.announced]
        return min(times) + UNWANTED_AFTER_S if times else None
