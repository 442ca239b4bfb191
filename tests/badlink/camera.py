# SPDX-License-Identifier: Apache-2.0
"""A camera file of 1280x720 at 30 frames/s that costs bits like a face before a wall, with a running number in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, FPS = 1280, 720, 30
FRAMES = 240
"""The file loops after eight seconds; a delay is known modulo this."""
BITS = 8
SQUARE, STEP, LEFT = 112, 144, 80
"""Squares of the strip in pixels: large enough to survive 180 lines at 100 kbit/s."""
TOP = HEIGHT - SQUARE - 16


def _texture(chance: np.random.Generator, height: int, width: int, grain: int, depth: float) -> NDArray[np.float32]:
    """Smooth noise: random values every `grain` pixels, interpolated."""
    coarse = chance.normal(0, 1, (height // grain + 2, width // grain + 2))
    rows, columns = np.arange(height) / grain, np.arange(width) / grain
    r, c = rows.astype(int), columns.astype(int)
    fr, fc = (rows - r)[:, None], (columns - c)[None, :]
    top = coarse[r][:, c] * (1 - fc) + coarse[r][:, c + 1] * fc
    bottom = coarse[r + 1][:, c] * (1 - fc) + coarse[r + 1][:, c + 1] * fc
    return (depth * (top * (1 - fr) + bottom * fr)).astype(np.float32)


def write_camera(path: Path) -> None:
    """Write the file: a still wall, a face that sways, a little noise, and the strip of the number."""
    chance = np.random.default_rng(4)
    wall = 110 + _texture(chance, HEIGHT, WIDTH, 40, 14) + _texture(chance, HEIGHT, WIDTH, 6, 5)
    face = 160 + _texture(chance, 420, 320, 24, 18) + _texture(chance, 420, 320, 5, 8)
    y, x = np.mgrid[-1:1:420j, -1:1:320j]
    inside = x * x + y * y < 1
    noise = [chance.normal(0, 1.5, (HEIGHT, WIDTH)).astype(np.float32) for _ in range(4)]
    chroma = bytes([120]) * (WIDTH * HEIGHT // 4) + bytes([138]) * (WIDTH * HEIGHT // 4)
    with path.open("wb") as out:
        out.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FPS}:1 Ip A1:1 C420jpeg\n".encode())
        for number in range(FRAMES):
            luma = wall + noise[number % 4]
            turn = 2 * np.pi * number / FRAMES
            left = 480 + int(60 * np.sin(3 * turn))
            top = 90 + int(25 * np.sin(7 * turn))
            part = luma[top : top + 420, left : left + 320]
            part[inside] = face[inside]
            picture = np.clip(luma, 0, 255).astype(np.uint8)
            for bit in range(BITS):
                at = LEFT + bit * STEP
                picture[TOP : TOP + SQUARE, at : at + SQUARE] = 235 if number >> bit & 1 else 16
            out.write(b"FRAME\n")
            out.write(picture.tobytes())
            out.write(chroma)


READ_NUMBER_JS = f"""
const readNumber = async (frame) => {{
  const even = (value) => 2 * Math.round(value * frame.codedWidth / {WIDTH} / 2);
  const rect = {{ x: even({LEFT}), y: even({TOP + SQUARE // 2}), width: even({BITS * STEP}), height: 2 }};
  const bytes = new Uint8Array(frame.allocationSize({{ rect }}));
  const layout = await frame.copyTo(bytes, {{ rect }});
  frame.close();
  let number = 0;
  for (let bit = 0; bit < {BITS}; bit++) {{
    const middle = layout[0].offset + Math.round(rect.width * (bit * {STEP} + {SQUARE // 2}) / {BITS * STEP});
    if ((bytes[middle - 1] + bytes[middle] + bytes[middle + 1]) / 3 > 125) number |= 1 << bit;
  }}
  return number;
}};
"""
"""Defines `readNumber(frame)`: the number in a VideoFrame, which it closes. Only two lines of brightness are copied, so
that the watching costs the machine nothing that the call needs."""
