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
from mediaserver.sfu.stored import NUMBERED_AT, Stored

Held = tuple[tuple[Downlink, ...], Stored]
"""A packet next in order that all of these are to get."""
_BEGINNING = struct.Struct("!HHIIIHH")
"""Of a packet for receivers, to where its transport-wide number lies: to write what does not change again costs less
than to write in two places."""
_UNCHANGED = struct.Struct("!H10xIHH")
"""Of that beginning; its last two bytes change where there is such a number."""


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
    lies in `packets` already came before, and everything stays behind it.

    Of `direct` the sound comes after the pictures: they are of one size but for the last, and so they all leave as one
    (UDP GSO), sound included. The order within a stream stays."""
    sound: dict[str, list[bytearray]] = {}
    for run in runs(held):
        rest = run.downlinks
        if not outbox.packets:
            rest = _give(run, receivers, outbox.direct if run.numbered else sound, now)
        if rest:
            for stored in run.packets:
                forward(outbox.packets, rest, stored)
    direct = outbox.direct
    for transport_id, copies in sound.items():
        if (before := direct.get(transport_id)) is None:
            direct[transport_id] = copies
        else:
            before += copies


def _give(
    run: Run, receivers: dict[str, Receiver], direct: dict[str, list[bytearray]], now: float
) -> tuple[Downlink, ...]:
    """Give the run to those who simply get it; the others, of whom nothing was changed. One flat loop: it runs for
    every receiver of every batch."""
    if run.ends_layer:
        return run.downlinks
    rest: list[Downlink] = []
    packets, sizes, size_bytes, numbered = run.packets, run.sizes, run.size_bytes, run.numbered
    first, newest, count, last_bytes = packets[0].extended, packets[-1], len(packets), sizes[-1]
    spatial, temporal = run.spatial, run.temporal
    times = array("d", (now,)) * count
    write = _BEGINNING.pack_into
    known = [(one, one.packet, one.extended, one.timestamp, *_UNCHANGED.unpack_from(one.packet)) for one in packets]
    for downlink in run.downlinks:
        transport_id = downlink.transport_id
        receiver = receivers.get(transport_id)
        if (
            receiver is None
            or receiver.limited
            or first <= downlink.highest
            or spatial > downlink.spatial
            or temporal > downlink.temporal
            or type(meter := receiver.meter) is not Meter
            or meter.probing
            or not receiver.pacer.passes_whole(size_bytes, last_bytes, now)
        ):
            rest.append(downlink)
            continue
        if (copies := direct.get(transport_id)) is None:
            copies = direct[transport_id] = []
        span, ssrc = downlink.span, downlink.ssrc
        offset, timestamp, shifted = span.offset, span.timestamp, span.shifted
        wide = 0
        if numbered:
            wide = meter.sent_run(sizes, times, size_bytes)
            downlink.port.next_twcc += count
        for stored, packet, extended, its_time, head, block, slot, number in known:
            copy = bytearray(packet)
            sequence, rtp_time = extended + offset & 0xFFFF, its_time + timestamp & 0xFFFFFFFF
            write(copy, 0, head, sequence, rtp_time, ssrc, block, slot, wide & 0xFFFF if numbered else number)
            wide += 1
            if shifted:
                shift(copy, stored, span)
            copies.append(copy)
        downlink.highest, downlink.last = newest.extended, newest
        downlink.packets += count
        downlink.bytes += size_bytes
    return tuple(rest)
