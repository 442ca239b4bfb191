# SPDX-License-Identifier: Apache-2.0
"""What goes to the recorder: all sound, and of each picture the highest live layer within the recording height.

A track's epoch holds the packets of one layer; another layer begins another epoch at its key frame.
"""

from __future__ import annotations

from collections.abc import Callable

from mediaserver.rtp import packet as rtp
from mediaserver.rtp import rtcp
from mediaserver.sfu.events import RecordedPacket, RecordedReport, RecordedTrackClosed, RecordedTrackOpened, TrackFacts
from mediaserver.sfu.outbox import Outbox
from mediaserver.sfu.ports import Producer
from mediaserver.sfu.stored import Stored
from mediaserver.sfu.uplink import Uplink

HEIGHT = 720
"""Lines of the picture that is recorded, at most, unless the room says otherwise."""
HOLD_S = 0.5
"""So long the first epoch of a picture waits for the best layer."""
UPGRADE_AFTER_S = 3.0
"""A higher layer is recorded once it lived this long: each change is another epoch."""
Names = Callable[[str], tuple[str, str]]
"""Peer id to (name, place)."""


class Tap:
    """Recording outputs of one room."""

    __slots__ = ("_names", "_outbox", "height", "on")

    def __init__(self, outbox: Outbox, names: Names, height: int = HEIGHT) -> None:
        self.on = False
        self.height = height
        self._outbox, self._names = outbox, names

    def switch(self, on: bool, producers: list[Producer], now: float) -> None:
        """Record or not; each turn on opens new epochs."""
        self.on = on
        for producer in producers:
            if not on:
                self.close(producer)
            elif producer.tapped is None:
                producer.tap_since = now
                self._wanted(producer, now).want_keyframe(now, urgent=True)

    def close(self, producer: Producer) -> None:
        """End the open epoch, if one is."""
        if producer.tapped is not None:
            producer.tapped = producer.tape = None
            self._outbox.events.append(RecordedTrackClosed(producer.producer_id))

    def take(self, producer: Producer, uplink: Uplink, stored: Stored, packet: bytes | bytearray, now: float) -> None:
        """Take a packet as its publisher sent it (RTX and RED undone)."""
        if uplink is not producer.tapped:
            if not self._opens(producer, uplink, stored, now):
                return
            producer.tap_first = stored.extended if len(producer.uplinks) > 1 else 0
        elif stored.extended < producer.tap_first:
            return  # repaired too late: it belongs before the key frame that began this epoch
        opened = producer.recorded_packets == 0
        producer.recorded_packets += 1
        self._outbox.events.append(RecordedPacket(producer.producer_id, bytes(packet), now))
        if opened and uplink.highest is not None:
            # The key frame's first packet came late: what was overtaken follows it.
            for number in range(stored.extended + 1, uplink.highest + 1):
                if (following := uplink.stored(number)) is not None:
                    again = _as_published(producer, uplink, following)
                    self._outbox.events.append(RecordedPacket(producer.producer_id, again, now))

    def _opens(self, producer: Producer, uplink: Uplink, stored: Stored, now: float) -> bool:
        if len(producer.uplinks) > 1:
            if not stored.keyframe:
                return False
            wanted = self._wanted(producer, now)
            early = producer.tapped is not None or now - producer.tap_since < HOLD_S
            if uplink is not wanted and (early or self._too_high(producer, uplink)):
                return False
        self.close(producer)
        self._open(producer, uplink, now)
        return True

    def _open(self, producer: Producer, uplink: Uplink, now: float) -> None:
        """Begin an epoch with its first packet, and ask for a key frame to begin the picture."""
        parameters = producer.parameters
        assert uplink.ssrc is not None, "a packet came, so its SSRC is known"
        name, place = self._names(producer.peer_id)
        facts = TrackFacts(
            producer.peer_id,
            name,
            place,
            producer.source,
            producer.kind,
            parameters.codec.name,
            parameters.codec.clock_rate,
            parameters.payload_type,
            uplink.ssrc,
            parameters.codec.channels,
            dict(parameters.extension_ids),
        )
        self._outbox.events.append(RecordedTrackOpened(producer.producer_id, facts))
        producer.tapped, producer.recorded_packets = uplink, 0
        if uplink.report is not None:
            self.report(producer, uplink, uplink.report, uplink.report_at)
        if len(producer.uplinks) == 1:
            uplink.want_keyframe(now, urgent=True)

    def report(self, producer: Producer, uplink: Uplink, report: rtcp.SenderReport, arrival: float) -> None:
        """Pass on a Sender Report of the layer that is recorded."""
        if uplink is producer.tapped:
            ntp_s = report.ntp / (1 << 32)
            self._outbox.events.append(RecordedReport(producer.producer_id, ntp_s, report.rtp_timestamp, arrival))

    def review(self, producer: Producer, now: float) -> None:
        """Ask for a key frame of the layer that should be recorded but is not. About ten times a second."""
        if self.on and len(producer.uplinks) > 1 and not producer.off:
            wanted = self._wanted(producer, now)
            if wanted is not producer.tapped and wanted.live(now):
                wanted.want_keyframe(now, urgent=producer.tapped is None)

    def keyframe(self, producer: Producer, now: float) -> None:
        """The recorder needs a key frame."""
        (producer.tapped or self._wanted(producer, now)).want_keyframe(now)

    def _too_high(self, producer: Producer, uplink: Uplink) -> bool:
        return uplink is not producer.uplinks[0] and uplink.height is not None and uplink.height > self.height

    def _wanted(self, producer: Producer, now: float) -> Uplink:
        tapped = producer.tapped
        found = tapped if tapped is not None and tapped.live(now) else producer.uplinks[0]
        for uplink in producer.uplinks:
            if not uplink.live(now) or self._too_high(producer, uplink):
                continue
            settled = tapped is None or not tapped.live(now) or uplink.activity.live_for(now) >= UPGRADE_AFTER_S
            if (uplink.layer > found.layer and settled) or not found.live(now):
                found = uplink
        return found


def _as_published(producer: Producer, uplink: Uplink, stored: Stored) -> bytes:
    """A packet of the ring with its publisher's numbers; without extensions, which nobody reads from a recording."""
    assert uplink.ssrc is not None, "a packet came, so its SSRC is known"
    return bytes(
        rtp.build(
            payload_type=producer.parameters.payload_type,
            sequence_number=stored.extended,
            timestamp=stored.timestamp,
            ssrc=uplink.ssrc,
            payload=memoryview(stored.packet)[stored.payload_at :],
            marker=stored.marker,
        )
    )
