# SPDX-License-Identifier: Apache-2.0
"""One stream that we receive: what came, what is missing, how it is reported, and when to ask for a key frame."""

from __future__ import annotations

from typing import Any

from mediaserver.rtp.clock import middle_32
from mediaserver.rtp.codecs import Codec
from mediaserver.rtp.rtcp import ReportBlock, SenderReport
from mediaserver.rtp.seqnum import unwrap16
from mediaserver.sfu.nack import NackGenerator

RING_PACKETS = {"audio": 256, "video": 1024}
"""Packets kept for repair: five seconds of sound, two to four of picture."""
MAX_JUMP = 1000
"""A number further ahead than this begins a new count only when its successor follows (RFC 3550 appendix A.1)."""
KEYFRAME_THROTTLE_S = 0.1
"""Least time between two requests: Chromium ignores what comes within 300 ms of one it obeyed, so repeats are cheap
and the first one after that window counts."""
KEYFRAME_SLOW_S = 0.5
"""Least time once the publisher has not answered for a second."""


class Uplink:
    """Counting, ring and repair of one received SSRC."""

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self.ssrc: int | None = None
        self.rtx_ssrc: int | None = None
        self.nack = NackGenerator()
        self.report: SenderReport | None = None
        self.report_at = 0.0
        self.packets = self.bytes = self.duplicates = self.too_old = self.keyframes = 0
        self.rtx_packets = self.rtx_unneeded = 0
        self._size = RING_PACKETS[codec.kind]
        self._ring: list[tuple[int, bytearray] | None] = [None] * self._size
        self._highest: int | None = None
        self._first = 0
        self._candidate: int | None = None
        self._jitter = 0.0
        self._transit: float | None = None
        self._expected_before = self._received_before = 0
        self._keyframe_wanted_at: float | None = None
        self._keyframe_asked_at: float | None = None
        self.keyframe_requests = 0

    def accept(self, sequence_number: int, now: float) -> int | None:
        """Extended number of a packet that is new; None for a duplicate, one older than the ring, or a stray."""
        highest = self._highest
        if highest is None:
            self._highest = self._first = extended = sequence_number + 0x10000
            return extended
        extended = unwrap16(sequence_number, highest)
        if extended > highest:
            if extended - highest > MAX_JUMP:
                return self._jump(extended, now)
            if extended > highest + 1 and not self.nack.gap(highest + 1, extended - 1, now):
                self.want_keyframe(now)
            self._highest = extended
            self._candidate = None
            return extended
        if extended <= highest - self._size or extended < self._first:
            self.too_old += 1
            return None
        slot = self._ring[extended % self._size]
        if slot is not None and slot[0] == extended:
            self.duplicates += 1
            return None
        self.nack.arrived(extended)
        return extended

    def _jump(self, extended: int, now: float) -> int | None:
        if self._candidate is None or extended != self._candidate + 1:
            self._candidate = extended
            return None
        self._candidate = None
        self.nack = NackGenerator()
        self._ring = [None] * self._size
        self._highest = extended
        self.want_keyframe(now)
        return extended

    def store(self, extended: int, packet: bytearray, timestamp: int, now: float) -> None:
        """Keep a packet (as receivers get it, but for their own numbers) and count it."""
        self._ring[extended % self._size] = (extended, packet)
        self.packets += 1
        self.bytes += len(packet)
        transit = now * self.codec.clock_rate - timestamp
        if self._transit is not None:
            step = abs(transit - self._transit)
            if step < self.codec.clock_rate * 10:  # a wrapped or restarted clock is no jitter
                self._jitter += (step - self._jitter) / 16
        self._transit = transit

    def stored(self, extended: int) -> bytearray | None:
        """A packet of the ring, None when it never came or is gone."""
        slot = self._ring[extended % self._size]
        return slot[1] if slot is not None and slot[0] == extended else None

    @property
    def highest(self) -> int | None:
        """Highest extended number so far."""
        return self._highest

    def sender_report(self, report: SenderReport, now: float) -> None:
        """Keep the publisher's newest clock pair."""
        self.report, self.report_at = report, now

    def report_block(self, now: float) -> ReportBlock | None:
        """How this stream arrived since the last call (RFC 3550 appendix A.3); None before its first packet."""
        if self._highest is None or self.ssrc is None:
            return None
        expected = self._highest - self._first + 1
        interval = expected - self._expected_before
        lost_interval = max(0, interval - (self.packets - self._received_before))
        self._expected_before, self._received_before = expected, self.packets
        last_sr = delay = 0
        if self.report is not None:
            last_sr = middle_32(self.report.ntp)
            delay = int((now - self.report_at) * 65536)
        return ReportBlock(
            self.ssrc,
            min(255, lost_interval * 256 // interval) if interval else 0,
            max(-(1 << 23), min((1 << 23) - 1, expected - self.packets)),
            self._highest & 0xFFFFFFFF,
            int(self._jitter),
            last_sr,
            delay,
        )

    def want_keyframe(self, now: float) -> None:
        """A key frame is needed; asked for, and asked again, until `keyframe_came`."""
        if self.codec.kind == "video" and self._keyframe_wanted_at is None:
            self._keyframe_wanted_at = now

    def keyframe_came(self) -> None:
        """The start of a key frame was forwarded or recorded."""
        self.keyframes += 1
        self._keyframe_wanted_at = None

    def keyframe_due(self, now: float) -> bool:
        """True when a request should go out at this moment."""
        if self._keyframe_wanted_at is None or self.ssrc is None:
            return False
        pause = KEYFRAME_THROTTLE_S if now - self._keyframe_wanted_at < 1.0 else KEYFRAME_SLOW_S
        if self._keyframe_asked_at is not None and now - self._keyframe_asked_at < pause:
            return False
        self._keyframe_asked_at = now
        self.keyframe_requests += 1
        return True

    def stats(self) -> dict[str, Any]:
        """Counters, JSON-ready."""
        expected = 0 if self._highest is None else self._highest - self._first + 1
        return {
            "ssrc": self.ssrc,
            "codec": self.codec.name,
            "packets": self.packets,
            "bytes": self.bytes,
            "lost": max(0, expected - self.packets),
            "duplicates": self.duplicates,
            "too_old": self.too_old,
            "nacked": self.nack.requested,
            "repaired": self.nack.repaired,
            "rtx_packets": self.rtx_packets,
            "keyframes": self.keyframes,
            "keyframe_requests": self.keyframe_requests,
            "jitter_ms": round(self._jitter * 1000 / self.codec.clock_rate, 2),
        }
