# SPDX-License-Identifier: Apache-2.0
"""Words as grey pixels. The one door to Pillow and to the font.

The font is Noto Sans CJK (SIL Open Font License 1.1), from a package of its own, so that Chinese names can be written
on a server that has no fonts.
"""

from __future__ import annotations

import io
from functools import cache
from importlib.resources import as_file, files

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

Grey = npt.NDArray[np.uint8]
_SIMPLIFIED_CHINESE = 2
"""Number of that face in the collection."""
_WEIGHT = 500
JPEG_QUALITY = 70


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    with as_file(files("manimgx_fonts_cjk") / "NotoSansCJK-VF.otf.ttc") as path:
        font = ImageFont.truetype(str(path), size, index=_SIMPLIFIED_CHINESE)
    font.set_variation_by_axes([_WEIGHT])
    return font


def text_width(text: str, size: int) -> int:
    """How wide a line will be, in pixels."""
    return int(_font(size).getlength(text) + 0.999)


def line(text: str, size: int, width: int, height: int, *, centre: bool = False) -> Grey:
    """One line of text, white on black, cut with … where it is too long for `width`."""
    fitting = _cut(text, size, width)
    image = Image.new("L", (width, height), 0)
    at = ((width / 2, height / 2), "mm") if centre else ((0.0, height / 2), "lm")
    ImageDraw.Draw(image).text(at[0], fitting, fill=255, font=_font(size), anchor=at[1])
    return np.asarray(image, np.uint8)


def jpeg(picture: npt.NDArray[np.uint8]) -> bytes:
    """An RGB picture as a JPEG file."""
    target = io.BytesIO()
    Image.fromarray(picture, "RGB").save(target, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return target.getvalue()


def _cut(text: str, size: int, width: int) -> str:
    clean = "".join(letter if letter.isprintable() else " " for letter in text)
    if text_width(clean, size) <= width:
        return clean
    while clean and text_width(clean + "…", size) > width:
        clean = clean[:-1]
    return clean + "…"
