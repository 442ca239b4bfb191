# SPDX-License-Identifier: Apache-2.0
"""One transport of a peer as the room sees it: which stream a packet belongs to (SSRC, else MID and RID, RFC 9143
section 9.2), and the counters of what could not be placed."""

from __future__ import annotations

from dataclasses import dataclass, field

from mediaserver.rtp import codecs
from mediaserver.rtp import packet as rtp
from mediaserver.sfu.downlink import Downlink
from mediaserver.sfu.events import Direction, Kind, Source
from mediaserver.sfu.parameters import SendParameters
from mediaserver.sfu.twcc import TwccReceiver
from mediaserver.sfu.uplink import Uplink

MAX_SSRCS = 32
"""SSRCs learned on one transport; a sender of more is not a browser."""


@dataclass(eq=False)
class Producer:
    """What a peer publishes under one source."""

    producer_id: str
    peer_id: str
    source: Source
    kind: Kind
    parameters: SendParameters
    uplinks: tuple[Uplink, ...]
    """One for each encoding; the first is forwarded and recorded."""
    paused: bool = False
    downlinks: tuple[Downlink, ...] = ()
    """Copy on write: forwarding walks it without a lock."""
    recorded: bool = False
    """A recorded epoch is open."""


@dataclass(eq=False)
class Port:
    """State of one transport."""

    transport_id: str
    peer_id: str
    direction: Direction
    up: bool = False
    producers: dict[str, Producer] = field(default_factory=dict)
    downlinks: dict[str, Downlink] = field(default_factory=dict)
    by_ssrc: dict[int, tuple[Producer, Uplink, bool]] = field(default_factory=dict)
    """SSRC -> (producer, uplink, True when it carries retransmissions)."""
    extension_ids: dict[str, int] = field(default_factory=dict)
    twcc_id: int = 0
    twcc: TwccReceiver = field(default_factory=TwccReceiver)
    next_mid: int = 0
    next_twcc_at: float = 0.0
    next_report_at: float = 0.0
    dropped: dict[str, int] = field(default_factory=dict)
    remb_bitrate: int | None = None

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
        if mid is None or len(self.by_ssrc) >= MAX_SSRCS:
            return None
        for producer in self.producers.values():
            if producer.parameters.mid == mid:
                return self._place_in(producer, header, rid, repaired)
        return None

    def _place_in(
        self, producer: Producer, header: rtp.Header, rid: str | None, repaired: str | None
    ) -> tuple[Producer, Uplink, bool] | None:
        is_rtx = repaired is not None or header.payload_type == producer.parameters.rtx_payload_type
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
