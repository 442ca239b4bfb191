# SPDX-License-Identifier: Apache-2.0
"""The recording feed's language: what the mediaserver tells the recorder, and what the recorder answers.

A record is `u32 length | u8 kind | u32 track | u64 number | body`, all big-endian; length counts what follows it.
Track 0 carries orders, events and the opening and closing of tracks; every other track carries one RTP stream.
Numbers count up by one in each track, so that the recorder can acknowledge by track what it has made durable, and the
mediaserver can repeat the rest. Bodies are JSON, except for packets, Sender Reports and acknowledgements.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from typing import Any, Literal, NamedTuple

FEED_VERSION = 1
CONTROL_TRACK = 0
MAX_RECORD_BYTES = 1 << 20
"""No record is longer; a longer length means that the stream is not ours or out of step."""

HEAD = struct.Struct("!IBIQ")
"""Length, kind, track and number."""
ARRIVAL = struct.Struct("!Q")
"""What a packet has in front of it: µs since 1970."""
_PACKET_HEAD = struct.Struct("!IBIQQ")
_REPORT = struct.Struct("!dIQ")
OVERHEAD_BYTES = HEAD.size - 4
"""A record's length without a body."""


class FeedFault(Exception):
    """The other end sent bytes that are no record of this protocol; the connection must be closed."""


class Kind(IntEnum):
    """What a record is. WELCOME to OVERFLOW go to the recorder, the others come back from it."""

    WELCOME = 1
    ORDER = 2
    EVENT = 3
    OPEN = 4
    CLOSE = 5
    PACKET = 6
    REPORT = 7
    OVERFLOW = 8
    HELLO = 32
    ACK = 33
    KEYFRAME = 34


_KINDS = {int(kind): kind for kind in Kind}
_KIND_PACKET = int(Kind.PACKET)


@dataclass(frozen=True, slots=True)
class SessionRef:
    """Names one session; the room has the session's id unless a later version says otherwise."""

    county: str
    session_id: str
    room: str


@dataclass(frozen=True, slots=True)
class SessionOrder:
    """The wanted state of a session's recording. A lower version than one seen before is ignored."""

    session: SessionRef
    recording: Literal["off", "on", "paused", "stopped"]
    version: int
    utc_ms: int
    reason: str = ""
    own_key: bool = False
    """The recording gets a key of its own; only the first order is asked."""


@dataclass(frozen=True, slots=True)
class TrackInfo:
    """One RTP stream as its publisher sends it (RTX undone). Each opening makes a new epoch of `track_id`."""

    track_id: str
    peer_id: str
    peer_name: str
    place: str
    source: str
    kind: Literal["audio", "video"]
    codec: Literal["opus", "vp8", "h264", "vp9", "av1"]
    clock_rate: int
    payload_type: int
    ssrc: int
    cname: str = ""
    extensions: dict[str, int] = field(default_factory=dict)
    """Header extension URI to id, as the publisher's transport numbers them."""


class Record(NamedTuple):
    """One record as read from the socket."""

    kind: Kind
    track: int
    number: int
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body of a JSON record. Raises FeedFault when it is none."""
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise FeedFault("a feed record's body is not JSON") from error
        if not isinstance(value, dict):
            raise FeedFault("a feed record's body is not a JSON object")
        return value


@dataclass(frozen=True, slots=True)
class Overflow:
    """Packets that left the mediaserver's memory before the recorder had taken them."""

    first_number: int
    last_number: int
    first_sequence: int
    last_sequence: int
    first_utc_us: int
    last_utc_us: int
    packets: int


def encode(kind: Kind, track: int, number: int, body: bytes) -> bytes:
    """One record with its length in front."""
    return HEAD.pack(len(body) + OVERHEAD_BYTES, kind, track, number) + body


