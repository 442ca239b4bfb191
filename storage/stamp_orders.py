# SPDX-License-Identifier: Apache-2.0
"""Sealed manifests that still wait for their time stamp: one small file each, so that no restart forgets one.

They lie in `stamps/` of the spool, apart from the sessions, which are forgotten as soon as they are sealed.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from storage.files import write_atomically
from storage.ids import is_county, is_id

FOLDER = "stamps"


@dataclass(frozen=True, slots=True)
class StampOrder:
    """One manifest to be stamped. `sha256` is the digest of its stored bytes."""

    county: str
    session_id: str
    sha256: str
    ordered_utc_ms: int


class StampOrders:
    """The orders of one spool."""

    def __init__(self, spool_dir: Path) -> None:
        self._folder = spool_dir / FOLDER

    def add(self, order: StampOrder) -> None:
        """Durable when this returns; an order for the same session is replaced. Raises OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(self._path(order), json.dumps(asdict(order)).encode(), 0o600)

    def waiting(self) -> list[StampOrder]:
        """All orders, the oldest first. What cannot be read is passed over: it was never whole. Raises OSError."""
        found = []
        for path in self._folder.glob("*.json"):
            try:
                order = StampOrder(**json.loads(path.read_bytes()))
            except (FileNotFoundError, TypeError, ValueError):
                continue
            if is_county(order.county) and is_id(order.session_id):
                found.append(order)
        return sorted(found, key=lambda order: (order.ordered_utc_ms, order.session_id))

    def remove(self, order: StampOrder) -> None:
        """The stamp is on its way to the store. Raises OSError."""
        self._path(order).unlink(missing_ok=True)

    def answer_path(self, order: StampOrder) -> Path:
        """Where the answer lies until it is uploaded."""
        return self._folder / f"{order.session_id}.tsr"

    def _path(self, order: StampOrder) -> Path:
        return self._folder / f"{order.session_id}.json"
