# SPDX-License-Identifier: Apache-2.0
"""The way of one received packet: place, count, store once, hand on to receivers and recorder."""

from __future__ import annotations

from mediaserver.rtp import packet as rtp
from mediaserver.rtp.payload import red_primary
from mediaserver.sfu import intake
from mediaserver.sfu.direct import Held
from mediaserver.sfu.fanout import forward
from mediaserver.sfu.layers import Layers
from mediaserver.sfu.outbox import Outbox
from mediaserver.sfu.ports import Port, Producer
from mediaserver.sfu.shape import BARE, BEGINNING, remember
from mediaserver.sfu.speakers import Speakers
from mediaserver.sfu.stored import Stored
from mediaserver.sfu.tap import Tap
from mediaserver.sfu.uplink import Uplink


class Plane:
    """Forwards packets between the ports of one room."""

    def __init__(self, outbox: Outbox, layers: Layers, speakers: Speakers, tap: Tap) -> None:
        self.outbox, self.speakers, self.tap, self._layers = outbox, speakers, tap, layers
        self.gap = False
        """A packet showed that others are missing: asking for them should not wait for the next tick."""
        self.holds = False
        """Ordinary packets are held until the whole burst is handed out."""
        self.held: list[Held] = []

    def receive(self, port: Port, packet: bytes | bytearray, now: float, came_at: float) -> None:
        """Take one decrypted packet, which came no later than now."""
        size_bytes = len(packet)
        if not port.limit.take(size_bytes, now):
            port.drop("over_rate")
        elif not (intake.remembers and self._take_known(port, packet, size_bytes, now, came_at)):
            self._take_any(port, packet, size_bytes, now, came_at)

    def _take_known(self, port: Port, packet: bytes | bytearray, size_bytes: int, now: float, came_at: float) -> bool:
        """Take a packet that looks as others of its stream did (shape.py), as `_take_any` would; False when it does
        not, and then nothing has changed. Flat on purpose: nearly every packet comes this way."""
        if size_bytes < BEGINNING.size:
            return False
        first, second, number, timestamp, ssrc, key = BEGINNING.unpack_from(packet)
        entry = port.by_ssrc.get(ssrc)
        if entry is None:
            return False
        producer, uplink, _ = entry
        known = uplink.shapes.get(key if first & 0x10 else BARE)
        if (
            known is None
            or known.number_id != port.twcc_id
            or int.from_bytes(packet[: known.payload_offset]) & known.mask != known.value
        ):
            return False
        if not uplink.limit.take(size_bytes, now):
            port.drop("over_rate")
            return True
        if at := known.wide_at:
            port.twcc.arrived(packet[at] << 8 | packet[at + 1], came_at)
        jumps = uplink.jumps
        extended = uplink.accept(number, now)
        if extended is None:
            return True
        if uplink.nack.fresh:
            self.gap = True
        if producer.silenced:
            uplink.pass_over(extended, size_bytes, now)
            return True
        stored = known.store(uplink, packet, second, timestamp, extended, now)
        uplink.store(stored, now)
        level = packet[known.level_at] & 0x7F if known.level_at else None
        self._hand_on(producer, uplink, stored, level, packet, now, jumps)
        return True

    def _take_any(self, port: Port, packet: bytes | bytearray, size_bytes: int, now: float, came_at: float) -> None:
        found = intake.read(packet, port.twcc_id)
        if found is None:
            port.drop("malformed")
            return
        header, wide = found
        entry = port.by_ssrc.get(header.ssrc) or port.place(packet, header)
        if entry is not None and not entry[1].limit.take(size_bytes, now):
            port.drop("over_rate")
            return
        if wide >= 0:
            port.twcc.arrived(wide, came_at)
        if entry is None:
            port.drop("unknown_ssrc")
            return
        producer, uplink, is_rtx = entry
        if is_rtx:
            original = _undo_rtx(producer, uplink, packet, header)
            if original is None:
                return
            packet = original
            rebuilt = rtp.read_header(original)
            assert rebuilt is not None, "a packet that we built is whole"
            header = rebuilt
        if header.payload_type == producer.takes:
            if intake.remembers and not is_rtx:
                remember(producer, uplink, port.twcc_id, packet, header)
            self._take(producer, uplink, packet, header, now, resent=is_rtx)
        elif header.payload_type == producer.parameters.red_payload_type:
            self._take_red(port, producer, uplink, packet, header, now)
        else:
            port.drop("payload_type")

    def _take_red(
        self,
        port: Port,
        producer: Producer,
        uplink: Uplink,
        packet: bytes | bytearray,
        header: rtp.Header,
        now: float,
    ) -> None:
        """RED goes on as it is to those who know it; the others and the recorder get its newest block."""
        payload = memoryview(packet)[header.payload_offset : header.payload_end]
        primary = red_primary(payload)
        if primary is None or primary[0] != producer.parameters.payload_type:
            port.drop("red")
            return
        plain = bytearray(packet[: header.payload_offset]) + payload[primary[1] :]
        plain[0] &= 0xDF
        plain[1] = plain[1] & 0x80 | producer.parameters.payload_type
        read = rtp.read_header(plain)
        assert read is not None, "a packet that we built is whole"
        self._take(producer, uplink, plain, read, now, (packet, header))

    def _take(
        self,
        producer: Producer,
        uplink: Uplink,
        packet: bytes | bytearray,
        header: rtp.Header,
        now: float,
        red: tuple[bytes | bytearray, rtp.Header] | None = None,
        *,
        resent: bool = False,
    ) -> None:
        jumps = uplink.jumps
        extended = uplink.accept(header.sequence_number, now, resent=resent)
        if extended is None:
            return
        self.gap = self.gap or uplink.nack.fresh
        if producer.silenced:
            uplink.pass_over(extended, len(packet), now)
            return
        stored, level = intake.store(producer, uplink, packet, header, extended, now)
        if red is not None:
            plain, (stored, _) = stored, intake.store(producer, uplink, *red, extended, now, red=True)
            stored.plain = plain
        uplink.store(stored, now)
        self._hand_on(producer, uplink, stored, level, packet, now, jumps)

    def _hand_on(
        self,
        producer: Producer,
        uplink: Uplink,
        stored: Stored,
        level: int | None,
        packet: bytes | bytearray,
        now: float,
        jumps: int,
    ) -> None:
        """To receivers and recorder; `jumps` are those of its uplink before it came."""
        if uplink.jumps != jumps:
            self.let_go()
            self._layers.restart(producer, uplink, now)
        if producer.kind == "video":
            self._picture(producer, uplink, stored, now)
        else:
            self._sound(producer, uplink, stored, level, now)
        if stored.extended != uplink.highest:
            for downlink in uplink.downlinks:
                if (again := downlink.again(stored)) is not None:
                    self.outbox.packets.append((downlink.transport_id, again, False))
        if self.tap.on:
            self.tap.take(producer, uplink, stored, packet, now)

    def _picture(self, producer: Producer, uplink: Uplink, stored: Stored, now: float) -> None:
        if stored.keyframe:
            self.let_go()
            self._layers.before_keyframe(producer, uplink, stored)
            forward(self.outbox.packets, uplink.downlinks, stored)
            self._layers.begin(producer, uplink, stored, now)
        else:
            self._forward(uplink, stored)

    def _sound(self, producer: Producer, uplink: Uplink, stored: Stored, level: int | None, now: float) -> None:
        if producer.voice is not None and level is not None:
            if not self.speakers.heard(producer.voice, level, now):
                producer.silent = True
                return
            if producer.silent:
                producer.silent = False
                self.let_go()
                self._layers.restart(producer, uplink, now)
        if producer.pending:
            self.let_go()
            forward(self.outbox.packets, uplink.downlinks, stored)
            self._layers.begin(producer, uplink, stored, now)
        else:
            self._forward(uplink, stored)

    def _forward(self, uplink: Uplink, stored: Stored) -> None:
        if self.holds and stored.plain is None and stored.extended == uplink.highest:
            self.held.append((uplink.downlinks, stored))
        else:
            self.let_go()
            forward(self.outbox.packets, uplink.downlinks, stored)

    def let_go(self) -> None:
        """What is held goes out packet by packet: the streams that receivers get are about to change."""
        held, self.held = self.held, []
        for downlinks, stored in held:
            forward(self.outbox.packets, downlinks, stored)


def _undo_rtx(producer: Producer, uplink: Uplink, packet: bytes | bytearray, header: rtp.Header) -> bytearray | None:
    """The original of a retransmission (RFC 4588 section 4); None for padding that only probes bandwidth."""
    uplink.rtx_packets += 1
    if uplink.ssrc is None or header.payload_end - header.payload_offset < 2:
        uplink.rtx_empty += 1
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
