# SPDX-License-Identifier: Apache-2.0
"""A room keeps one clock, whatever somebody does to the server's."""

from __future__ import annotations

import time
from typing import Any

import pytest

from mediaserver.recording.feed import SessionOrder
from mediaserver.shell.live_room import LiveRoom
from storage.access import RoomOrder
from storage.ids import new_id


class Feed:
    """Writes down what the recorder would be told."""

    def __init__(self) -> None:
        self.orders: list[SessionOrder] = []

    def session_order(self, order: SessionOrder) -> None:
        self.orders.append(order)


@pytest.mark.parametrize("step_s", [3_600, -3_600])
async def test_a_servers_clock_that_is_set_moves_no_order(monkeypatch: pytest.MonkeyPatch, step_s: int) -> None:
    feed: Any = Feed()
    hub: Any = None
    room_id, wall, wall_ns = new_id(), time.time, time.time_ns
    order = RoomOrder("default", room_id, room_id, "on", 1, "")
    room = LiveRoom(order, hub, feed, lambda kind, facts: None)
    try:
        started_ms = feed.orders[-1].utc_ms
        assert abs(started_ms - wall() * 1000) < 60_000
        monkeypatch.setattr(time, "time", lambda: wall() + step_s)
        monkeypatch.setattr(time, "time_ns", lambda: wall_ns() + step_s * 10**9)
        room.obey(RoomOrder("default", room_id, room_id, "paused", 2, ""))
        assert [found.recording for found in feed.orders] == ["on", "paused"]
        assert 0 <= feed.orders[-1].utc_ms - started_ms < 600_000
        assert room.recording["since_utc_ms"] == feed.orders[-1].utc_ms
    finally:
        room._liveness.cancel()
