# SPDX-License-Identifier: Apache-2.0
"""The manifest: what was recorded in one session, what is missing, and what happened when. PURE: no clock, no I/O.

Times named `*_ms` lie on the session clock: milliseconds since `origin_utc_ms`, the server's time when the recording
was first ordered on. Segment files carry `pts_ms` as it was known when their epoch began; the sealed regression over
Sender Reports (RFC 3550 §6.4.1) turns it into the session clock, see `Clock.session_ms`.

The stored bytes are the canonical form (`to_bytes`): UTF-8, keys sorted, no white space, at most six decimals. So two
manifests are equal exactly when their bytes are, and the seal can be checked by any program that reads RFC 8785.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from functools import cache
from json.encoder import encode_basestring
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

VERSION = 1
_STRICT = ConfigDict(extra="forbid", strict=True)
_MOST = 9_000_000_000_000_000
"""Larger numbers lose their last digits where JSON is read as ECMAScript does."""

Kind = Literal["audio", "video"]
Codec = Literal["opus", "vp8", "h264", "vp9", "av1"]
Source = Literal["mic", "cam", "screen", "screen_audio"]
Cause = Literal["loss", "recorder_down", "mediaserver_down", "feed_overflow", "disk_full", "paused", "publisher_away"]

EXCUSED: frozenset[str] = frozenset({"paused", "publisher_away"})
"""Gaps of these causes leave a recording complete: nothing that should be there is missing."""


class ManifestFault(ValueError):
    """The bytes are not a manifest of this version. The text says where and why."""


@dataclass(frozen=True, slots=True)
class Part:
    """About one second of media (one WebM cluster): where it lies in the segment file and when it starts."""

    __pydantic_config__ = _STRICT
    offset: int
    bytes: int
    start_ms: int
    keyframe: bool


@dataclass(frozen=True, slots=True)
class Segment:
    """One stored file. `chain` covers this and every earlier segment of its track (`storage.seal`).

    `header_bytes` counts the bytes before the first cluster: a player appends a later segment from there on.
    `packets` were written; `lost` RTP packets within the segment's time never came.
    """

    __pydantic_config__ = _STRICT
    key: str
    segment: int
    start_ms: int
    end_ms: int
    bytes: int
    header_bytes: int
    sha256: str
    sm3: str
    chain: str
    parts: tuple[Part, ...]
    packets: int
    lost: int


@dataclass(frozen=True, slots=True)
class Clock:
    """Regression over the Sender Reports of one epoch: session time against the `pts_ms` in its files."""

    __pydantic_config__ = _STRICT
    offset_ms: float = 0.0
    rate_ppm: float = 0.0
    sender_reports: int = 0

    def session_ms(self, pts_ms: float, epoch_origin_ms: float) -> float:
        """Session time of a time stamp in the epoch's files."""
        return pts_ms + self.offset_ms + self.rate_ppm * 1e-6 * (pts_ms - epoch_origin_ms)


@dataclass(frozen=True, slots=True)
class Epoch:
    """One uninterrupted RTP stream (SSRC, codec, boot of the mediaserver) of a track."""

    __pydantic_config__ = _STRICT
    epoch: int
    codec: Codec
    clock_rate: int
    origin_ms: int
    start_ms: int
    end_ms: int
    clock: Clock
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Track:
    """Everything one peer published from one source."""

    __pydantic_config__ = _STRICT
    track_id: str
    peer_id: str
    source: Source
    kind: Kind
    epochs: tuple[Epoch, ...]

    def segments(self) -> tuple[Segment, ...]:
        """All segments of the track in the order they were recorded."""
        return tuple(segment for epoch in self.epochs for segment in epoch.segments)