def encode_json(kind: Kind, track: int, number: int, value: dict[str, Any]) -> bytes:
    """One record with a JSON body."""
    return encode(kind, track, number, json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def encode_packet(track: int, number: int, packet: bytes, arrival_utc_us: int) -> bytes:
    """One whole RTP packet with its time of arrival (µs since 1970)."""
    return packet_head(track, number, packet, arrival_utc_us) + packet


def packet_head(track: int, number: int, packet: bytes, arrival_utc_us: int) -> bytes:
    """What a record has in front of its RTP packet."""
    length = len(packet) + ARRIVAL.size + OVERHEAD_BYTES
    return _PACKET_HEAD.pack(length, _KIND_PACKET, track, number, arrival_utc_us)


def decode_packet(body: bytes) -> tuple[int, bytes]:
    """Arrival (µs since 1970) and the RTP packet of a PACKET record."""
    if len(body) < ARRIVAL.size:
        raise FeedFault("a packet record is too short")
    return ARRIVAL.unpack_from(body)[0], body[ARRIVAL.size :]


def encode_report(track: int, number: int, ntp_seconds: float, rtp_timestamp: int, arrival_utc_us: int) -> bytes:
    """The time pair of an RTCP Sender Report (RFC 3550 section 6.4.1) and its time of arrival."""
    return encode(Kind.REPORT, track, number, _REPORT.pack(ntp_seconds, rtp_timestamp, arrival_utc_us))


def decode_report(body: bytes) -> tuple[float, int, int]:
    """NTP seconds, RTP timestamp and arrival (µs since 1970) of a REPORT record."""
    if len(body) != _REPORT.size:
        raise FeedFault("a report record has the wrong length")
    ntp_seconds, rtp_timestamp, arrival_utc_us = _REPORT.unpack(body)
    return ntp_seconds, rtp_timestamp, arrival_utc_us


def encode_overflow(track: int, overflow: Overflow) -> bytes:
    """Tells which numbers of a track will never come; carries the last of them as its number."""
    return encode_json(Kind.OVERFLOW, track, overflow.last_number, asdict(overflow))


def decode_overflow(record: Record) -> Overflow:
    """The body of an OVERFLOW record."""
    try:
        return Overflow(**record.json())
    except TypeError as error:
        raise FeedFault("an overflow record has the wrong fields") from error


def session_json(session: SessionRef) -> dict[str, str]:
    """A session's name for a JSON body."""
    return {"county": session.county, "session_id": session.session_id, "room": session.room}


def parse_session(value: dict[str, Any]) -> SessionRef:
    """A session's name out of a JSON body. Raises FeedFault."""
    try:
        return SessionRef(str(value["county"]), str(value["session_id"]), str(value["room"]))
    except (KeyError, TypeError) as error:
        raise FeedFault("a feed record names no session") from error


def parse_order(value: dict[str, Any]) -> SessionOrder:
    """The body of an ORDER record. Raises FeedFault."""
    session = parse_session(value.get("session", {}))
    recording = value.get("recording")
    if recording not in ("off", "on", "paused", "stopped"):
        raise FeedFault("an order names no known state")
    try:
        version, utc_ms = int(value["version"]), int(value["utc_ms"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise FeedFault("an order has no version or no time") from error
    reason, own_key = str(value.get("reason", "")), value.get("own_key", False) is True
    return SessionOrder(session, recording, version, utc_ms, reason, own_key)


def parse_track(value: dict[str, Any]) -> TrackInfo:
    """The `track` of an OPEN record. Raises FeedFault."""
    try:
        return TrackInfo(**value)
    except TypeError as error:
        raise FeedFault("an opened track has the wrong fields") from error


def kind_of(value: int) -> Kind:
    """Raises FeedFault."""
    named = _KINDS.get(value)
    if named is None:
        raise FeedFault("a feed record has an unknown kind")
    return named


class RecordReader:
    """Cuts a byte stream into records. Feed it what the socket gave, then take what is complete."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Record]:
        """The records completed by `data`. Raises FeedFault on a length or kind that cannot be ours."""
        records: list[Record] = []

        def cut(data: bytes) -> int:
            position = 0
            while len(data) - position >= HEAD.size:
                length, kind, track, number = HEAD.unpack_from(data, position)
                if not OVERHEAD_BYTES <= length <= MAX_RECORD_BYTES:
                    raise FeedFault("a feed record has an impossible length")
                end = position + 4 + length
                if end > len(data):
                    break
                records.append(Record(kind_of(kind), track, number, data[position + HEAD.size : end]))
                position = end
            return position

        self.pour(data, cut)
        return records

    def pour(self, data: bytes, take: Callable[[bytes], int]) -> None:
        """Give `take` what came, behind what it left the last time. It tells how many bytes it took."""
        if self._rest:
            data = self._rest + data
        self._rest = data[take(data) :]
