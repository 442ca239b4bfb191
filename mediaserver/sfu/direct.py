# SPDX-License-Identifier: Apache-2.0
"""What a burst brought, receiver by receiver: what the fan-out and the loop over what leaves do packet by packet, for
the receivers that simply get it. Whoever is to be decided about gets its packets by those two, through the outbox.

Each receiver is looked at once for a burst, and its packets leave as one list, ready to be protected. The compiled
plane has the same in C (native/direct.c).
"""

from __future__ import annotations

import struct
from array import array

from mediaserver.sfu.bandwidth.meter import Meter
from mediaserver.sfu.bandwidth.receiver import Receiver
from mediaserver.sfu.downlink import Downlink
from mediaserver.sfu.fanout import forward
from mediaserver.sfu.outbox import Outbox
from mediaserver.sfu.span import shift
from mediaserver.sfu.stored import NUMBERED_AT, TWCC_AT, Stored

Held = tuple[tuple[Downlink, ...], Stored]
"""A packet next in order that all of these are to get."""
_NUMBERS = struct.Struct("!HII")
_WIDE = struct.Struct("!H")


class Run:
    """Packets of one stream, one after the other, for the same receivers."""

    __slots__ = ("downlinks", "ends_layer", "numbered", "packets", "size_bytes", "sizes", "spatial", "temporal")

    def __init__(self, downlinks: tuple[Downlink, ...], numbered: bool) -> None:
        self.downlinks, self.numbered = downlinks, numbered
        self.packets: list[Stored] = []
        self.sizes = array("I")
        self.size_bytes = self.spatial = self.temporal = 0
        self.ends_layer = False


def runs(held: list[Held]) -> list[Run]:
    """`held` in its order."""
    found: list[Run] = []
    run, before = None, None
    for downlinks, stored in held:
        if run is None or downlinks is not before:
            before = downlinks
            if not downlinks:
                run = None
                continue
            run = Run(downlinks, bool(stored.packet[NUMBERED_AT]))
            found.append(run)
        size = len(stored.packet)
        run.packets.append(stored)
        run.sizes.append(size)
        run.size_bytes += size
        if stored.spatial > run.spatial:
            run.spatial = stored.spatial
        if stored.temporal > run.temporal:
            run.temporal = stored.temporal
        if stored.frame_end and not stored.marker:
            run.ends_layer = True
    return found


def hand_out(held: list[Held], receivers: dict[str, Receiver], outbox: Outbox, now: float) -> None:
    """Put what each receiver simply gets of `held` into the outbox's `direct`, and all else into its `packets`. What
    lies in `packets` already came before, and everything stays behind it."""
    for run in runs(held):
        rest = run.downlinks
        if not outbox.packets:
            rest = tuple([d for d in rest if not _passes(run, d, receivers, outbox.direct, now)])
        if rest:
            for stored in run.packets:
                forward(outbox.packets, rest, stored)


def _passes(
    run: Run, downlink: Downlink, receivers: dict[str, Receiver], direct: dict[str, list[bytearray]], now: float
) -> bool:
    """True when a receiver simply got the run; else nothing was changed."""
    transport_id, packets = downlink.transport_id, run.packets
    receiver = receivers.get(transport_id)
    if receiver is None or receiver.limited or packets[0].extended <= downlink.highest or run.ends_layer:
        return False
    if run.spatial > downlink.spatial or run.temporal > downlink.temporal:
        return False
    meter = receiver.meter
    if type(meter) is not Meter or meter.probing:
        return False
    if not receiver.pacer.passes_whole(run.size_bytes, run.sizes[-1], now):
        return False
    wide = -1
    if run.numbered:
        wide = meter.sent_run(run.sizes, run.size_bytes, now)
        downlink.port.next_twcc += len(packets)
    copies = direct.get(transport_id)
    if copies is None:
        copies = direct[transport_id] = []
    span, ssrc = downlink.span, downlink.ssrc
    offset, timestamp, shifted = span.offset, span.timestamp, span.shifted
    for stored in packets:
        copy = bytearray(stored.packet)
        _NUMBERS.pack_into(copy, 2, stored.extended + offset & 0xFFFF, stored.timestamp + timestamp & 0xFFFFFFFF, ssrc)
        if wide >= 0:
            _WIDE.pack_into(copy, TWCC_AT, wide & 0xFFFF)
            wide += 1
        if shifted:
            shift(copy, stored, span)
        copies.append(copy)
    downlink.highest, downlink.last = stored.extended, stored
    downlink.packets += len(packets)
    downlink.bytes += run.size_bytes
    return True
