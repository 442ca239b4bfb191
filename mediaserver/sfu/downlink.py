# SPDX-License-Identifier: Apache-2.0
"""One stream that we send to one receiver: which layer it is fed from, its own numbers, repair and reports."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from mediaserver.rtp import codecs
from mediaserver.rtp import packet as rtp
from mediaserver.rtp.clock import middle_32
from mediaserver.rtp.rtcp import ReportBlock, SenderReport
from mediaserver.rtp.seqnum import unwrap16
from mediaserver.sfu.events import Reason
from mediaserver.sfu.patience import Patience
from mediaserver.sfu.repair import Repair
from mediaserver.sfu.span import OPEN, Span, write
from mediaserver.sfu.stored import NEVER, Stored
from mediaserver.sfu.uplink import Uplink

if TYPE_CHECKING:
    from mediaserver.sfu.ports import Port

SPANS_REMEMBERED = 128
"""Stretches with an offset of their own; what is older cannot be repaired. Leaving out every second frame of 30 a
second makes 15 a second."""
PROBE_REPEATS = 16
"""A probe repeats some of so many packets."""
ALL_LAYERS = 9
"""A spatial or temporal limit that leaves nothing out."""
_NOWHERE = Span(Uplink(codecs.OPUS), 0, 0, 0)
_NOWHERE.end = 0


class Downlink:
    """What one consumer gets.

    The per-packet loop reads and writes `span`, `highest`, `last`, `spatial`, `temporal`, `packets` and `bytes` only.
    """

    __slots__ = (
        "_left_out",
        "_rtx_sequence",
        "avoid",
        "avoid_until",
        "bytes",
        "consumer_id",
        "first_sequence",
        "fraction_lost",
        "highest",
        "last",
        "mid",
        "nacked",
        "packets",
        "patience",
        "peer_id",
        "plain",
        "port",
        "producer_id",
        "reason",
        "refused",
        "repair",
        "resent",
        "rtt_s",
        "rtx_ssrc",
        "since",
        "skipped",
        "span",
        "spans",
        "spatial",
        "ssrc",
        "stalls",
        "target",
        "temporal",
        "told",
        "transport_id",
        "uplink",
        "waiting",
        "want",
        "want_since",
    )

    def __init__(
        self,
        consumer_id: str,
        producer_id: str,
        port: Port,
        mid: str,
        ssrc: int,
        rtx_ssrc: int | None,
        first_sequence: int,
    ) -> None:
        self.consumer_id, self.producer_id, self.port, self.mid = consumer_id, producer_id, port, mid
        self.peer_id, self.transport_id = port.peer_id, port.transport_id
        self.ssrc, self.rtx_ssrc, self.first_sequence = ssrc, rtx_ssrc, first_sequence
        self.uplink: Uplink | None = None  # fed from; its `downlinks` holds us
        self.want: Uplink | None = None  # fed from at its next key frame
        self.target: tuple[int, int] | None = (ALL_LAYERS, ALL_LAYERS)  # highest (spatial, temporal) allowed
        self.reason: Reason | None = None  # why the target is what it is
        self.spatial = self.temporal = ALL_LAYERS
        self.span: Span = _NOWHERE
        self.spans: deque[Span] = deque(maxlen=SPANS_REMEMBERED)
        self.highest = -1  # extended number of the newest packet taken in order, sent or left out
        self.last: Stored | None = None  # the newest that was sent
        self.skipped: Stored | None = None  # the newest that was left out, of the layer that feeds us
        self.packets = self.bytes = self.nacked = self.resent = 0
        self.fraction_lost = 0.0
        self.rtt_s: float | None = None
        self.waiting = True  # its transport is not up: sending now would waste the key frame
        self.plain = True  # the receiver does not understand RED
        self.since = 0.0  # when it began to wait for what it lacks
        self.want_since = 0.0
        self.stalls = self.refused = 0
        self.avoid = ALL_LAYERS  # layers from here up gave nothing, until `avoid_until`
        self.avoid_until = 0.0
        self.told: tuple[int | None, int | None, Reason | None] | None = None  # what its page knows
        self._left_out: deque[int] = deque(maxlen=SPANS_REMEMBERED)  # RTP times of frames that were, newest last
        self._rtx_sequence = first_sequence
        self.repair = Repair(port.link)
        self.patience = Patience()

    @property
    def may_repeat(self) -> bool:
        """Pictures go out again only as RTX: under their own number they would carry another transport-wide one, and
        SRTP would use one keystream twice. Sound has no such number and stays the same to the bit."""
        return bool(self.spans) and (self.rtx_ssrc is not None or self.span.uplink.codec.kind == "audio")

    @property
    def current(self) -> tuple[int, int] | None:
        """(spatial, temporal) of what is forwarded now; None when nothing is."""
        if self.uplink is None or self.target is None:
            return None
        spatial = self.spatial if self.uplink.codec.layered and self.spatial != ALL_LAYERS else self.uplink.layer
        return spatial, max(0, min(self.temporal, self.uplink.activity.top_temporal))

    # Numbers

    def begin(self, span: Span) -> None:
        """What follows goes by `span`."""
        if self.span.end == OPEN:
            self.span.end = self.highest + 1
        self.span, self.skipped = span, None
        self.spans.append(span)

    def hold_back(self) -> None:
        """Leave out whatever comes, without a gap, until the lower layer that is waited for begins."""
        self.temporal = -1

    @property
    def newest(self) -> Stored | None:
        """The newest frame that has a place in the receiver's stream, sent or left out; what may still come late lies
        before it."""
        skipped, last = self.skipped, self.last
        return skipped if skipped is not None and last is not None and skipped.extended > last.extended else last

    def next_sequence(self) -> int:
        """The number (not wrapped) of the next packet that this receiver gets."""
        return self.highest + 1 + self.span.offset if self.spans else self.first_sequence

    def span_of(self, uplink: Uplink, extended: int) -> Span | None:
        """The stretch that a packet of an uplink belongs to; None when it was never meant for this receiver."""
        for span in reversed(self.spans):
            if span.uplink is uplink and span.first <= extended:
                return span if extended < span.end else None
        return None

    def admit(self, stored: Stored) -> bool:
        """Decide on a packet above the limits, in order: True to send it, False when it was left out without a gap."""
        last = self.last
        if stored.temporal != NEVER and last is not None:
            same = stored.timestamp == last.timestamp and stored.spatial == last.spatial
            if same and not last.frame_end:
                return True  # the limit was lowered within this frame: it is sent to its end
        leaves = self.reason == "bandwidth" and self.want is not None and self.want.layer < self.span.uplink.layer
        up = self.target is not None and stored.temporal == self.temporal + 1 <= self.target[1] and not leaves
        if up and stored.sync and stored.start and stored.spatial <= self.spatial:
            self.temporal = stored.temporal
            return True
        self._leave_out(stored)
        return False

    def _leave_out(self, stored: Stored) -> None:
        extended, span = stored.extended, self.span
        if span.first == extended:
            span.first += 1
            span.offset -= 1
        else:
            span.end = extended
            self.span = span = span.next(extended + 1, span.offset - 1)
            self.spans.append(span)
        self.highest = extended
        # Only VP8 counts frames without gaps; VP9 points at other pictures by their numbers.
        if stored.temporal == NEVER:
            return
        self.skipped = stored
        if span.uplink.codec.layered:
            return
        if not self._left_out or self._left_out[-1] != stored.timestamp:
            self._left_out.append(stored.timestamp)
            if stored.picture_at:
                span.picture -= 1
                span.shifted = True

    def late(self, stored: Stored) -> bytearray | None:
        """The copy of a packet that came out of order, under the number that was kept for it; None when it was never
        meant for this receiver. One that would have been left out fills its gap without payload."""
        span = self.span_of(self.span.uplink, stored.extended)
        if span is None:
            return None
        copy = write(stored, span, self.ssrc, self.port.take_twcc())
        above = stored.temporal > self.temporal or stored.spatial > self.spatial
        if above or stored.timestamp in self._left_out:
            del copy[stored.payload_at :]
        return copy

    # Repair

    def answer_nack(self, sequence_numbers: tuple[int, ...], now: float) -> list[bytearray]:
        """Packets to send again: pictures as RTX (RFC 4588), where the receiver has it, sound under its own number."""
        found: list[bytearray] = []
        self.nacked += len(sequence_numbers)
        if not self.may_repeat:
            return found
        reference = self.next_sequence()
        for number in sequence_numbers:
            extended = unwrap16(number, reference)
            if (hit := self._source_of(extended)) is not None:
                found += [self._resend(number, *hit) for _ in range(self.repair.answer(extended, now))]
        self.resent += len(found)
        return found

    def _source_of(self, outgoing: int) -> tuple[Stored, Span] | None:
        for span in reversed(self.spans):
            extended = outgoing - span.offset
            if span.first <= extended:
                if self.reason == "bandwidth" and (span.uplink is not self.uplink or self.temporal < 0):
                    return None  # of a layer that was too much: repairs would fill the link that it has filled
                stored = span.uplink.stored(extended) if extended < span.end else None
                if stored is not None and self.plain and stored.plain is not None:
                    stored = stored.plain
                return None if stored is None else (stored, span)
        return None

    def again(self, stored: Stored) -> bytearray | None:
        """A second copy of a packet that comes out of order, where the link loses much."""
        span = self.span_of(self.span.uplink, stored.extended) if self.may_repeat else None
        if self.plain and stored.plain is not None:
            stored = stored.plain
        if span is None or not self.repair.late(stored.extended + span.offset, stored.arrival):
            return None
        return self._resend(stored.extended + span.offset & 0xFFFF, stored, span)

    def early(self) -> list[bytearray]:
        """Copies to send before anybody asks."""
        found: list[bytearray] = []
        if self.uplink is None or not self.may_repeat:
            return found
        audio = self.uplink.codec.kind == "audio"
        # The copy of a sound follows one packet later: bursts seldom take both.
        for number in self.repair.to_look_at(self.next_sequence() - (2 if audio else 1)):
            hit = self._source_of(number)
            if hit is None or hit[0].temporal == NEVER:
                continue
            stored = hit[0]
            if self.repair.send_sound_early() if audio else self.repair.send_early(len(stored.packet), stored.temporal):
                found.append(self._resend(number & 0xFFFF, *hit))
        return found

    @property
    def held_back(self) -> bool:
        """Its receiver is to wait, or may have to, for what is repaired: something is lost on either way."""
        uplink = self.uplink
        return uplink is not None and bool(self.patience.delay_ms or uplink.meter.share or self.repair.link.loss)

    def playout_delay(self, now: float) -> int | None:
        """A new delay to tell the receiver, in milliseconds."""
        link, uplink = self.repair.link, self.uplink
        if uplink is None or not self.held_back:
            return None  # nothing is held back without loss
        if link.limited or uplink.troubled(now):
            return None  # what is lost now is overflow: to wait for its repair would only lengthen the gap
        return self.patience.due(
            now,
            up_loss=uplink.meter.share,
            up_rtt_s=uplink.nack.rtt_s,
            down_loss=link.loss,
            down_rtt_s=link.base_rtt_s,
        )

    def _resend(self, number: int, stored: Stored, span: Span) -> bytearray:
        self.repair.spend(len(stored.packet))
        copy = write(stored, span, self.ssrc, self.port.take_twcc())
        if stored.timestamp in self._left_out:
            del copy[stored.payload_at :]
        if self.rtx_ssrc is None:
            return copy
        self._rtx_sequence += 1
        copy[stored.payload_at : stored.payload_at] = number.to_bytes(2)
        rtp.rewrite(
            copy,
            payload_type=span.uplink.codec.rtx_payload_type,
            sequence_number=self._rtx_sequence,
            timestamp=span.timestamp_of(stored.timestamp),
            ssrc=self.rtx_ssrc,
        )
        return copy

    def repeat(self, back: int) -> bytearray | None:
        """One of the last packets once more, as RTX: it fills a probe, and repairs what may be lost. None before the
        first packet, or without RTX."""
        last = self.last
        if last is None or self.rtx_ssrc is None:
            return None
        span = self.span_of(self.span.uplink, last.extended - back % PROBE_REPEATS)
        stored = None if span is None else span.uplink.stored(last.extended - back % PROBE_REPEATS)
        if span is None or stored is None or stored.temporal == NEVER:
            span, stored = self.span_of(self.span.uplink, last.extended), last
        return None if span is None else self._resend(stored.extended + span.offset & 0xFFFF, stored, span)

    # Reports

    def sender_report(self, now: float) -> SenderReport | None:
        """The publisher's clock pair, carried on to `now`, under our SSRC: sound and picture stay together at the
        receiver. None before the publisher's first report."""
        uplink = self.span.uplink
        source = uplink.report
        if source is None or not self.packets:
            return None
        elapsed = now - uplink.report_at
        ntp = (source.ntp + int(elapsed * (1 << 32))) & 0xFFFFFFFFFFFFFFFF
        rtp_timestamp = source.rtp_timestamp + self.span.timestamp + int(elapsed * uplink.codec.clock_rate)
        return SenderReport(self.ssrc, ntp, rtp_timestamp, self.packets, self.bytes)

    def receiver_report(self, block: ReportBlock, now: float) -> None:
        """Loss and round trip as the receiver saw them (RFC 3550 section 6.4.1)."""
        self.fraction_lost = block.fraction_lost / 256
        self.repair.link.reported(self.fraction_lost, now)
        uplink = self.span.uplink
        source = uplink.report
        if block.last_sr and source is not None:
            ntp_now = source.ntp + int((now - uplink.report_at) * (1 << 32))
            rtt = (middle_32(ntp_now) - block.last_sr - block.delay_since_last_sr) & 0xFFFFFFFF
            if rtt < 10 * 65536:
                self.rtt_s = rtt / 65536
                self.repair.link.round_trip(self.rtt_s, now)

    def stats(self) -> dict[str, Any]:
        """Counters, JSON-ready."""
        current = self.current
        return {
            "consumer_id": self.consumer_id,
            "peer_id": self.peer_id,
            "spatial": None if current is None else current[0],
            "temporal": None if current is None else current[1],
            "packets": self.packets,
            "bytes": self.bytes,
            "nacked": self.nacked,
            "resent": self.resent,
            "early": self.repair.early,
            "playout_delay_ms": self.patience.delay_ms,
            "link_loss": round(self.repair.link.loss, 4),
            "stalls": self.stalls,
            "fraction_lost": round(self.fraction_lost, 4),
            "rtt_ms": None if self.rtt_s is None else round(self.rtt_s * 1000, 1),
        }
