# SPDX-License-Identifier: Apache-2.0
"""What a room tells its owner: every event is a value, drained by `Room.drain_events` in the order of happening."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Source = Literal["mic", "cam", "screen", "screen_audio"]
Kind = Literal["audio", "video"]
Direction = Literal["send", "recv"]
Reason = Literal["bandwidth", "hidden", "mode", "stalled", "publisher"]
"""Why a receiver gets less than there is."""


@dataclass(frozen=True, slots=True)
class ProducerInfo:
    """One stream that a peer publishes, as `Room.producers` lists it."""

    producer_id: str
    peer_id: str
    source: Source
    kind: Kind
    codec: str
    """Lower-case name without the kind: `opus`, `vp8`, `h264`, `vp9` or `av1`."""
    paused: bool


@dataclass(frozen=True, slots=True)
class SourceFlow:
    """Whether one published source comes, as `Room.flows` lists it."""

    peer_id: str
    source: Source
    wanted: bool
    """Switched on, not muted by the host, on a transport that was up, and needed by somebody."""
    silent_s: float
    """Seconds since its newest packet; since it was published where none came yet."""
    live_s: float
    """Seconds that packets have come without a break; 0 while none do."""
    paused: bool = False
    """Switched off by its owner, and by nobody else."""


@dataclass(frozen=True, slots=True)
class TrackFacts:
    """What a recorder must know before the first packet of an epoch; numbers are the publisher's own."""

    peer_id: str
    peer_name: str
    place: str
    source: Source
    kind: Kind
    codec: str
    """Lower-case: `opus`, `vp8`, `h264`, `vp9` or `av1`."""
    clock_rate: int
    """RTP ticks per second."""
    payload_type: int
    ssrc: int
    channels: int
    """2 for Opus, 0 for video."""
    header_extension_ids: dict[str, int]
    """URI to the id that the publisher's packets carry it under."""


@dataclass(frozen=True, slots=True)
class ConsumerAdded:
    """Somebody began to publish: `peer_id` gets a new consumer (JSON-ready, as in `Room.consumers`)."""

    peer_id: str
    consumer: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ConsumerClosed:
    """What this consumer showed has ended."""

    peer_id: str
    consumer_id: str


@dataclass(frozen=True, slots=True)
class ConsumerPaused:
    """The publisher muted (`paused`) or unmuted what this consumer shows: silence is not a fault."""

    peer_id: str
    consumer_id: str
    paused: bool


@dataclass(frozen=True, slots=True)
class PlayoutDelay:
    """How long this consumer should hold its stream back, so that repair comes in time."""

    peer_id: str
    consumer_id: str
    delay_ms: int


@dataclass(frozen=True, slots=True)
class ConsumerLayers:
    """What is forwarded to this consumer now: a spatial and a temporal layer, both None for nothing, and why not
    more; `stalled` means that the watchdog asked and fell back in vain."""

    peer_id: str
    consumer_id: str
    spatial: int | None
    temporal: int | None
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class ProducerLayers:
    """The publisher may stop sending layers above `max_spatial`; -1 when nobody needs the picture."""

    peer_id: str
    producer_id: str
    max_spatial: int


@dataclass(frozen=True, slots=True)
class SpeakerChanged:
    """Who speaks now; None after everybody has been silent for a while."""

    peer_id: str | None


@dataclass(frozen=True, slots=True)
class RecordedTrackOpened:
    """The packets that follow under this producer belong to a new epoch of its track."""

    producer_id: str
    facts: TrackFacts


@dataclass(frozen=True, slots=True)
class RecordedPacket:
    """One unique decrypted packet of a recorded producer, RTX undone, in order of arrival (late ones come late)."""

    producer_id: str
    packet: bytes
    """Whole RTP packet with the publisher's own SSRC, numbers and extension ids; its payload may be empty (padding)."""
    arrival: float
    """Monotonic seconds, the `now` of `receive_rtp`."""


@dataclass(frozen=True, slots=True)
class RecordedReport:
    """A Sender Report of a recorded producer: the publisher's clock beside its RTP time (RFC 3550 section 6.4.1)."""

    producer_id: str
    ntp_seconds: float
    """Seconds since 1900 by the publisher's clock."""
    rtp_timestamp: int
    arrival: float
    """Monotonic seconds."""


@dataclass(frozen=True, slots=True)
class RecordedTrackClosed:
    """The epoch that was opened last for this producer has ended."""

    producer_id: str


Event = (
    ConsumerAdded
    | ConsumerClosed
    | ConsumerPaused
    | PlayoutDelay
    | ConsumerLayers
    | ProducerLayers
    | SpeakerChanged
    | RecordedTrackOpened
    | RecordedPacket
    | RecordedReport
    | RecordedTrackClosed
)
