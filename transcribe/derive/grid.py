# SPDX-License-Identifier: Apache-2.0
"""Where pictures stand on a canvas. PURE. All numbers are pixels and even, as 4:2:0 colour wants them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle from its upper left corner."""

    x: int
    y: int
    width: int
    height: int


def grid(count: int, area: Rect) -> list[Rect]:
    """`count` equal cells in rows, as large as 16:9 pictures in them can be; a last row that is not full is centred."""
    if count == 0:
        return []
    columns = max(range(1, count + 1), key=lambda n: (_picture_width(n, count, area), n))
    rows = -(-count // columns)
    width, height = _even(area.width // columns), _even(area.height // rows)
    cells = []
    for n in range(count):
        row, column = divmod(n, columns)
        in_row = min(columns, count - row * columns)
        left = area.x + _even((area.width - in_row * width) // 2)
        cells.append(Rect(left + column * width, area.y + row * height, width, height))
    return cells


def stage(screens: int, people: int, area: Rect) -> tuple[list[Rect], list[Rect]]:
    """Cells of shared screens and of people: while a screen is shared, it gets three quarters of the width."""
    if screens == 0 or people == 0:
        return grid(screens, area), grid(people, area)
    wide = _even(area.width * 3 // 4)
    side = Rect(area.x + wide, area.y, area.width - wide, area.height)
    return grid(screens, Rect(area.x, area.y, wide, area.height)), grid(people, side)


def fitted(width: int, height: int, into: Rect) -> Rect:
    """The largest picture of that shape in the middle of `into`."""
    scale = min(into.width / max(1, width), into.height / max(1, height))
    w, h = max(2, _even(int(width * scale + 0.5))), max(2, _even(int(height * scale + 0.5)))
    w, h = min(w, into.width), min(h, into.height)
    return Rect(into.x + _even((into.width - w) // 2), into.y + _even((into.height - h) // 2), w, h)


def _picture_width(columns: int, count: int, area: Rect) -> float:
    return min(area.width / columns, area.height / -(-count // columns) * 16 / 9)


def _even(value: int) -> int:
    return value & ~1
