# SPDX-License-Identifier: Apache-2.0
"""The compiled plane (docs/packet.md): built with the package when a C compiler is there, or by
`python -m mediaserver.native.build` in a checkout. Everything works without it, at about twice the cost."""

from __future__ import annotations

import importlib
from typing import Any

HOW = (
    "install a C compiler and Python's headers (gcc libc6-dev python3-dev), then Video Home once more: `make -B run`;"
    " in a checkout run `python -m mediaserver.native.build`."
)


def load() -> Any | None:
    """The extension module; None where it was not built, or for another Python."""
    try:
        return importlib.import_module("mediaserver.native._batch")
    except ImportError:
        return None
