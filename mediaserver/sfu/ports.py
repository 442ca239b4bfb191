# SPDX-License-Identifier: Apache-2.0
"""One transport of a peer as the room sees it: which stream a packet belongs to (SSRC, else MID and RID, RFC 9143
section 9.2), and the counters of what could not be placed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mediaserver.errors import PeerFault
from mediaserver.rtp import codecs
from mediaserver.rtp import packet as rtp
from mediaserver.rtp.clock import utc_from_ntp
from mediaserver.sfu import allowance
from mediaserver.sfu.bandwidth.narrow import NarrowLink
from mediaserver.sfu.bandwidth.view import View
from mediaserver.sfu.downlink import Downlink
from mediaserver.sfu.events import Direction, Kind, Source
from mediaserver.sfu.parameters import SendParameters
from mediaserver.sfu.repair import Link
from mediaserver.sfu.speakers import Voice
from mediaserver.sfu.twcc import Arrivals
from mediaserver.sfu.twcc import make as make_arrivals
from mediaserver.sfu.uplink import Uplink

MAX_SSRCS = 32
"""SSRCs learned on one transport; a sender of more is not a browser."""


READERS = {"opus": 1, "vp8": 2}
"""Codecs whose packets the compiled plane describes itself, but for key frames."""


@dataclass(eq=False, slots=True)
class Producer:
    """What a peer publishes under one source."""

    producer_id: str
    peer_id: str
    source: Source
    kind: Kind
    parameters: SendParameters
    uplinks: tuple[Uplink, ...]
    """One for each encoding, the lowest layer first."""
    extension_ids: dict[int, int]
    """The publisher's id of each extension that goes on to receivers, and ours."""
    level_id: int
    """The publisher's id of the audio level, 0 without one."""
    descriptor_id: int
    """The publisher's id of the dependency descriptor, 0 without one."""
    takes: int
    """Payload type of its packets,"""
    gives: int
    """and of those that receivers get."""
    reader: int
    """Of `READERS`; 0 for none."""
    numbered: bool
    """Its packets carry transport-wide numbers to receivers: those of pictures."""
    voice: Voice | None = None
    """None: not a microphone, or without levels; always forwarded then."""
    silent: bool = False
    """Not among the loudest: its packets are passed over."""
    paused: bool = False
    muted: bool = False
    """By the host."""
    silenced: bool = False
    """Muted by the host, or in a room at rest: what comes is counted, and neither forwarded, recorded nor kept for
    repair."""

    upper_rest: bool = False
    """Its publisher's link is too narrow: nothing but the lowest layer is to be sent or waited for."""

    @property
    def off(self) -> bool:
        """Nothing of it is to be expected: switched off by its owner, or silenced."""
        return self.paused or self.silenced

    def left_away(self, uplink: Uplink) -> bool:
        """The publisher has ceased to send this upper layer, while a lower one goes on."""
        lower = self.uplinks[: uplink.layer] if uplink.layer else ()
        return any(uplink.activity.silent_since(other.activity) for other in lower)

    def stats(self, now: float) -> dict[str, Any]:
        """Counters, JSON-ready."""
        layers = [
            {**uplink.stats(), "live": uplink.live(now), "bitrates_bps": uplink.bitrate_bps(now)}
            for uplink in self.uplinks
        ]
        report = self.uplinks[0].report
        last = max((uplink.activity.last for uplink in self.uplinks if uplink.activity.last is not None), default=None)
        return {
            "producer_id": self.producer_id,
            "peer_id": self.peer_id,
            "source": self.source,
            "kind": self.kind,
            "off": self.off,
            "silent_s": None if last is None else round(now - last, 3),
            "paused": self.paused,
            "level_dbov": None if self.voice is None else max(-127, round(self.voice.score(now)) - 127),
            "publisher_utc_s": None if report is None else round(utc_from_ntp(report.ntp), 3),
            **layers[0],
            "over_rate": sum(uplink.limit.refused for uplink in self.uplinks),
            "layers": layers,
            "consumers": [downlink.stats() for downlink in self.downlinks],
        }

    downlinks: tuple[Downlink, ...] = ()
    """Every consumer; an uplink's `downlinks` are those that it feeds now."""
    pending: tuple[Downlink, ...] = ()
    """Those that wait for a key frame (of sound: for a packet) to begin or to change over."""
    tapped: Uplink | None = None
    """The layer whose recorded epoch is open."""
    tap_first: int = 0
    """Extended number of the packet that began the recorded epoch; 0 for a stream of one layer."""
    needed: int | None = None
    """The highest layer that any receiver may have, -1 for none; None: look anew."""
    reviewed: tuple[object, ...] = ()
    """What of its layers was seen at the last look at all its receivers;"""
    look_at: float = 0.0
    """when they are all looked at again."""
    tap_since: float = 0.0
    began: float = 0.0
    recorded_packets: int = 0
    """Of the open epoch."""
    tape: Any | None = None
    """Where the compiled plane puts the open epoch's packets by itself; None where each is an event."""


