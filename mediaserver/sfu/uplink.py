# SPDX-License-Identifier: Apache-2.0
"""One stream that we receive: what came, what is missing, how it is reported, and when to ask for a key frame."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from mediaserver.rtp.clock import middle_32
from mediaserver.rtp.codecs import Codec
from mediaserver.rtp.rtcp import ReportBlock, SenderReport
from mediaserver.rtp.seqnum import unwrap16
from mediaserver.sfu import allowance
from mediaserver.sfu.activity import Activity
from mediaserver.sfu.describe import Describer
from mediaserver.sfu.lossmeter import LossMeter
from mediaserver.sfu.nack import NackGenerator
from mediaserver.sfu.stored import Stored

if TYPE_CHECKING:
    from mediaserver.sfu.downlink import Downlink
    from mediaserver.sfu.shape import Shape

RING_PACKETS = {"audio": 256, "video": 1024}
"""Packets kept for repair: five seconds of sound, two to four of picture."""
SAMPLED_PACKETS = 50
"""One second of sound in packets of 20 ms."""
MAX_JUMP = 1000
"""A number further ahead than this begins a new count only when its successor follows (RFC 3550 appendix A.1)."""
KEYFRAME_THROTTLE_S = 0.1
"""Least time between two requests: Chromium ignores what comes within 300 ms of one it obeyed, so repeats are cheap
and the first one after that window counts."""
KEYFRAME_SLOW_S = 0.5
"""Least time once the publisher has not answered for a second."""
KEYFRAME_REST_S = (0.5, 1.0, 1.0)
"""After a key frame of the lowest, middle and highest layer: what a receiver lost does not cost another one sooner.
Newcomers and changes of layer do not wait."""

TROUBLED_S = 6.0
"""So long the loss meter shows what was lost when the link was swamped."""


class Uplink:
    """Counting, ring and repair of one received SSRC: one layer of a producer, `layer` 0 being the lowest. The compiled
    plane reads and writes what an ordinary packet changes."""

    __slots__ = (
        "_candidate",
        "_expected_before",
        "_first",
        "_jitter",
        "_keyframe_asked_at",
        "_keyframe_urgent",
        "_keyframe_wanted_at",
        "_lost_before",
        "_ring",
        "_size",
        "_transit",
        "activity",
        "bytes",
        "clock_rate",
        "codec",
        "describer",
        "downlinks",
        "duplicates",
        "highest",
        "jumps",
        "key_at",
        "key_time",
        "keyframe_requests",
        "keyframes",
        "layer",
        "limit",
        "meter",
        "nack",
        "packets",
        "report",
        "report_at",
        "rtx_empty",
        "rtx_packets",
        "rtx_ssrc",
        "shapes",
        "ssrc",
        "strays",
        "swamped_at",
        "too_old",
    )

    def __init__(self, codec: Codec, layer: int = 0) -> None:
        self.codec, self.layer, self.clock_rate = codec, layer, codec.clock_rate
        self.downlinks: tuple[Downlink, ...] = ()
        """Those that are fed from this layer now. Copy on write: the per-packet loop walks it."""
        self.activity = Activity(layer)
        self.describer = Describer(codec.name)
        self.shapes: dict[int, Shape] = {}
        """How its packets look."""
        self.limit = allowance.make(allowance.STREAM[codec.kind])
        self.key_at: int | None = None
        """Extended number of the first packet of the last key frame."""
        self.key_time = 0.0
        self.ssrc: int | None = None
        self.rtx_ssrc: int | None = None
        self.nack = NackGenerator()
        self.meter = LossMeter()
        self.report: SenderReport | None = None
        self.report_at = 0.0
        self.packets = self.bytes = self.duplicates = self.too_old = self.keyframes = 0
        self.rtx_packets = self.rtx_empty = self.strays = 0
        self._size = RING_PACKETS[codec.kind]
        self._ring: list[Stored | None] = [None] * self._size
        self.highest: int | None = None
        """Highest extended number so far."""
        self._first = 0
        self._candidate: int | None = None
        self._jitter = 0.0
        self._transit: float | None = None
        self._expected_before = self._lost_before = 0
        self._keyframe_wanted_at: float | None = None
        self._keyframe_asked_at: float | None = None
        self._keyframe_urgent = False
        self.swamped_at = -math.inf
        """When most of what its camera sent was last missing."""
        self.keyframe_requests = 0
        self.jumps = 0
        """How often the publisher's numbers began anew."""

    def accept(self, sequence_number: int, now: float, *, resent: bool = False) -> int | None:
        """Extended number of a packet that is new; None for a duplicate, one older than the ring, or a stray."""
        highest = self.highest
        if highest is None:
            self.highest = self._first = extended = sequence_number + 0x10000
            return extended
        if sequence_number == highest + 1 & 0xFFFF:
            self.highest = extended = highest + 1
            self._candidate = None
            return extended
        extended = unwrap16(sequence_number, highest)
        if extended > highest:
            if extended - highest > MAX_JUMP:
                return self._jump(extended, now)
            if extended > highest + 1 and not self.nack.gap(highest + 1, extended - 1, now):
                self.want_keyframe(now)
            self.highest = extended
            self._candidate = None
            return extended
        if extended <= highest - self._size or extended < self._first:
            self.too_old += 1
            return None
        slot = self._ring[extended % self._size]
        if slot is not None and slot.extended == extended:
            self.duplicates += 1
            return None
        self.nack.arrived(extended, now, resent=resent)
        return extended

    def _jump(self, extended: int, now: float) -> int | None:
        if self._candidate is None or extended != self._candidate + 1:
            self._candidate = extended
            self.strays += 1
            return None
        self._candidate = None
        self.nack, self.meter, self._lost_before = NackGenerator(), LossMeter(), 0
        self._ring = [None] * self._size
        if self.highest is not None:
            self._first += extended - self.highest - 1  # the numbers in between were never sent: they are no loss
        self.highest = extended
        self.key_at = None
        self.jumps += 1
        self.want_keyframe(now)
        return extended

    def store(self, stored: Stored, now: float) -> None:
        """Keep a packet (as receivers get it, but for their own numbers) and count it."""
        extended, size, in_order = stored.extended, len(stored.packet), stored.extended == self.highest
        self._ring[extended % self._size] = stored
        self.packets += 1
        self.bytes += size
        self.activity.add(size, stored.temporal, now, repaired=not in_order)
        if stored.keyframe:
            self.keyframes += 1
            if self.key_at is None or extended > self.key_at:
                self.key_at, self.key_time = extended, now
        if not in_order:
            return  # it was asked for again: its delay is ours
        rate, before = self.clock_rate, self._transit
        transit = now * rate - stored.timestamp
        if before is not None:
            step = transit - before if transit > before else before - transit
            if step < rate * 10:  # a wrapped or restarted clock is no jitter
                self._jitter += (step - self._jitter) / 16
        self._transit = transit

    def pass_over(self, extended: int, size_bytes: int, now: float) -> None:
        """Count a packet that nobody may have, so that it is not missed, and keep nothing of it."""
        self._ring[extended % self._size] = None
        self.packets += 1
        self.bytes += size_bytes
        self.activity.add(size_bytes, 0, now)
        self.keyframe_came()  # nobody could see one; it is wanted again when the mute ends

    def forget_kept(self) -> None:
        """Nothing that was kept for repair, or for newcomers, is sent any more."""
        self._ring = [None] * self._size
        self.key_at = None

    def stored(self, extended: int) -> Stored | None:
        """A packet of the ring, None when it never came or is gone."""
        slot = self._ring[extended % self._size]
        return slot if slot is not None and slot.extended == extended else None

    def sample(self, after: int) -> tuple[int, list[bytes]] | None:
        """The packets of the newest key frame, or of the last second of sound, and the number of the last of them;
        None when there is no whole one past `after`."""
        if self.highest is None:
            return None
        kept: list[Stored] = []
        if self.codec.kind == "audio":
            numbers = range(max(after, self.highest - SAMPLED_PACKETS) + 1, self.highest + 1)
            kept = [one for number in numbers if (one := self.stored(number)) is not None]
            whole = len(kept) >= SAMPLED_PACKETS * 4 // 5  # a link may lose some
        else:
            number, whole = self.key_at, False
            while number is not None and number > after and (one := self.stored(number)) is not None and not whole:
                kept.append(one)
                number, whole = number + 1, one.marker
        return (kept[-1].extended, [bytes((one.plain or one).packet) for one in kept]) if whole else None

    def live(self, now: float) -> bool:
        """Packets of this layer come."""
        return self.activity.live(now)

    def bitrate_bps(self, now: float) -> list[int]:
        """Bits per second of the last half second or so, headers included: the base layer alone, then with each
        further temporal layer; one entry for a stream without temporal layers."""
        return self.activity.bitrates_bps(now)

    @property
    def transit_s(self) -> float | None:
        """When the newest packet came, less its own time stamp, in seconds: only how that changes tells anything. None
        before the first."""
        return None if self._transit is None else self._transit / self.codec.clock_rate

    @property
    def received(self) -> int:
        """Packets that came for this stream, whatever became of them."""
        return self.packets + self.duplicates + self.too_old + self.strays + self.rtx_empty

    @property
    def width(self) -> int | None:
        """Pixels, from the last key frame; None before it."""
        return None if self.describer.size is None else self.describer.size[0]

    @property
    def height(self) -> int | None:
        """Pixels, from the last key frame; None before it."""
        return None if self.describer.size is None else self.describer.size[1]

    def sender_report(self, report: SenderReport, now: float) -> None:
        """Keep the publisher's newest clock pair."""
        self.report, self.report_at = report, now

    def report_block(self, now: float) -> ReportBlock | None:
        """How this stream arrived since the last call (RFC 3550 appendix A.3); None before its first packet.

        The fraction is what the link lost, also where repair brought it: a browser sets its Opus in-band FEC by it.
        """
        if self.highest is None or self.ssrc is None:
            return None
        self._note_loss(now)
        expected = self.highest - self._first + 1
        interval = expected - self._expected_before
        lost_interval = max(0, self.nack.lost - self._lost_before)
        self._expected_before, self._lost_before = expected, self.nack.lost
        last_sr = delay = 0
        if self.report is not None:
            last_sr = middle_32(self.report.ntp)
            delay = int((now - self.report_at) * 65536)
        return ReportBlock(
            self.ssrc,
            min(255, lost_interval * 256 // interval) if interval else 0,
            max(-(1 << 23), min((1 << 23) - 1, expected - self.packets)),
            self.highest & 0xFFFFFFFF,
            int(self._jitter),
            last_sr,
            delay,
        )

    @property
    def content(self) -> bool:
        """Nothing is missing, and no key frame is waited for."""
        return self._keyframe_wanted_at is None and not len(self.nack)

    def wanted(self, now: float, queue_s: float = 0.0) -> list[int]:
        """Lost numbers (16 bit) to ask the publisher for now; `queue_s` as NackGenerator.due says. What is given up
        costs a key frame."""
        if not len(self.nack):
            return []
        self._note_loss(now)
        given_up = self.nack.given_up
        numbers = self.nack.due(now, self.meter.share, queue_s)
        if self.nack.given_up > given_up:
            self.want_keyframe(now)
        return [number & 0xFFFF for number in numbers]

    @property
    def swamped(self) -> bool:
        """Most of what should have come lately did not: the publisher's link is too narrow for it, or away."""
        return self.highest is not None and self.nack.swamped(self.highest)

    def troubled(self, now: float) -> bool:
        """Losses of the last seconds come of a link that was too narrow, and tell nothing of what it always loses."""
        return now - self.swamped_at < TROUBLED_S

    def _note_loss(self, now: float) -> None:
        if self.highest is not None:
            self.meter.note(self.highest - self._first + 1, self.nack.lost, now)

    def want_keyframe(self, now: float, *, urgent: bool = False) -> None:
        """A key frame is needed; asked for, and asked again, until `keyframe_came`. Not `urgent` is what a receiver
        lost; urgent is somebody who has no picture without it, or waits for this layer."""
        if self.codec.kind != "video":
            return
        self._keyframe_urgent = self._keyframe_urgent or urgent
        if self._keyframe_wanted_at is None:
            self._keyframe_wanted_at = now

    def keyframe_came(self) -> None:
        """Everybody who waited for a key frame has it."""
        self._keyframe_wanted_at, self._keyframe_urgent = None, False

    def keyframe_due(self, now: float) -> bool:
        """True when a request should go out at this moment.

        An upper layer that its publisher does not send now cannot answer, and begins with a key frame when it comes;
        Chromium would answer the request with key frames of all its other layers.
        """
        if self._keyframe_wanted_at is None or self.ssrc is None or (self.layer and not self.live(now)):
            return False
        rest = KEYFRAME_REST_S[min(self.layer, 2)]
        if not self._keyframe_urgent and self.key_at is not None and now - self.key_time < rest:
            return False
        pause = KEYFRAME_THROTTLE_S if now - self._keyframe_wanted_at < 1.0 else KEYFRAME_SLOW_S
        if self._keyframe_asked_at is not None and now - self._keyframe_asked_at < pause:
            return False
        self._keyframe_asked_at = now
        self.keyframe_requests += 1
        return True

    def stats(self) -> dict[str, Any]:
        """Counters, JSON-ready."""
        expected = 0 if self.highest is None else self.highest - self._first + 1
        return {
            "ssrc": self.ssrc,
            "layer": self.layer,
            "width": self.width,
            "height": self.height,
            "codec": self.codec.name,
            "packets": self.packets,
            "bytes": self.bytes,
            "lost": max(0, expected - self.packets),
            "duplicates": self.duplicates,
            "too_old": self.too_old,
            "strays": self.strays,
            "over_rate": self.limit.refused,
            "nacked": self.nack.requested,
            "repaired": self.nack.repaired,
            "link_lost": self.nack.lost,
            "link_loss": round(self.meter.share, 4),
            "repair_ms": round(self.nack.rtt_s * 1000, 1),
            "rtx_packets": self.rtx_packets,
            "rtx_empty": self.rtx_empty,
            "keyframes": self.keyframes,
            "keyframe_requests": self.keyframe_requests,
            "jitter_ms": round(self._jitter * 1000 / self.codec.clock_rate, 2),
        }
