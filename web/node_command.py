# SPDX-License-Identifier: Apache-2.0
"""`videohome node add`: makes the file by which another machine becomes a media node of this installation."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from storage.node_bundle import new_secret, pack
from storage.nodes import NAME
from storage.settings import Settings
from web.tls.authority import AuthorityDamaged
from web.tls.node_identity import make_bundle


def add(settings: Settings, name: str, out: Path) -> int:
    """Write the file and print its secret, once; exit status 0, or 1 with one sentence."""
    console = Console(highlight=False, soft_wrap=True)
    if settings.node_name:
        console.print("This machine is a media node itself; run this where the pages are.", style="red")
        return 1
    if NAME.fullmatch(name) is None:
        console.print("A node's name has at most 31 small letters, digits and hyphens.", style="red", markup=False)
        return 1
    secret = new_secret()
    try:
        sealed = pack(make_bundle(settings.data_dir, name, settings.county, datetime.now(UTC)), secret)
        handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(sealed)
    except FileExistsError:
        console.print(f"{out} is there already; remove it, or give another name by --out.", style="red", markup=False)
        return 1
    except (AuthorityDamaged, OSError) as fault:
        console.print(str(fault), style="red", markup=False)
        return 1
    console.print(f"Bring {out} to the other machine and run there within a day:", markup=False)
    console.print(f"  VIDEOHOME_NODE_NAME={name} videohome node join {out.name}", markup=False)
    console.print(f"It asks for this secret, which is shown only now:  {secret}", style="bold", markup=False)
    return 0
