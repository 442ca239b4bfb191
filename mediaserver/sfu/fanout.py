# SPDX-License-Identifier: Apache-2.0
"""The inner loop: one changed copy of a packet for each receiver.

Flat on purpose: a look-up more in here costs as much as the header rewrite itself.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from mediaserver.sfu.downlink import Downlink
from mediaserver.sfu.outbox import Outgoing
from mediaserver.sfu.ports import Port
from mediaserver.sfu.span import Span, shift
from mediaserver.sfu.stored import NUMBERED_AT, TWCC_AT, Stored

_NUMBERS = struct.Struct("!HII")
_WIDE = struct.Struct("!H")


def forward(out: list[Outgoing], downlinks: tuple[Downlink, ...], stored: Stored) -> None:
    """Append to `out` what each of `downlinks` gets of a packet of the uplink that feeds them."""
    if stored.plain is not None:
        forward(out, tuple(d for d in downlinks if d.plain), stored.plain)
        downlinks = tuple(d for d in downlinks if not d.plain)
    _fan_out(out, downlinks, stored)


def _python(out: list[Outgoing], downlinks: tuple[Downlink, ...], stored: Stored) -> None:
    packet, extended, timestamp = stored.packet, stored.extended, stored.timestamp
    temporal, spatial = stored.temporal, stored.spatial
    ends_layer = stored.frame_end and not stored.marker
    size = len(packet)
    numbered = packet[NUMBERED_AT]
    number, append = _NUMBERS.pack_into, out.append
    for downlink in downlinks:
        if extended > downlink.highest:
            if (temporal > downlink.temporal or spatial > downlink.spatial) and not downlink.admit(stored):
                continue
            downlink.highest, downlink.last = extended, stored
            span = downlink.span
            copy = bytearray(packet)
            number(copy, 2, extended + span.offset & 0xFFFF, timestamp + span.timestamp & 0xFFFFFFFF, downlink.ssrc)
            if numbered:
                port = downlink.port
                wide = port.next_twcc
                port.next_twcc = wide + 1
                _WIDE.pack_into(copy, TWCC_AT, wide & 0xFFFF)
            if span.shifted:
                shift(copy, stored, span)
            if ends_layer and spatial == downlink.spatial:
                copy[1] |= 0x80  # the layers above were left out: the picture ends here
        else:
            late = downlink.late(stored)
            if late is None:
                continue
            copy = late
        downlink.packets += 1
        downlink.bytes += size
        append((downlink.transport_id, copy, False))


_fan_out: Callable[[list[Outgoing], tuple[Downlink, ...], Stored], None] = _python


def use(module: Any | None) -> None:
    """Take the loop of the compiled plane, or this one for None."""
    global _fan_out
    if module is None:
        _fan_out = _python
    else:
        module.bind_fanout(Downlink, Span, Stored, Port)
        _fan_out = module.fan_out
