# SPDX-License-Identifier: Apache-2.0
"""What is wrong with the sources of one live room, told as a whole to its pages and to `web` when it changes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from mediaserver.sfu.troubles import Troubles
from mediaserver.signalling import messages

if TYPE_CHECKING:
    from mediaserver.shell.live_room import LiveRoom


class RoomWatch:
    """Called by the room alone, in the event loop."""

    def __init__(self, room: LiveRoom) -> None:
        self._room = room
        self.state = Troubles()
        self.is_camera: Callable[[str], bool] = lambda _: False
        """An IP camera's process pauses what does not come any more; nobody has switched it off."""

    def report(self, peer_id: str, body: messages.ReportSource) -> None:
        """A page measured its own camera or microphone. Raises PeerFault, see `Troubles.report`."""
        now = time.monotonic()
        self.look(now)  # a source that began a moment ago is known then
        self.state.report(peer_id, body.source, body.trouble, now)
        self.look(now)

    def sampled(self, peer_id: str, source: str, trouble: str | None) -> None:
        """What a decoded sample showed of a source that has no page."""
        self.state.sample(peer_id, source, trouble)
        self.look(time.monotonic())

    def look(self, now: float) -> None:
        """Notice what began or ended, and tell it."""
        flows = [
            replace(flow, wanted=True) if flow.paused and self.is_camera(flow.peer_id) else flow
            for flow in self._room.flows(now)
        ]
        if self.state.look(flows, now, self._room.utc_ms()):
            self._room.tell_all("troubles", {"troubles": self.state.current()})
            self._room.publish("troubles", {"room": self._room.room_id, "troubles": self.state.current()})
