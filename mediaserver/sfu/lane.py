# SPDX-License-Identifier: Apache-2.0
"""What the compiled plane has at hand of one publishing transport, to take an ordinary packet all its way in C
(native/relay.c): nothing is decided there. What is out of the ordinary comes to `Plane.receive`, untouched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mediaserver.rtp.rtcp import SenderReport
from mediaserver.sfu import activity, speakers
from mediaserver.sfu.bandwidth.receiver import Receiver
from mediaserver.sfu.downlink import Downlink
from mediaserver.sfu.nack import NackGenerator
from mediaserver.sfu.outbox import Outbox, Outgoing
from mediaserver.sfu.plane import Plane
from mediaserver.sfu.ports import Port, Producer
from mediaserver.sfu.span import Span
from mediaserver.sfu.tap import Tap
from mediaserver.sfu.uplink import Uplink


class Lane:
    """Of one transport. `room` holds `_now`; `flush` is called when something of a burst has to wait."""

    __slots__ = ("flush", "outbox", "port", "receivers", "room", "speakers", "tap")

    def __init__(self, room: Any, port: Port, receivers: dict[str, Receiver], plane: Plane) -> None:
        self.room, self.port, self.receivers = room, port, receivers
        self.tap, self.speakers, self.outbox = plane.tap, plane.speakers, plane.outbox
        self.flush: Callable[[], None] = lambda: None


forward: Callable[[Lane, bytes | bytearray, float, list[Outgoing]], bool] | None = None
"""Of the compiled plane: True when it took a packet and put its copies into the list, False when it changed nothing."""


def use(module: Any | None) -> None:
    """Take the compiled plane's way, or none for None."""
    global forward
    if module is None:
        forward = None
    else:
        module.bind_relay(
            (
                Lane,
                Port,
                Producer,
                Uplink,
                activity.Activity,
                NackGenerator,
                speakers.Voice,
                speakers.Speakers,
                Tap,
                Outbox,
            ),
            activity.WINDOW_S,
            speakers.ACTIVE_LEVEL,
            speakers.WINDOW_S,
            speakers.FALL_DB_PER_S,
            speakers.TAKES_PLACE_DB,
        )
        module.bind_told(Lane, Port, Receiver, Downlink, Span, Uplink, SenderReport)
        forward = module.forward_received
