# SPDX-License-Identifier: Apache-2.0
"""Which version of Video Home this is."""

from __future__ import annotations

import importlib.metadata


def version() -> str:
    """Version of the installed package; `0` in a source tree that was never installed."""
    try:
        return importlib.metadata.version("videohome")
    except importlib.metadata.PackageNotFoundError:
        return "0"
