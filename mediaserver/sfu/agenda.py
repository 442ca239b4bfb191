# SPDX-License-Identifier: Apache-2.0
"""When something is due to each transport of a room: a tick looks only at those whose time has come."""

from __future__ import annotations

import heapq
import itertools

from mediaserver.sfu.ports import Port


class Agenda:
    """True while any transport is awaited. Of several times for one transport the last told counts."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Port]] = []
        self._turns = itertools.count(1)

    def __bool__(self) -> bool:
        return bool(self._heap)

    def wait(self, port: Port, due_at: float) -> None:
        """Something is due to this transport at that time."""
        port.turn = next(self._turns)
        heapq.heappush(self._heap, (due_at, port.turn, port))

    def due(self, now: float) -> list[Port]:
        """Those whose time has come, taken off. One that is not up is awaited again when it comes up."""
        found = []
        while self._heap and self._heap[0][0] <= now:
            _, turn, port = heapq.heappop(self._heap)
            if port.up and port.turn == turn:
                found.append(port)
        return found

    def forget(self, port: Port) -> None:
        """It has gone."""
        self._heap = [entry for entry in self._heap if entry[2] is not port]
        heapq.heapify(self._heap)
