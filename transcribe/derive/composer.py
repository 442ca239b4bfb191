# SPDX-License-Identifier: Apache-2.0
"""Puts one picture together: cells with a name under each, what is missing in words, and the clock above all.

Works on the planes of 4:2:0 colour, so a picture is only scaled once and copied; words are grey and touch no colour.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame

from transcribe.derive.captions import Captions
from transcribe.derive.grid import Rect, fitted, stage
from transcribe.derive.lettering import line
from transcribe.derive.pictures import Picture
from transcribe.derive.scenes import Scene, Tile

Plane = npt.NDArray[np.uint8]
_BLACK, _DARK, _WHITE, _NO_COLOUR = 16, 34, 235, 128
"""Limited range: 16 is black, 235 white."""
_GAP = 4


class PictureSource(Protocol):
    """Whatever gives a track's picture at a time."""

    def at(self, time_ms: float) -> Picture | None:
        """The newest picture that is not later."""


@dataclass(frozen=True, slots=True)
class Style:
    """Measures in pixels. Without lettering (`label_height` 0) nothing is written at all."""

    width: int = 1280
    height: int = 720
    bar_height: int = 36
    label_height: int = 28


class Canvas:
    """One picture in planes of 4:2:0."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.data = np.empty(width * height * 3 // 2, np.uint8)
        area = width * height
        self.y = self.data[:area].reshape(height, width)
        self.u = self.data[area : area * 5 // 4].reshape(height // 2, width // 2)
        self.v = self.data[area * 5 // 4 :].reshape(height // 2, width // 2)

    def fill(self, luma: int) -> None:
        """One grey everywhere."""
        self.y.fill(luma)
        self.u.fill(_NO_COLOUR)
        self.v.fill(_NO_COLOUR)

    def paste(self, picture: Canvas, x: int, y: int) -> None:
        """Copy a smaller picture to an even place."""
        w, h = picture.width, picture.height
        self.y[y : y + h, x : x + w] = picture.y
        self.u[y // 2 : (y + h) // 2, x // 2 : (x + w) // 2] = picture.u
        self.v[y // 2 : (y + h) // 2, x // 2 : (x + w) // 2] = picture.v

    def write(self, grey: Plane, x: int, y: int, *, under: int = _BLACK) -> None:
        """Words, white on `under`."""
        height, width = grey.shape
        shade = under + (grey.astype(np.uint16) * (_WHITE - under) // 255)
        self.y[y : y + height, x : x + width] = shade

    def frame(self) -> VideoFrame:
        """As an encoder takes it (a copy)."""
        return VideoFrame.from_ndarray(self.data.reshape(self.height * 3 // 2, self.width), format="yuv420p")


class Composer:
    """Draws any moment of a film."""

    def __init__(self, style: Style, captions: Captions, pictures: Mapping[str, PictureSource]) -> None:
        self._style = style
        self._captions = captions
        self._pictures = pictures
        self._canvas = Canvas(style.width, style.height)
        self._base: tuple[Scene, Canvas, dict[str, Rect]] | None = None
        self._scaled: dict[str, tuple[int, Rect, Canvas, Rect]] = {}
        self._clock: tuple[str, Plane] = ("", np.zeros((0, 0), np.uint8))

    def draw(self, scene: Scene, session_ms: float) -> Canvas:
        """The picture at that time; drawn over by the next call. Raises what the sources raise."""
        base, places = self._based(scene)
        np.copyto(self._canvas.data, base.data)
        for track_id, place in places.items():
            picture = self._pictures[track_id].at(session_ms)
            if picture is not None:
                scaled, at = self._fit(track_id, picture, place)
                self._canvas.paste(scaled, at.x, at.y)
        if self._style.bar_height:
            self._canvas.write(self._clocked(session_ms), 12, 0)
        return self._canvas

    def _based(self, scene: Scene) -> tuple[Canvas, dict[str, Rect]]:
        """What stays the same all through a scene, and where the pictures come."""
        if self._base is None or self._base[0] is not scene:
            canvas = Canvas(self._style.width, self._style.height)
            canvas.fill(_BLACK)
            places = self._card(canvas, scene) if scene.cause else self._cells(canvas, scene)
            if self._style.bar_height:
                self._bar(canvas)
            self._scaled.clear()
            self._base = (scene, canvas, places)
        return self._base[1], self._base[2]

    def _cells(self, canvas: Canvas, scene: Scene) -> dict[str, Rect]:
        style = self._style
        area = Rect(0, style.bar_height, style.width, style.height - style.bar_height)
        screens = [tile for tile in scene.tiles if tile.screen]
        people = [tile for tile in scene.tiles if not tile.screen]
        screen_cells, people_cells = stage(len(screens), len(people), area)
        cells = zip((*screens, *people), (*screen_cells, *people_cells), strict=True)
        return dict(place for tile, cell in cells for place in self._cell(canvas, tile, cell))

    def _cell(self, canvas: Canvas, tile: Tile, cell: Rect) -> list[tuple[str, Rect]]:
        height = cell.height - self._style.label_height - _GAP
        inner = Rect(cell.x + _GAP // 2 & ~1, cell.y + _GAP // 2 & ~1, cell.width - _GAP, height)
        if inner.width < 2 or inner.height < 2:
            return []
        place = fitted(16, 9, inner)
        canvas.y[place.y : place.y + place.height, place.x : place.x + place.width] = _DARK
        if self._style.label_height:
            label = self._captions.label(tile.name, screen=tile.screen)
            size = self._style.label_height * 2 // 3
            words = line(label, size, place.width, self._style.label_height, centre=True)
            canvas.write(words, place.x, place.y + place.height)
            if tile.note:
                words = line(self._captions.note(tile.note), size, place.width, size * 2, centre=True)
                canvas.write(words, place.x, place.y + place.height // 2 - size, under=_DARK)
        return [(tile.track_id, place)] if tile.track_id is not None else []

    def _card(self, canvas: Canvas, scene: Scene) -> dict[str, Rect]:
        if self._style.label_height:
            width, middle = canvas.width - 80, canvas.height // 2
            why, when = self._captions.card(scene.cause, scene.from_ms, scene.to_ms)
            canvas.write(line(why, 44, width, 64, centre=True), 40, middle - 70)
            canvas.write(line(when, 30, width, 48, centre=True), 40, middle + 10)
        return {}

    def _bar(self, canvas: Canvas) -> None:
        width = canvas.width * 2 // 5
        words = line(self._captions.derived, self._style.bar_height // 2, width, self._style.bar_height, centre=True)
        canvas.write(words, canvas.width - width, 0)

    def _clocked(self, session_ms: float) -> Plane:
        text = self._captions.clock(session_ms)
        if self._clock[0] != text:
            width = self._canvas.width * 3 // 5 - 12
            size = self._style.bar_height * 2 // 3
            self._clock = (text, line(text, size, width, self._style.bar_height))
        return self._clock[1]

    def _fit(self, track_id: str, picture: Picture, place: Rect) -> tuple[Canvas, Rect]:
        kept = self._scaled.get(track_id)
        if kept is None or kept[:2] != (picture.number, place):
            at = fitted(picture.frame.width, picture.frame.height, place)
            kept = (picture.number, place, scaled(picture.frame, at.width, at.height), at)
            self._scaled[track_id] = kept
        return kept[2], kept[3]


def scaled(frame: VideoFrame, width: int, height: int) -> Canvas:
    """A decoded picture in another size, 4:2:0 and limited range."""
    canvas = Canvas(width, height)
    smaller = frame.reformat(width=width, height=height, format="yuv420p", dst_color_range="MPEG")
    planes = ((canvas.y, smaller.planes[0]), (canvas.u, smaller.planes[1]), (canvas.v, smaller.planes[2]))
    for target, plane in planes:
        raw = np.frombuffer(bytes(plane), np.uint8).reshape(-1, plane.line_size)
        target[:] = raw[: target.shape[0], : target.shape[1]]
    return canvas


Tell = Callable[[float], None]
"""Told how far something long is, 0 to 1. Raises to end it."""
