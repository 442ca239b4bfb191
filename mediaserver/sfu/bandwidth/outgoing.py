# SPDX-License-Identifier: Apache-2.0
"""The loop over the packets that a room has produced: what leaves now, each with its transport-wide number.

Flat on purpose, as the fan-out before it; the compiled plane has the same loop in C (native/outgoing.c).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mediaserver.sfu.bandwidth.pacer import BURST_S, Kind, Pacer
from mediaserver.sfu.bandwidth.receiver import Receiver
from mediaserver.sfu.outbox import Outgoing
from mediaserver.sfu.stored import NUMBERED_AT, TWCC_AT


def _python(packets: list[Outgoing], receivers: dict[str, Receiver], now: float) -> list[Outgoing]:
    out: list[Outgoing] = []
    for item in packets:
        transport_id, packet, is_rtcp = item
        receiver = receivers.get(transport_id)
        if receiver is None or is_rtcp:
            out.append(item)
        elif receiver.limited or receiver.meter.probing or not receiver.pacer.passes(len(packet), Kind.VIDEO, now):
            if receiver.decide(item, now):
                out.append(item)
        else:
            if packet[NUMBERED_AT]:
                number = receiver.meter.sent(len(packet), now)
                packet[TWCC_AT] = number >> 8
                packet[TWCC_AT + 1] = number & 0xFF
            out.append(item)
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
