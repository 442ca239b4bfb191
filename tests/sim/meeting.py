# SPDX-License-Identifier: Apache-2.0
"""A room that allocates: a simulcast camera of real bitrates, and viewers that send transport-wide feedback."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

from mediaserver.sfu import events
from mediaserver.sfu.bandwidth.view import Mode, Role, Tile, View
from mediaserver.sfu.twcc import TwccReceiver
from tests.sim.leg import FEEDBACK_S
from tests.sim.network import Link
from tests.sim.stage import Stage, Viewer

SHAPES = ((1, 560), (2, 980), (6, 980))
"""Packets of a frame and bytes of each: 150, 500 and 1500 kbit/s at 30 frames a second."""
ANSWER_S = 0.05
"""From the server's note to the camera's obeying it."""


@dataclass
class Watcher(Viewer):
    """A viewer whose browser reports every packet that came."""

    with_feedback: bool = True
    twcc: TwccReceiver = field(default_factory=TwccReceiver)
    _next: float = 0.0

    def gets(self, packet: bytes, now: float) -> None:
        """A packet arrived."""
        super().gets(packet, now)
        self.twcc.arrived(self.wide[-1], now + 3_000)  # another clock

    def asks(self, now: float) -> None:
        """Repairs, and feedback."""
        super().asks(now)
        if now >= self._next:
            self._next = now + FEEDBACK_S
            for report in self.twcc.feedback(1, 2):
                if self.with_feedback:
                    self.back.send(report, now)

    def longest_gap(self, since: float, until: float) -> float:
        """Longest time without a new picture in between, in seconds."""
        times = [since, *(shown.at for shown in self.decoder.finish() if since < shown.at < until), until]
        return max(later - earlier for earlier, later in itertools.pairwise(times))

    def layers(self, since: float, until: float) -> list[int]:
        """Layers of the pictures shown in between."""
        return [shown.layer for shown in self.decoder.finish() if since <= shown.at < until]

    def first(self, layer: int, since: float) -> float:
        """Seconds from `since` until a picture of this layer was shown."""
        return next((s.at - since for s in self.decoder.finish() if s.at >= since and s.layer == layer), float("inf"))


class Meeting(Stage):
    """One camera, its layers switched off and on as the server says."""

    def __init__(self, seed: int, **settings: Any) -> None:
        super().__init__(seed, room={"allocate": True}, **settings)
        for layer, (packets, size) in zip(self.layers, SHAPES, strict=True):
            layer.packets, layer.size = packets, size
        self.notes: list[tuple[float, int]] = []
        self.estimated = len(SHAPES) - 1
        """The highest layer for which there is room by the camera's own estimate; it sends none above."""
        self._allowed = self.estimated
        self._heard = 0
        self._due: list[tuple[float, int]] = []

    def watch(self, peer_id: str = "b", **link: Any) -> Watcher:
        """A viewer joins."""
        seed = self.chance.randrange(1 << 30)
        feedback = link.pop("with_feedback", True)
        down = Link(seed, **link)
        viewer = Watcher(peer_id, down, Link(seed + 1, delay_s=down.delay_s, loss=down.loss), with_feedback=feedback)
        self.room.join(peer_id, peer_id.upper(), "desk", self.now)
        self.room.add_transport(f"{peer_id}-recv", peer_id, "recv")
        viewer.consumer = self.room.consumers(peer_id)[0]
        self.viewers.append(viewer)
        self.room.transport_up(f"{peer_id}-recv", self.now)
        return viewer

    def show(
        self, viewer: Viewer, height: int | None, role: Role = "stage", mode: Mode = "normal", cap: int | None = None
    ) -> None:
        """The viewer's page shows the camera this large, or not at all."""
        tiles = {} if height is None else {viewer.consumer["id"]: Tile(height * 16 // 9, height, role)}
        self.room.view(viewer.peer_id, View(tiles, mode, cap), self.now)

    def _publish(self) -> None:
        while self._heard < len(self.events):
            event = self.events[self._heard]
            self._heard += 1
            if isinstance(event, events.ProducerLayers):
                self.notes.append((self.now, event.max_spatial))
                self._due.append((self.now + ANSWER_S, event.max_spatial))
        while self._due and self._due[0][0] <= self.now:
            _, self._allowed = self._due.pop(0)
        highest = min(self._allowed, self.estimated)
        for layer in self.layers:
            layer.key_wanted = layer.key_wanted or (layer.index <= highest and not layer.on)
            layer.on = layer.index <= highest
        super()._publish()

    def estimate(self, viewer: Viewer) -> int:
        """What the room believes of a viewer's link."""
        found: int = self.room.stats(self.now)["links"][f"{viewer.peer_id}-recv"]["estimate_bps"]
        return found
