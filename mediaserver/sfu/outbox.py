# SPDX-License-Identifier: Apache-2.0
"""What a room has for its owner: packets to protect and send, and events, in the order of happening."""

from __future__ import annotations

from mediaserver.sfu.events import Event

Outgoing = tuple[str, bytearray, bool]
"""(transport id, plain packet, True for RTCP)."""
Received = tuple[str, bytes | bytearray, float]
"""A decrypted RTP packet: transport id, bytes, when it came."""


class Outbox:
    """Filled by the parts of a room, emptied by its owner after every call."""

    __slots__ = ("direct", "events", "packets")

    def __init__(self) -> None:
        self.packets: list[Outgoing] = []
        self.direct: dict[str, list[bytearray]] = {}
        """Plain RTP packets by transport, numbered and paced: they leave before `packets`."""
        self.events: list[Event] = []

    def take_packets(self) -> list[Outgoing]:
        """The packets since the last call; each is the caller's own."""
        packets, self.packets = self.packets, []
        return packets

    def take_direct(self) -> dict[str, list[bytearray]]:
        """The packets of bursts since the last call; each is the caller's own."""
        direct, self.direct = self.direct, {}
        return direct

    def take_events(self) -> list[Event]:
        """The events since the last call."""
        events, self.events = self.events, []
        return events
