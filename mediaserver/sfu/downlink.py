# SPDX-License-Identifier: Apache-2.0
"""One stream that we send to one receiver: its own SSRC and numbers, its start at a key frame, repair and reports."""

from __future__ import annotations

from typing import Any

from mediaserver.rtp import packet as rtp
from mediaserver.rtp.clock import middle_32
from mediaserver.rtp.rtcp import ReportBlock, SenderReport
from mediaserver.rtp.seqnum import unwrap16
from mediaserver.sfu.uplink import Uplink

RESEND_SPACING_S = 0.03
"""The same packet is not sent again within this time: one NACK and its repeat often cross the repair."""
RESEND_LIMIT = 6
RESEND_REMEMBERED = 512
"""Packets whose resends are counted; the oldest is forgotten first."""


class Downlink:
    """What one consumer gets. `offset` turns an uplink's extended number into ours."""

    __slots__ = (
        "_resent",
        "_rtx_sequence",
        "bytes",
        "consumer_id",
        "fraction_lost",
        "mid",
        "nacked",
        "offset",
        "packets",
        "peer_id",
        "producer_id",
        "resent",
        "rtt_s",
        "rtx_ssrc",
        "ssrc",
        "start",
        "transport_id",
        "uplink",
        "waiting",
    )

    def __init__(
        self,
        consumer_id: str,
        producer_id: str,
        peer_id: str,
        transport_id: str,
        mid: str,
        uplink: Uplink,
        ssrc: int,
        rtx_ssrc: int | None,
        first_sequence: int,
    ) -> None:
        self.consumer_id, self.producer_id, self.peer_id = consumer_id, producer_id, peer_id
        self.transport_id, self.mid, self.uplink = transport_id, mid, uplink
        self.ssrc, self.rtx_ssrc = ssrc, rtx_ssrc
        self.start: int | None = None  # extended number of the uplink's packet that we began with
        self.offset = first_sequence
        self.packets = self.bytes = self.nacked = self.resent = 0
        self.fraction_lost = 0.0
        self.rtt_s: float | None = None
        self.waiting = True  # its transport is not up: sending now would waste the key frame
        self._rtx_sequence = first_sequence
        self._resent: dict[int, tuple[float, int]] = {}

    def begin(self, extended: int) -> None:
        """The packet `extended` is the first that this receiver gets."""
        self.start = extended
        self.offset -= extended

    def answer_nack(self, sequence_numbers: tuple[int, ...], now: float) -> list[bytearray]:
        """Packets to send again: as RTX (RFC 4588) where the receiver has it, else under their own number."""
        found: list[bytearray] = []
        highest = self.uplink.highest
        if self.start is None or highest is None:
            return found
        self.nacked += len(sequence_numbers)
        for number in sequence_numbers:
            extended = unwrap16(number, highest + self.offset) - self.offset
            stored = self.uplink.stored(extended) if extended >= self.start else None
            if stored is None or not self._may_resend(extended, now):
                continue
            found.append(self._resend(number, stored))
        self.resent += len(found)
        return found

    def _may_resend(self, extended: int, now: float) -> bool:
        last, count = self._resent.get(extended, (-1.0, 0))
        if count >= RESEND_LIMIT or (count and now - last < RESEND_SPACING_S):
            return False
        if len(self._resent) >= RESEND_REMEMBERED and extended not in self._resent:
            del self._resent[next(iter(self._resent))]
        self._resent[extended] = now, count + 1
        return True

    def _resend(self, number: int, stored: bytearray) -> bytearray:
        copy = bytearray(stored)
        timestamp = int.from_bytes(stored[4:8])
        if self.rtx_ssrc is None:
            rtp.rewrite(
                copy,
                payload_type=self.uplink.codec.payload_type,
                sequence_number=number,
                timestamp=timestamp,
                ssrc=self.ssrc,
            )
            return copy
        header = rtp.read_header(stored)
        assert header is not None, "the ring holds only whole packets"
        self._rtx_sequence += 1
        copy[header.payload_offset : header.payload_offset] = number.to_bytes(2)
        rtp.rewrite(
            copy,
            payload_type=self.uplink.codec.rtx_payload_type,
            sequence_number=self._rtx_sequence,
            timestamp=timestamp,
            ssrc=self.rtx_ssrc,
        )
        return copy

    def sender_report(self, now: float) -> SenderReport | None:
        """The publisher's clock pair, carried on to `now`, under our SSRC: sound and picture stay together at the
        receiver. None before the publisher's first report."""
        source = self.uplink.report
        if source is None or not self.packets:
            return None
        elapsed = now - self.uplink.report_at
        ntp = (source.ntp + int(elapsed * (1 << 32))) & 0xFFFFFFFFFFFFFFFF
        rtp_timestamp = source.rtp_timestamp + int(elapsed * self.uplink.codec.clock_rate)
        return SenderReport(self.ssrc, ntp, rtp_timestamp, self.packets, self.bytes)

    def receiver_report(self, block: ReportBlock, now: float) -> None:
        """Loss and round trip as the receiver saw them (RFC 3550 section 6.4.1)."""
        self.fraction_lost = block.fraction_lost / 256
        source = self.uplink.report
        if block.last_sr and source is not None:
            ntp_now = source.ntp + int((now - self.uplink.report_at) * (1 << 32))
            rtt = (middle_32(ntp_now) - block.last_sr - block.delay_since_last_sr) & 0xFFFFFFFF
            if rtt < 10 * 65536:
                self.rtt_s = rtt / 65536

    def stats(self) -> dict[str, Any]:
        """Counters, JSON-ready."""
        return {
            "consumer_id": self.consumer_id,
            "peer_id": self.peer_id,
            "packets": self.packets,
            "bytes": self.bytes,
            "nacked": self.nacked,
            "resent": self.resent,
            "fraction_lost": round(self.fraction_lost, 4),
            "rtt_ms": None if self.rtt_s is None else round(self.rtt_s * 1000, 1),
        }
