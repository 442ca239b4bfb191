# SPDX-License-Identifier: Apache-2.0
"""One receiving transport: what its link carries, what waits for it, and who of its streams gets how much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mediaserver.rtp import codecs
from mediaserver.sfu.bandwidth.allocator import USE_AFTER_DEEP, USE_TO_RAISE, Allocator, Target, desired_bps
from mediaserver.sfu.bandwidth.meter import Summary
from mediaserver.sfu.bandwidth.offers import Offers
from mediaserver.sfu.bandwidth.pacer import Kind, Pacer
from mediaserver.sfu.bandwidth.sender import Sender
from mediaserver.sfu.bandwidth.view import Offer, Stream, Tile, View, stream
from mediaserver.sfu.downlink import Downlink
from mediaserver.sfu.outbox import Outgoing
from mediaserver.sfu.ports import Port, Producer
from mediaserver.sfu.stored import NUMBERED_AT, TWCC_AT

SILENT_S = 3.0
"""A receiver that has not told what it shows after this time is no page of ours (WHEP): it shows everything large."""
_LARGE = Tile(1280, 720, "tile")
_UNTOLD = View()
_AUDIO = frozenset({codecs.OPUS.payload_type, codecs.RED_PAYLOAD_TYPE})
_REPAIR = frozenset(codec.rtx_payload_type for codec in codecs.ALL if codec.rtx_payload_type)
SMOOTHING, SMOOTHED_S = 0.1, 0.1
"""Of the measured shares of sound and repairs, for each such time."""
REST_S = 2.0
"""So long nothing is allocated anew where everybody has all that is wanted, and nothing new was heard."""
REPAIR_SHARE, REPAIR_BURST_S = 0.2, 0.25
FILLED_MS = 80.0
FILLED_PACE, LEAST_PACE_BPS = 0.6, 300_000
"""A key frame that leaves faster than a full queue runs empty is lost in part."""
LIT_S = 2.0
"""So long after a deep fall the least picture goes on: without any packet nothing is learned of the link."""
DEEP_PACE, DEEP_S = 0.33, 0.5
"""The same for so long after a deep fall: the estimate comes down later than the link did."""
REPAIR_MOST = 0.6
"""More repairs than this part of the media are not made room for: they would push out what they repair."""


def _kind(packet: bytearray) -> Kind:
    payload_type = packet[1] & 0x7F
    return Kind.AUDIO if payload_type in _AUDIO else Kind.REPAIR if payload_type in _REPAIR else Kind.VIDEO


class Receiver:
    """All times in monotonic seconds. `stirred` holds, by transport, those that the next tick has to look at, `awake`
    those that the next review has to."""

    __slots__ = (
        "_allocator",
        "_audio_bps",
        "_awake",
        "_credited_at",
        "_measured_at",
        "_next_padding",
        "_repair_credit",
        "_repair_share",
        "_resting",
        "_since",
        "_stirred",
        "_streams",
        "_totals",
        "_view",
        "fell",
        "limited",
        "meter",
        "pacer",
        "port",
        "repairs_dropped",
        "rests_until",
        "sender",
    )

    def __init__(self, port: Port, now: float, stirred: dict[str, Receiver], awake: dict[str, Receiver]) -> None:
        self.port = port
        self._stirred, self._awake = stirred, awake
        self.sender = Sender(now)
        self.meter = self.sender.meter  # at hand for the loop over packets
        self.pacer: Pacer[Outgoing] = Pacer(self.sender.pacing_bps(now))
        self._allocator = Allocator()
        self._since = now
        self._view: tuple[View, bool, View] = (_UNTOLD, False, _UNTOLD)
        self._streams: dict[str, tuple[Offer, View, Stream]] = {}
        self._resting: tuple[list[Stream] | None, float] = (None, 0.0)  # streams that have all, and what they want
        self.rests_until = 0.0
        """Its streams have all that they want, and nothing was heard since that speaks against it: until then."""
        self._measured_at = now
        self._totals = (0, 0, 0)
        self._audio_bps = 0.0
        self._repair_share = 0.0
        self._next_padding = 0
        self.fell = False
        """The estimate has fallen since the last allocation."""
        self.limited = False
        """Repairs are held within their share: the link carries no more."""
        self._repair_credit = 0.0
        self._credited_at = now
        self.repairs_dropped = 0

    def stir(self) -> None:
        """There is something for the next tick."""
        self._stirred[self.port.transport_id] = self

    def told(self, count: int, summary: Summary, now: float) -> None:
        """What the meter made of a transport-wide feedback, whose number is `count`."""
        sender = self.sender
        self.fell = sender.told(count, summary, now) or self.fell
        if self.fell or sender.due_at <= now:
            self.stir()
        if sender.limited(now):
            self.wake()

    def _rest(self, now: float) -> None:
        if self.limited or now < self._since + SILENT_S:
            self.wake()
        else:
            self.rests_until = now + REST_S
            self._awake.pop(self.port.transport_id, None)

    def wake(self) -> None:
        """Its link may be another now."""
        self.rests_until = 0.0
        self._awake[self.port.transport_id] = self

    def decide(self, item: Outgoing, now: float) -> bool:
        """A packet that cannot just pass: True when it leaves now, with its number; else it waits, or is left out."""
        packet = item[1]
        size, kind = len(packet), _kind(packet)
        if self.limited and kind is Kind.REPAIR and not self._may_repair(size, now):
            return False
        if not (self.pacer.passes(size, Kind.VIDEO, now) or self.pacer.passes(size, kind, now)):
            self.port.link.left_out(self.pacer.queue(item, size, kind), now)
            self.stir()
            return False
        self.number(packet, now)
        return True

    def number(self, packet: bytearray, now: float) -> None:
        """A packet leaves: write its transport-wide number, if it has one."""
        if packet[NUMBERED_AT]:
            packet[TWCC_AT : TWCC_AT + 2] = self.sender.sent(len(packet), now).to_bytes(2)

    def _may_repair(self, size: int, now: float) -> bool:
        """On a link that is full, repairs get a share and no more: the losses are its overflow."""
        rate = REPAIR_SHARE * self.sender.estimate_bps(now) / 8
        credit = min(rate * REPAIR_BURST_S, self._repair_credit + (now - self._credited_at) * rate)
        self._credited_at = now
        self._repair_credit = credit - size if credit >= 0 else credit
        self.repairs_dropped += credit < 0
        return credit >= 0

    def allocate(self, producers: Mapping[str, Producer], offers: Offers, now: float) -> list[tuple[Downlink, Target]]:
        """What each consumer of video is to get; empty where all have what is wanted, as they had before."""
        self.fell = False
        self._measure(now)
        sender = self.sender
        estimate = float(sender.estimate_bps(now))
        self.limited = self.port.link.limited = sender.limited(now)
        filled = self.port.link.filled = self.limited and sender.meter.queue_ms > FILLED_MS
        pace_bps = max(LEAST_PACE_BPS, FILLED_PACE * estimate) if filled else sender.pacing_bps(now, estimate)
        deep_bps = max(LEAST_PACE_BPS, DEEP_PACE * estimate)
        self.pacer.set_rate(deep_bps if now - self._allocator.fell_deep_at < DEEP_S else pace_bps)
        view = self._shown(now)
        downlinks: dict[str, Downlink] = {}
        seen: dict[str, tuple[Offer, View, Stream]] = {}
        streams: list[Stream] = []
        for downlink in self.port.downlinks.values():
            producer = producers[downlink.producer_id]
            if producer.kind != "video":
                continue
            name = downlink.consumer_id
            offer, known = offers.of(producer, now), self._streams.get(name)
            if known is None or known[0] is not offer or known[1] is not view:
                known = offer, view, stream(replace(offer, consumer_id=name), view)
            downlinks[name], seen[name] = downlink, known
            streams.append(known[2])
        self._streams = seen
        spare = 1 + (min(REPAIR_SHARE, self._repair_share) if self.limited else self._repair_share)
        resting, desired = self._resting
        if streams != resting:
            resting, desired = None, desired_bps(streams)
        sender.wanted(desired * spare + self._audio_bps if streams else 0.0)
        budget = max(0.0, (estimate - self._audio_bps) / spare)
        if view.cap_bps is not None:
            budget = min(budget, view.cap_bps)
        if budget < desired:
            resting = None
            least = _least(streams)
            deep = self._allocator.falls_deep(budget) or now - self._allocator.fell_deep_at < LIT_S
            fits = deep or estimate - self._audio_bps >= least
            if sender.untried or (fits and (view.cap_bps is None or view.cap_bps >= least)):
                # A picture at all comes before room for its repairs, and before what allocating keeps back.
                budget = max(budget, least / (USE_AFTER_DEEP - 0.01 if deep else USE_TO_RAISE))
        if resting is not None:
            self._rest(now)
            return []
        targets = self._allocator.allocate(budget, streams, now)
        if self._allocator.fell_deep_at == now:
            sender.cut(now)
            self.pacer.set_rate(deep_bps)
        self._resting = (streams, desired) if self._allocator.settled else (None, 0.0)
        if self._allocator.settled:
            self._rest(now)
        else:
            self.wake()
        return [(downlinks[consumer_id], target) for consumer_id, target in targets.items()]

    def _shown(self, now: float) -> View:
        """The page's view; the same object as long as it stays the same."""
        view = self.port.view or _UNTOLD
        silent = view.tiles is None and now - self._since >= SILENT_S
        before = self._view[0].cap_bps
        if before is not None and (view.cap_bps is None or view.cap_bps > before):
            self._allocator.forgive()
        if self._view[0] is not view or self._view[1] != silent:
            self._view = view, silent, replace(view, unseen=_LARGE) if silent else view
        return self._view[2]

    def _measure(self, now: float) -> None:
        """Sound is set aside before pictures share the rest; so is what repairs have lately taken."""
        passed = now - self._measured_at
        if passed < 0.09:
            return
        audio = video = 0
        for downlink in self.port.downlinks.values():
            if downlink.rtx_ssrc is None:
                audio += downlink.bytes
            else:
                video += downlink.bytes
        sent = self.sender.meter.sent_bytes - self.sender.padding_bytes
        before_audio, before_video, before_sent = self._totals
        self._totals, self._measured_at = (audio, video, sent), now
        if audio < before_audio or video < before_video:
            return  # a consumer has ended
        bps = (audio - before_audio) * 8 / passed
        weight = 1 - (1 - SMOOTHING) ** (passed / SMOOTHED_S)
        self._audio_bps += weight * (bps - self._audio_bps)
        if video > before_video:  # only pictures and their repairs carry transport-wide numbers
            share = min(REPAIR_MOST, max(0.0, (sent - before_sent) / (video - before_video) - 1))
            self._repair_share += weight * (share - self._repair_share)

    def padding(self, size: int) -> list[Outgoing]:
        """At least `size` bytes that cost the receiver nothing: repeats of what it has, as repairs. Empty when it has
        had no picture yet."""
        sources = [d for d in self.port.downlinks.values() if d.last is not None and d.rtx_ssrc is not None]
        out: list[Outgoing] = []
        while size > 0 and sources:
            self._next_padding += 1
            packet = sources[self._next_padding % len(sources)].repeat(self._next_padding)
            if packet is None:
                break
            out.append((self.port.transport_id, packet, False))
            self.sender.padding_bytes += len(packet)
            size -= len(packet)
        return out

    def stats(self, now: float) -> dict[str, Any]:
        """JSON-ready."""
        return {
            **self.sender.stats(now),
            "audio_bps": int(self._audio_bps),
            "repair_share": round(self._repair_share, 3),
            "paced": self.pacer.waited,
            "pacer_dropped": self.pacer.dropped,
            "repairs_dropped": self.repairs_dropped,
        }


def _least(streams: list[Stream]) -> float:
    """Cost of the smallest picture of the most important stream: what a link that was never tried is trusted with, so
    that a camera of one size only, however large, is not kept back by a guess."""
    shown = [stream for stream in streams if stream.steps]
    first = min(shown, key=lambda stream: (stream.importance, stream.rank, stream.consumer_id), default=None)
    return 0.0 if first is None else first.steps[0].bps
