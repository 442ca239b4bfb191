# SPDX-License-Identifier: Apache-2.0
"""The per-packet loop: place, count, store once, and write one changed copy for each receiver.

Flat on purpose: a look-up more in the inner loop costs as much as the header rewrite itself.
"""

from __future__ import annotations

import struct

from mediaserver.rtp import codecs
from mediaserver.rtp import packet as rtp
from mediaserver.rtp.payload import read_vp8
from mediaserver.sfu.events import Event, RecordedPacket
from mediaserver.sfu.ports import Port, Producer
from mediaserver.sfu.uplink import Uplink

Outgoing = tuple[str, bytearray, bool]
_NUMBERS = struct.Struct("!HII")


class Plane:
    """Forwards packets between the ports of one room; holds what waits to be drained."""

    def __init__(self) -> None:
        self.packets: list[Outgoing] = []
        self.events: list[Event] = []
        self.recording = False
        self._first: RecordedPacket | None = None

    def receive(self, port: Port, packet: bytes | bytearray, now: float) -> Producer | None:
        """Take one decrypted packet. Returns the producer when this packet is its first of a stream to be recorded."""
        header = rtp.read_header(packet)
        if header is None:
            port.drop("malformed")
            return None
        if port.twcc_id:
            for number, offset, length in rtp.extensions(packet, header):
                if number == port.twcc_id and length >= 2:
                    port.twcc.arrived(packet[offset] << 8 | packet[offset + 1], now)
                    break
        entry = port.by_ssrc.get(header.ssrc) or port.place(packet, header)
        if entry is None:
            port.drop("unknown_ssrc")
            return None
        producer, uplink, is_rtx = entry
        if is_rtx:
            original = self._undo_rtx(producer, uplink, packet, header)
            if original is None:
                return None
            packet = original
            header = rtp.read_header(original)
            assert header is not None, "a packet that we built is whole"
        if header.payload_type != producer.parameters.payload_type:
            port.drop("payload_type")
            return None
        return self._take(producer, uplink, packet, header, now)

    def _undo_rtx(
        self, producer: Producer, uplink: Uplink, packet: bytes | bytearray, header: rtp.Header
    ) -> bytearray | None:
        """The original of a retransmission (RFC 4588 section 4); None for padding that only probes bandwidth."""
        uplink.rtx_packets += 1
        if uplink.ssrc is None or header.payload_end - header.payload_offset < 2:
            return None
        original = bytearray(packet[: header.payload_end])
        sequence_number = packet[header.payload_offset] << 8 | packet[header.payload_offset + 1]
        del original[header.payload_offset : header.payload_offset + 2]
        original[0] &= 0xDF
        rtp.rewrite(
            original,
            payload_type=producer.parameters.payload_type,
            sequence_number=sequence_number,
            timestamp=header.timestamp,
            ssrc=uplink.ssrc,
        )
        return original

    def _take(
        self, producer: Producer, uplink: Uplink, packet: bytes | bytearray, header: rtp.Header, now: float
    ) -> Producer | None:
        extended = uplink.accept(header.sequence_number, now)
        if extended is None:
            return None
        common = self._common(producer, packet, header)
        uplink.store(extended, common, header.timestamp, now)
        if uplink is not producer.uplinks[0]:
            return None
        keyframe = False
        if producer.kind == "video":
            descriptor = read_vp8(memoryview(packet)[header.payload_offset : header.payload_end])
            keyframe = descriptor is not None and descriptor.keyframe
        self._forward(producer, uplink, common, header, extended, keyframe)
        if keyframe and not any(downlink.start is None and not downlink.waiting for downlink in producer.downlinks):
            uplink.keyframe_came()
        if not self.recording:
            return None
        recorded = RecordedPacket(producer.producer_id, bytes(packet), now)
        if producer.recorded:
            self.events.append(recorded)
            return None
        self._first = recorded
        return producer

    def record_first(self) -> None:
        """Pass on the packet that opened an epoch, after the owner announced the epoch."""
        assert self._first is not None, "called only for a producer that `receive` returned"
        self.events.append(self._first)
        self._first = None

    def _common(self, producer: Producer, packet: bytes | bytearray, header: rtp.Header) -> bytearray:
        """The packet with our payload type and extension ids, no CSRCs and no padding: one copy serves all."""
        elements = []
        if header.extension_profile:
            wanted = codecs.FORWARDED_EXTENSIONS[producer.kind]
            ids = {producer.parameters.extension_ids.get(uri): codecs.EXTENSION_IDS[uri] for uri in wanted}
            for number, offset, length in rtp.extensions(packet, header):
                ours = ids.get(number)
                if ours is not None:
                    elements.append((ours, bytes(packet[offset : offset + length])))
        return rtp.build(
            payload_type=producer.parameters.codec.payload_type,
            sequence_number=header.sequence_number,
            timestamp=header.timestamp,
            ssrc=header.ssrc,
            payload=memoryview(packet)[header.payload_offset : header.payload_end],
            marker=header.marker,
            extension_block=rtp.build_extensions(elements),
        )

    def _forward(
        self, producer: Producer, uplink: Uplink, common: bytearray, header: rtp.Header, extended: int, keyframe: bool
    ) -> None:
        out = self.packets
        timestamp = header.timestamp
        size = len(common)
        for downlink in producer.downlinks:
            if downlink.start is None:
                if downlink.waiting or not (keyframe or producer.kind == "audio"):
                    continue
                downlink.begin(extended)
            elif extended < downlink.start or downlink.waiting:
                continue
            copy = bytearray(common)
            _NUMBERS.pack_into(copy, 2, (extended + downlink.offset) & 0xFFFF, timestamp, downlink.ssrc)
            downlink.packets += 1
            downlink.bytes += size
            out.append((downlink.transport_id, copy, False))
