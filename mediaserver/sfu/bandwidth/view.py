# SPDX-License-Identifier: Apache-2.0
"""What a receiver's page shows, and what that asks of each stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal, NamedTuple

from mediaserver.sfu.events import Reason

Mode = Literal["normal", "low", "audio"]
Role = Literal["stage", "pinned", "tile"]

THUMBNAIL_HEIGHT = 192
"""A tile of this height or less (device pixels; pages round up to 16) gets the lowest layer, whatever size that has."""
ALL_TEMPORAL = 2
"""Temporal layer of a level that means every frame; browsers make three."""
ENOUGH = 0.75
"""A layer of this part of the tile's height is enough: one more would cost three times the bits for little."""
ASSUMED_TOP_HEIGHT = 720
"""While no key frame has told a size: each layer below the top has half the height of the next."""


class Level(NamedTuple):
    """What is forwarded of a simulcast stream: spatial layer from 0 (lowest), temporal layers up to this one."""

    spatial: int
    temporal: int


class Step(NamedTuple):
    """A level and what it costs."""

    level: Level
    bps: float


@dataclass(frozen=True, slots=True)
class Tile:
    """One picture on the page, in device pixels."""

    width: int
    height: int
    role: Role


@dataclass(frozen=True, slots=True)
class View:
    """The newest `view` message of a receiver; without one `tiles` is None."""

    tiles: Mapping[str, Tile] | None = None
    """By consumer id; who is not in it is not shown."""
    mode: Mode = "normal"
    cap_bps: int | None = None
    unseen: Tile = Tile(320, 180, "tile")
    """How a camera is shown while `tiles` is None; a shared screen is on the stage."""


class Importance(IntEnum):
    """Who comes first when not everything fits."""

    SCREEN = 0
    STAGE = 1
    PINNED = 2
    TILE = 3


@dataclass(frozen=True, slots=True)
class Stream:
    """One video consumer as the allocator sees it."""

    consumer_id: str
    steps: tuple[Step, ...]
    """Rising in level and cost; empty when nothing may be sent (`reason` says why)."""
    importance: Importance
    rank: int = 0
    """Order among equals, lower first: who spoke last."""
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """What a publisher offers of one video stream."""

    consumer_id: str
    is_screen: bool
    layers: tuple[tuple[float, ...], ...]
    """For each spatial layer that can be had, from the lowest: bits per second up to each temporal layer. A layer that
    is missing because nobody wanted it counts as one that can be had, at its usual cost."""
    heights: tuple[int | None, ...] = ()
    """Of each spatial layer, as far as key frames told."""
    spatials: tuple[int, ...] = ()
    """Numbers of the layers when some cannot be had; () for 0, 1, 2 …"""
    paused: bool = False
    """By its publisher."""
    rank: int = 0


@dataclass(slots=True)
class Shown:
    """A tile or the lack of one, for an offer."""

    tile: Tile | None
    importance: Importance = field(default=Importance.TILE)


def shown(offer: Offer, view: View) -> Shown:
    """How the page shows a stream."""
    if view.tiles is None:
        tile: Tile | None = Tile(1280, 720, "stage") if offer.is_screen else view.unseen
    else:
        tile = view.tiles.get(offer.consumer_id)
    if tile is None:
        return Shown(None)
    if offer.is_screen and tile.role != "tile":
        return Shown(tile, Importance.SCREEN)
    return Shown(tile, {"stage": Importance.STAGE, "pinned": Importance.PINNED, "tile": Importance.TILE}[tile.role])


def stream(offer: Offer, view: View) -> Stream:
    """The steps worth sending to this page, cheapest first."""
    seen = shown(offer, view)
    why: Reason | None = None
    if view.mode == "audio":
        why = "mode"
    elif seen.tile is None:
        why = "hidden"
    elif offer.paused or not offer.layers:
        why = "publisher"
    if why is not None or seen.tile is None:
        return Stream(offer.consumer_id, (), seen.importance, offer.rank, why)
    top = 0 if view.mode == "low" else _needed(offer, seen.tile)
    steps: list[Step] = []
    highest = 0.0
    for index in range(top + 1):
        spatial = offer.spatials[index] if offer.spatials else index
        temporals = offer.layers[index]
        for temporal, bps in enumerate(temporals):
            if index and temporal < len(temporals) - 1:
                continue  # a larger picture is not worth fewer frames
            highest = max(highest + 1, bps)
            steps.append(Step(Level(spatial, temporal if len(temporals) > 1 else ALL_TEMPORAL), highest))
    return Stream(offer.consumer_id, tuple(steps), seen.importance, offer.rank)


def _needed(offer: Offer, tile: Tile) -> int:
    """Index of the lowest layer that is large enough for the tile."""
    last = len(offer.layers) - 1
    if tile.height <= THUMBNAIL_HEIGHT:
        return 0
    for index in range(last):
        height = offer.heights[index] if index < len(offer.heights) else None
        if height is None:
            height = ASSUMED_TOP_HEIGHT >> (last - index)
        if height >= ENOUGH * tile.height:
            return index
    return last
