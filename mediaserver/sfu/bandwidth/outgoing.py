# SPDX-License-Identifier: Apache-2.0
"""The loop over the packets that a room has produced: what leaves now, each with its transport-wide number.

Flat on purpose, as the fan-out before it; the compiled plane has the same loop in C (native/outgoing.c).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from mediaserver.sfu.bandwidth.pacer import BURST_S, Kind, Pacer
from mediaserver.sfu.bandwidth.receiver import Receiver
from mediaserver.sfu.outbox import Outgoing
from mediaserver.sfu.stored import NUMBERED_AT, TWCC_AT

_WIDE = struct.Struct("!H")
_VIDEO: Kind = Kind.VIDEO
"""At hand: to find a member of an enumeration costs as much as the comparison that it is for."""


def _python(packets: list[Outgoing], receivers: dict[str, Receiver], now: float) -> list[Outgoing]:
    out: list[Outgoing] = []
    leave, write = out.append, _WIDE.pack_into
    for item in packets:
        transport_id, packet, is_rtcp = item
        receiver = receivers.get(transport_id)
        if receiver is None or is_rtcp:
            leave(item)
            continue
        meter, size = receiver.meter, len(packet)
        if receiver.limited or meter.probing or not receiver.pacer.passes(size, _VIDEO, now):
            if receiver.decide(item, now):
                leave(item)
            continue
        if packet[NUMBERED_AT]:
            write(packet, TWCC_AT, meter.sent(size, now))
        leave(item)
    return out


_outgoing: Callable[[list[Outgoing], dict[str, Receiver], float], list[Outgoing]] = _python


def outgoing(packets: list[Outgoing], receivers: dict[str, Receiver], now: float) -> list[Outgoing]:
    """What of `packets` leaves now, in order; the rest of a burst waits with its receiver."""
    return _outgoing(packets, receivers, now)


def use(module: Any | None) -> None:
    """Take the loop of the compiled plane, or this one for None."""
    global _outgoing
    if module is None:
        _outgoing = _python
    else:
        module.bind_outgoing(Receiver, Pacer, BURST_S)
        _outgoing = module.outgoing