@dataclass(frozen=True, slots=True)
class Peer:
    """One endpoint of the session and the place it stood at."""

    __pydantic_config__ = _STRICT
    peer_id: str
    name: str
    place: str


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch that was not recorded, and why. `track_id` None: all tracks. RTP numbers are inclusive."""

    __pydantic_config__ = _STRICT
    track_id: str | None
    from_ms: int
    to_ms: int
    cause: Cause
    rtp_from: int | None = None
    rtp_to: int | None = None
    packets: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened: recording_started, paused, resumed, stopped, peer_joined, consent, marker, …"""

    __pydantic_config__ = _STRICT
    at_ms: int
    utc_ms: int
    type: str
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Seal:
    """Ed25519 signature (RFC 8032) over the canonical manifest with an empty `signature`. All texts are hex."""

    __pydantic_config__ = _STRICT
    algorithm: Literal["Ed25519"]
    public_key: str
    chain: str
    signature: str
    sealed_utc_ms: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """One session's recording. `complete` is True when no gap but pauses and absences is known."""

    __pydantic_config__ = _STRICT
    version: Literal[1]
    county: str
    session_id: str
    room: str
    origin_utc_ms: int
    ended_utc_ms: int | None
    software: str
    server_boots: tuple[str, ...]
    peers: tuple[Peer, ...]
    tracks: tuple[Track, ...]
    gaps: tuple[Gap, ...]
    events: tuple[Event, ...]
    complete: bool
    seal: Seal | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values (tuples as lists), for an API reply."""
        value = _plain(asdict(self))
        assert isinstance(value, dict)
        return value

    def to_bytes(self) -> bytes:
        """The canonical form that is stored and sealed. Raises ManifestFault on a number JSON cannot hold."""
        return canonical(self)


def next_chain(previous: str, sha256: str) -> str:
    """Chain value of a segment after `previous` (empty text for a track's first)."""
    return hashlib.sha256((previous + sha256).encode("ascii")).hexdigest()


@cache
def _adapter() -> TypeAdapter[Manifest]:
    return TypeAdapter(Manifest)


def from_bytes(data: bytes) -> Manifest:
    """Read a stored manifest strictly: unknown or missing fields and wrong types raise ManifestFault."""
    try:
        return _adapter().validate_json(data)
    except ValidationError as error:
        raise ManifestFault(_sentence(error)) from None


def from_json(value: object) -> Manifest:
    """Read a manifest from plain JSON values, as strictly as `from_bytes`. Raises ManifestFault."""
    try:
        return from_bytes(json.dumps(value, ensure_ascii=False, allow_nan=False).encode())
    except (TypeError, ValueError) as error:
        raise error if isinstance(error, ManifestFault) else ManifestFault(str(error)) from None


def canonical(value: object) -> bytes:
    """Canonical JSON (RFC 8785) of plain values and of this module's classes, numbers rounded to six decimals.

    Raises ManifestFault.
    """
    try:
        return _canonical(value).encode()
    except UnicodeEncodeError as error:
        raise ManifestFault(f"a text holds half a surrogate pair: {error.reason}") from None


def _canonical(value: object) -> str:
    if isinstance(value, Segment):
        return _segment(value)
    if is_dataclass(value):
        return _canonical({each.name: getattr(value, each.name) for each in fields(value)})
    if isinstance(value, dict):
        if not all(isinstance(name, str) for name in value):
            raise ManifestFault("a JSON object may only have texts as names")
        # RFC 8785 §3.2.3 sorts by UTF-16 code units, which differs from code points above U+FFFF.
        names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{_text(name)}:{_canonical(value[name])}" for name in names) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(_canonical, value)) + "]"
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (int, float)):
        return _number(value)
    raise ManifestFault(f"{type(value).__name__} cannot stand in a manifest")


def _segment(value: Segment) -> str:
    """As the general way would write it, names in their order. Nearly all of a manifest is segments and their parts,
    half a million of these after three hours of 24 parties: written out, they cost a tenth.
    """
    numbers = (value.bytes, value.end_ms, value.header_bytes, value.lost, value.packets, value.segment, value.start_ms)
    size, end_ms, header_bytes, lost, packets, segment, start_ms = map(_number, numbers)
    return (
        f'{{"bytes":{size},"chain":{_text(value.chain)},"end_ms":{end_ms},"header_bytes":{header_bytes},'
        f'"key":{_text(value.key)},"lost":{lost},"packets":{packets},"parts":[{",".join(map(_part, value.parts))}],'
        f'"segment":{segment},"sha256":{_text(value.sha256)},"sm3":{_text(value.sm3)},"start_ms":{start_ms}}}'
    )


def _part(value: Part) -> str:
    size, offset, start_ms = value.bytes, value.offset, value.start_ms
    if max(size, offset, start_ms) > _MOST or min(size, offset, start_ms) < -_MOST:
        raise ManifestFault("a number is too large for a manifest")
    keyframe = "true" if value.keyframe else "false"
    return f'{{"bytes":{size},"keyframe":{keyframe},"offset":{offset},"start_ms":{start_ms}}}'


def _number(value: int | float) -> str:
    # Within these bounds fixed notation with six decimals is what ECMAScript prints for the parsed value.
    if abs(value) > _MOST or (isinstance(value, float) and not abs(value) <= 9e9):
        raise ManifestFault("a number is too large for a manifest")
    if isinstance(value, int):
        return str(value)
    text = f"{value:.6f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def _text(value: str) -> str:
    return encode_basestring(value)


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = ".".join(map(str, first["loc"])) or "the file"
    more = f" (and {error.error_count() - 1} more faults)" if error.error_count() > 1 else ""
    return f"{where}: {first['msg']}{more}"
