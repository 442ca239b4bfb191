# SPDX-License-Identifier: Apache-2.0
"""A person who switches the camera off raises no alarm; a camera of a wall that does not come any more does."""

from __future__ import annotations

from typing import Any

import pytest

from mediaserver.sfu.events import SourceFlow
from mediaserver.sfu.troubles import STALLED_AFTER_S
from mediaserver.shell.room_watch import RoomWatch


class Room:
    """What the watch needs of a live room."""

    room_id = "r"

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []

    def flows(self, now: float) -> list[SourceFlow]:
        return [SourceFlow("p", "cam", False, 9.0, 0.0, paused=True)]

    def utc_ms(self) -> int:
        return 5

    def tell_all(self, kind: str, data: dict[str, Any]) -> None:
        self.told.append((kind, data["troubles"]))

    def publish(self, kind: str, data: dict[str, Any]) -> None:
        self.told.append((kind, data["troubles"]))


@pytest.mark.parametrize("camera", [True, False])
def test_who_is_missed(camera: bool) -> None:
    room: Any = Room()
    watch = RoomWatch(room)
    watch.is_camera = lambda peer_id: camera and peer_id == "p"
    watch.look(10.0)
    assert room.told == []
    watch.look(10.0 + STALLED_AFTER_S)
    trouble = {"peer_id": "p", "source": "cam", "trouble": "stalled", "since_utc_ms": 5}
    assert room.told == ([("troubles", [trouble])] * 2 if camera else [])
