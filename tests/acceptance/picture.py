# SPDX-License-Identifier: Apache-2.0
"""A test picture with a running number: to the eye as digits, to the machine as a strip of black and white squares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, FPS = 640, 360, 15
FRAMES = 150
"""The file loops after ten seconds; a number is compared modulo this."""
BITS = 8
SQUARE = 64
"""Side of a square of the strip, in pixels: large enough to survive a low bit rate."""

# Seven-segment digits: a (top), b, c, d (bottom), e, f, g (middle).
_SEGMENTS = ["abcdef", "bc", "abdeg", "abcdg", "bcfg", "acdfg", "acdefg", "abc", "abcdefg", "abcdfg"]


def _digit(canvas: NDArray[np.uint8], value: int, x: int, y: int) -> None:
    w, h, t = 50, 90, 12
    boxes = {
        "a": (x, y, w, t),
        "b": (x + w - t, y, t, h // 2),
        "c": (x + w - t, y + h // 2, t, h // 2),
        "d": (x, y + h - t, w, t),
        "e": (x, y + h // 2, t, h // 2),
        "f": (x, y, t, h // 2),
        "g": (x, y + h // 2 - t // 2, w, t),
    }
    for name in _SEGMENTS[value]:
        left, top, width, height = boxes[name]
        canvas[top : top + height, left : left + width] = 235


def frame(number: int, shade: int) -> NDArray[np.uint8]:
    """Luma of one picture: a strip of BITS squares at the bottom (white = 1, least bit left) and three digits above."""
    luma = np.full((HEIGHT, WIDTH), shade, np.uint8)
    for place, digit in enumerate(f"{number % 1000:03d}"):
        _digit(luma, int(digit), 220 + place * 70, 90)
    # Something moves, so that the encoder has work as with a face.
    column = (number * 4) % (WIDTH - 40)
    luma[20:60, column : column + 40] = 200
    top = HEIGHT - SQUARE - 16
    for bit in range(BITS):
        left = 16 + bit * (SQUARE + 12)
        luma[top : top + SQUARE, left : left + SQUARE] = 235 if number >> bit & 1 else 16
    return luma


def write_y4m(path: Path, shade: int, tint: tuple[int, int]) -> None:
    """Write FRAMES pictures as YUV4MPEG2 for Chromium's fake camera; `tint` is (U, V)."""
    chroma = bytes([tint[0]]) * (WIDTH * HEIGHT // 4) + bytes([tint[1]]) * (WIDTH * HEIGHT // 4)
    with path.open("wb") as out:
        out.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FPS}:1 Ip A1:1 C420jpeg\n".encode())
        for number in range(FRAMES):
            out.write(b"FRAME\n")
            out.write(frame(number, shade).tobytes())
            out.write(chroma)


READ_NUMBER_JS = f"""
(video) => {{
  if (!video.videoWidth) return null;
  const canvas = new OffscreenCanvas({WIDTH}, {HEIGHT});
  const pen = canvas.getContext('2d', {{ willReadFrequently: true }});
  pen.drawImage(video, 0, 0, {WIDTH}, {HEIGHT});
  let number = 0;
  for (let bit = 0; bit < {BITS}; bit++) {{
    const x = 16 + bit * {SQUARE + 12} + {SQUARE // 2}, y = {HEIGHT} - 16 - {SQUARE // 2};
    const pixel = pen.getImageData(x - 4, y - 4, 8, 8).data;
    let sum = 0;
    for (let i = 0; i < pixel.length; i += 4) sum += pixel[i + 1];
    if (sum / 64 > 125) number |= 1 << bit;
  }}
  return number;
}}
"""
"""A function of a `<video>` element that gives the number its picture shows, null before the first picture."""


def read_number(luma: NDArray[np.uint8]) -> int:
    """The number in a decoded picture of any size."""
    height, width = luma.shape
    number = 0
    for bit in range(BITS):
        x = int((16 + bit * (SQUARE + 12) + SQUARE / 2) * width / WIDTH)
        y = int((HEIGHT - 16 - SQUARE / 2) * height / HEIGHT)
        if luma[y - 2 : y + 3, x - 2 : x + 3].mean() > 125:
            number |= 1 << bit
    return number
