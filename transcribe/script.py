# SPDX-License-Identifier: Apache-2.0
"""The one door to OpenCC: traditional to simplified Chinese script.

Whisper mixes both scripts from clip to clip, whatever the prompt says; the raw text is kept beside the converted one.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import version

import opencc


@lru_cache(maxsize=1)
def _converter() -> opencc.OpenCC:
    return opencc.OpenCC("t2s")


def simplified(text: str) -> str:
    """`text` in simplified script. Other languages pass unchanged."""
    return str(_converter().convert(text))


def library_version() -> str:
    """Version of OpenCC, for the record of how a text was made."""
    return version("opencc")