def make_producer(
    producer_id: str, peer_id: str, source: Source, kind: Kind, parameters: SendParameters, voice: Voice | None
) -> Producer:
    """A producer with its uplinks, and the look-ups that its packets need."""
    ids, codec = parameters.extension_ids, parameters.codec
    return Producer(
        producer_id,
        peer_id,
        source,
        kind,
        parameters,
        tuple(Uplink(codec, layer) for layer in range(len(parameters.encodings))),
        {ids[uri]: codecs.EXTENSION_IDS[uri] for uri in codec.passed_extensions if uri in ids},
        ids.get(codecs.AUDIO_LEVEL_URI, 0),
        ids.get(codecs.DEPENDENCY_DESCRIPTOR_URI, 0),
        parameters.payload_type,
        codec.payload_type,
        READERS.get(codec.name, 0),
        kind == "video",
        voice,
    )


@dataclass(eq=False, slots=True)
class Port:
    """State of one transport."""

    transport_id: str
    peer_id: str
    direction: Direction
    only: str | None = None
    """The one peer whose media this transport receives; None: everybody's."""
    limit: allowance.Bucket = field(default_factory=allowance.of_peer)
    """Of what comes; all transports of a peer share it."""
    up: bool = False
    was_up: bool = False
    """It was up once: what does not come any more is missed from then on."""
    producers: dict[str, Producer] = field(default_factory=dict)
    downlinks: dict[str, Downlink] = field(default_factory=dict)
    by_ssrc: dict[int, tuple[Producer, Uplink, bool]] = field(default_factory=dict)
    """SSRC -> (producer, uplink, True when it carries retransmissions)."""
    extension_ids: dict[str, int] = field(default_factory=dict)
    twcc_id: int = 0
    twcc: Arrivals = field(default_factory=make_arrivals)
    narrow: NarrowLink = field(default_factory=NarrowLink)
    """The way from a publisher."""
    next_twcc: int = 0
    """Transport-wide number of the next packet that we send here; not wrapped."""
    link: Link = field(default_factory=Link)
    """The way to a receiver."""
    receives_red: bool = False
    next_mid: int = 0
    next_twcc_at: float = 0.0
    next_report_at: float = 0.0
    turn: int = 0
    """Which note of the room's agenda counts: the newest."""
    dropped: dict[str, int] = field(default_factory=dict)
    view: View | None = None
    """What the receiver's page shows; None before its first word."""

    def wants(self, peer_id: str) -> bool:
        """True when what this peer publishes is received here."""
        return peer_id != self.peer_id and self.only in (None, peer_id)

    def take_twcc(self) -> int:
        """The number of a packet that goes out now."""
        number = self.next_twcc
        self.next_twcc = number + 1
        return number

    def drop(self, reason: str) -> None:
        """Count a packet that went nowhere."""
        self.dropped[reason] = self.dropped.get(reason, 0) + 1

    def learn(self, producer: Producer) -> None:
        """Take over the numbers that a produce message announced."""
        parameters = producer.parameters
        self.extension_ids.update(parameters.extension_ids)
        self.twcc_id = self.extension_ids.get(codecs.TRANSPORT_CC_URI, 0)
        for encoding, uplink in zip(parameters.encodings, producer.uplinks, strict=True):
            uplink.ssrc, uplink.rtx_ssrc = encoding.ssrc, encoding.rtx_ssrc
            if encoding.ssrc is not None:
                self.by_ssrc[encoding.ssrc] = (producer, uplink, False)
            if encoding.rtx_ssrc is not None:
                self.by_ssrc[encoding.rtx_ssrc] = (producer, uplink, True)

    def forget(self, producer: Producer) -> None:
        """The producer has ended."""
        self.producers.pop(producer.producer_id, None)
        self.by_ssrc = {ssrc: entry for ssrc, entry in self.by_ssrc.items() if entry[0] is not producer}

    def place(self, packet: bytes | bytearray, header: rtp.Header) -> tuple[Producer, Uplink, bool] | None:
        """Find the stream of an SSRC that is not in the table, by MID, RID and repaired RID, and learn it."""
        texts = {}
        for number, offset, length in rtp.extensions(packet, header):
            texts[number] = bytes(packet[offset : offset + length]).decode("ascii", "replace")
        mid = texts.get(self.extension_ids.get(codecs.MID_URI, 0))
        rid = texts.get(self.extension_ids.get(codecs.RID_URI, 0))
        repaired = texts.get(self.extension_ids.get(codecs.REPAIRED_RID_URI, 0))
        if len(self.by_ssrc) >= MAX_SSRCS:
            return None
        if mid is None:
            return self._place_by_payload_type(header)
        for producer in self.producers.values():
            if producer.parameters.mid == mid:
                return self._place_in(producer, header, rid, repaired)
        return None

    def _place_by_payload_type(self, header: rtp.Header) -> tuple[Producer, Uplink, bool] | None:
        """A publisher that named neither SSRC nor RID and sends no MID: RFC 9143 section 9.2 leaves the payload type,
        where it is one producer's alone."""
        number = header.payload_type
        found = [
            producer
            for producer in self.producers.values()
            if number in (producer.parameters.payload_type, producer.parameters.rtx_payload_type)
            and all(e.ssrc is None and e.rid is None for e in producer.parameters.encodings)
        ]
        return self._place_in(found[0], header, None, None) if len(found) == 1 else None

    def _place_in(
        self, producer: Producer, header: rtp.Header, rid: str | None, repaired: str | None
    ) -> tuple[Producer, Uplink, bool] | None:
        parameters = producer.parameters
        is_rtx = repaired is not None or header.payload_type == parameters.rtx_payload_type
        wanted = repaired or rid
        for encoding, uplink in zip(producer.parameters.encodings, producer.uplinks, strict=True):
            if wanted is not None and encoding.rid != wanted:
                continue
            if wanted is None and len(producer.uplinks) > 1:
                continue
            if is_rtx:
                uplink.rtx_ssrc = header.ssrc
            else:
                uplink.ssrc = header.ssrc
            found = (producer, uplink, is_rtx)
            self.by_ssrc[header.ssrc] = found
            return found
        return None


def no_clash(port: Port, parameters: SendParameters) -> None:
    """Raises PeerFault when a producer would take a MID or an SSRC of another one of its transport."""
    if parameters.mid is not None and any(p.parameters.mid == parameters.mid for p in port.producers.values()):
        raise PeerFault("mid_in_use")
    ssrcs = [s for e in parameters.encodings for s in (e.ssrc, e.rtx_ssrc) if s is not None]
    if len(set(ssrcs)) != len(ssrcs) or any(ssrc in port.by_ssrc for ssrc in ssrcs):
        raise PeerFault("ssrc_in_use")
