# SPDX-License-Identifier: Apache-2.0
"""Secrets as files: made once, mode 0600 in a folder of mode 0700, the same for every program that asks at once."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path


def secret_bytes(path: Path, make: Callable[[], bytes] = lambda: secrets.token_bytes(32)) -> bytes:
    """Content of the secret file `path`; made by `make` when there is none.

    Two programs may start at the same moment: the file is written under a name of its own and linked into place,
    so both read the one that came first, and nobody reads half of one. Raises OSError.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.parent.chmod(0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    write_secret(draft, make())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass  # another program was first; its secret counts
    finally:
        draft.unlink()
    return path.read_bytes()


def write_secret(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, flushed to the disk. Replaces what was there. Raises OSError."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
