# SPDX-License-Identifier: Apache-2.0
"""`videohome node join`: takes the file that `videohome node add` made on the machine with the pages."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console

from storage.node_bundle import MOST_BYTES, BundleRefused, install, unpack
from storage.settings import Settings


def run(settings: Settings, file: Path, secret: str) -> int:
    """Exit status 0 when this machine is the node from now on, or 1 with one sentence. The file is removed then."""
    console = Console(highlight=False, soft_wrap=True)
    try:
        with file.open("rb") as source:
            bundle = unpack(source.read(MOST_BYTES), secret)
        install(bundle, settings.data_dir, settings.node_name, settings.county, time.time())
        file.unlink()
    except (BundleRefused, OSError) as fault:
        console.print(str(fault), style="red", markup=False)
        return 1
    console.print(f"This machine is the media node {bundle.name}; the file is removed. Start it by: videohome serve")
    return 0
