# SPDX-License-Identifier: Apache-2.0
"""The embedded object store: SeaweedFS (`weed mini`) as a child on loopback."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


class StoreNotStarted(Exception):
    """The embedded store has no address or keys yet. The text is one sentence."""


@dataclass(frozen=True, slots=True)
class StoreAccess:
    """Address and keys of the embedded store's S3 door."""

    endpoint: str
    access_key: str
    secret_key: str

    def __repr__(self) -> str:
        return f"StoreAccess(endpoint={self.endpoint!r})"


def read_access(store_dir: Path) -> StoreAccess:
    """Address and keys that the running (or last) embedded store uses. Raises StoreNotStarted."""
    try:
        ports = json.loads((store_dir / "ports.json").read_bytes())
        keys = json.loads((store_dir / "keys.json").read_bytes())
        return StoreAccess(f"127.0.0.1:{int(ports['s3'])}", str(keys["access_key"]), str(keys["secret_key"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreNotStarted(f"The embedded store has not been started yet ({type(error).__name__}).") from None
