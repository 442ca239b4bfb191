# SPDX-License-Identifier: Apache-2.0
"""On which media process a room goes. PURE.

A room lives on one process, with its recorder. Where recording was ever ordered the room stays: one recorder holds the
whole record. Any other room may go elsewhere when its process drains or is lost.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

LEASE_MS: Final = 15_000
"""A process that nobody has heard of for so long is lost; one that was killed is back in a fraction of it."""


@dataclass(frozen=True, slots=True)
class Node:
    """One media process as it was heard of last."""

    node_id: str
    peers: int
    rooms: int
    draining: bool
    lease_until_utc_ms: int

    def takes_rooms(self, now_ms: int) -> bool:
        """True while new rooms may be put there."""
        return not self.draining and now_ms < self.lease_until_utc_ms


def choose(nodes: Collection[Node], now_ms: int) -> str | None:
    """The process with the fewest peers, then the fewest rooms, then the first; None when none takes rooms."""
    able = [node for node in nodes if node.takes_rooms(now_ms)]
    return min(able, key=lambda node: (node.peers, node.rooms, node.node_id)).node_id if able else None


def must_move(node: Node | None, *, pinned: bool, now_ms: int) -> bool:
    """True when a room that is placed on `node` (None: a process that is not there any more) goes elsewhere."""
    if pinned:
        return False
    return node is None or not node.takes_rooms(now_ms)
