# SPDX-License-Identifier: Apache-2.0
"""The signalling protocol, version 1: JSON text to dataclasses and back.

A request is `{"id": n, "type": t, "data": {…}}`. Whatever does not have exactly that form is refused with a code:
`message_too_large`, `not_json`, `bad_envelope`, `unknown_type`, `unknown_field`, `missing_field`, `bad_field`,
`bad_version`. All of these mean that page and server do not speak the same language, so the socket is closed with 4000.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from mediaserver.errors import PeerFault

PROTOCOL_VERSION: Final = 1
MAX_MESSAGE_BYTES: Final = 64 * 1024

CLOSE_GOING_AWAY: Final = 1001  # the page was closed (RFC 6455 §7.4.1)
CLOSE_RESTART: Final = 1012  # come back: this socket or server ended, the page tries `resume`, then `hello`
CLOSE_PROTOCOL: Final = 4000
CLOSE_REPLACED: Final = 4001
CLOSE_REMOVED: Final = 4002
CLOSE_BAD_TOKEN: Final = 4003
CLOSE_UNKNOWN_ROOM: Final = 4004
CLOSE_DENIED: Final = 4005  # the host did not let this person in, or too many wait already
CLOSE_ROOM_CLOSED: Final = 1000

SOURCES: Final = frozenset({"mic", "cam", "screen", "screen_audio"})
REPORT_VERSION: Final = 1
"""Of `report_source` alone, so that what is measured may change without a new protocol."""
MEASURED: Final = frozenset({"mic", "cam"})
REPORTED: Final = frozenset({"black", "silent", "clipping"})
MAX_TILES: Final = 64
MAX_PIXELS: Final = 16_384
KINDS: Final = frozenset({"audio", "video"})


class ProtocolFault(PeerFault):
    """The text is not of this protocol. `request_id` is set when the text at least named one."""

    def __init__(self, code: str, message: str = "", request_id: int | None = None) -> None:
        super().__init__(code, message)
        self.request_id = request_id


@dataclass(frozen=True, slots=True)
class Hello:
    """First message of a join; `token` is the room token that web issued."""

    version: int
    token: str


@dataclass(frozen=True, slots=True)
class Resume:
    """First message of a socket that takes over a peer whose socket was lost."""

    version: int
    resume_token: str


@dataclass(frozen=True, slots=True)
class DtlsParameters:
    """The page's DTLS side: `role` is its own role; `fingerprints` are (algorithm, value)."""

    role: str
    fingerprints: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Connect:
    """DTLS parameters of one transport; ICE starts after the reply."""

    transport_id: str
    dtls_parameters: DtlsParameters


@dataclass(frozen=True, slots=True)
class Produce:
    """A new track of the page, with the RTP parameters that mediasoup-client made."""

    transport_id: str
    source: str
    kind: str
    rtp_parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CloseProducer:
    """The track ended."""

    producer_id: str


@dataclass(frozen=True, slots=True)
class PauseProducer:
    """The track is muted or goes on."""

    producer_id: str
    paused: bool


@dataclass(frozen=True, slots=True)
class RestartIce:
    """The page wants new ICE credentials for a transport."""

    transport_id: str


@dataclass(frozen=True, slots=True)
class Stats:
    """Figures of the room as the server counts them."""


@dataclass(frozen=True, slots=True)
class Ping:
    """Is anybody there? A page cannot see the WebSocket's own pings."""


@dataclass(frozen=True, slots=True)
class ViewTile:
    """One picture on the page, in device pixels."""

    consumer_id: str
    width: int
    height: int
    role: str


@dataclass(frozen=True, slots=True)
class View:
    """What the page shows now, complete each time: video that is not in `tiles` is not shown, and not sent. `mode` and
    `cap_kbps` (None for no limit) are for all pictures together."""

    tiles: tuple[ViewTile, ...]
    mode: str
    cap_kbps: int | None


@dataclass(frozen=True, slots=True)
class Leave:
    """The person left on purpose."""


# Moderation. What the host does goes through the HTTP API, which knows who leads and keeps it for the record; here is
# only what everybody may say about themselves.


@dataclass(frozen=True, slots=True)
class RaiseHand:
    """One's own hand, up or down."""

    raised: bool


@dataclass(frozen=True, slots=True)
class Unmute:
    """The person switches on again what the host had muted. A `pause_producer` alone does not lift a mute."""

    source: str


# Watching


@dataclass(frozen=True, slots=True)
class ReportSource:
    """What the page measured on its own camera or microphone, complete each time: `trouble` None when all is well."""

    version: int
    source: str
    trouble: str | None


Body = (
    Hello
    | Resume
    | Connect
    | Produce
    | CloseProducer
    | PauseProducer
    | RestartIce
    | Stats
    | Ping
    | View
    | Leave
    | RaiseHand
    | Unmute
    | ReportSource
)


@dataclass(frozen=True, slots=True)
class Request:
    """A request with its number; replies carry the same number."""

    id: int
    type: str
    body: Body


def _text(limit: int) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if not isinstance(value, str) or not 0 < len(value) <= limit:
            raise ValueError
        return value

    return check


def _choice(allowed: frozenset[str]) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise ValueError
        return value

    return check


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _version(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError
    if value != PROTOCOL_VERSION:
        raise ProtocolFault("bad_version", f"this server speaks version {PROTOCOL_VERSION}")
    return value


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError
    return value


def _report_version(value: Any) -> int:
    if isinstance(value, bool) or value != REPORT_VERSION:
        raise ValueError
    return REPORT_VERSION


def _trouble(value: Any) -> str | None:
    return None if value is None else _choice(REPORTED)(value)


_ID = _text(80)


def _pixels(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= MAX_PIXELS:
        raise ValueError
    return value


def _kbps(value: Any) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= 1_000_000):
        raise ValueError
    return value


_ROLES: Final = frozenset({"stage", "pinned", "tile"})


def _tiles(value: Any) -> tuple[ViewTile, ...]:
    if not isinstance(value, list) or len(value) > MAX_TILES:
        raise ValueError
    found = []
    for entry in value:
        if _mapping(entry).keys() != {"consumer_id", "width", "height", "role"}:
            raise ValueError
        size = _pixels(entry["width"]), _pixels(entry["height"])
        found.append(ViewTile(_ID(entry["consumer_id"]), *size, _choice(_ROLES)(entry["role"])))
    return tuple(found)


def _dtls(value: Any) -> DtlsParameters:
    """mediasoup-client's dtlsParameters: `{role, fingerprints: [{algorithm, value}]}`."""
    entries = _mapping(value).get("fingerprints")
    if value.keys() - {"role", "fingerprints"} or not isinstance(entries, list) or not 0 < len(entries) <= 8:
        raise ValueError
    role = _choice(frozenset({"auto", "client", "server"}))(value.get("role", "auto"))
    prints = tuple((_text(16)(_mapping(e).get("algorithm")), _text(256)(e.get("value"))) for e in entries)
    return DtlsParameters(role, prints)


_BODIES: Final[Mapping[str, tuple[type[Body], Mapping[str, Callable[[Any], Any]]]]] = {
    "hello": (Hello, {"version": _version, "token": _text(4096)}),
    "resume": (Resume, {"version": _version, "resume_token": _text(128)}),
    "connect": (Connect, {"transport_id": _ID, "dtls_parameters": _dtls}),
    "produce": (
        Produce,
        {"transport_id": _ID, "source": _choice(SOURCES), "kind": _choice(KINDS), "rtp_parameters": _mapping},
    ),
    "close_producer": (CloseProducer, {"producer_id": _ID}),
    "pause_producer": (PauseProducer, {"producer_id": _ID, "paused": _flag}),
    "restart_ice": (RestartIce, {"transport_id": _ID}),
    "stats": (Stats, {}),
    "ping": (Ping, {}),
    "view": (View, {"tiles": _tiles, "mode": _choice(frozenset({"normal", "low", "audio"})), "cap_kbps": _kbps}),
    "leave": (Leave, {}),
    "raise_hand": (RaiseHand, {"raised": _flag}),
    "unmute": (Unmute, {"source": _choice(SOURCES)}),
    "report_source": (
        ReportSource,
        {"version": _report_version, "source": _choice(MEASURED), "trouble": _trouble},
    ),
}
REQUEST_TYPES: Final = frozenset(_BODIES)


def parse_request(text: str) -> Request:
    """Read one request. Raises ProtocolFault with one of the codes named above."""
    if len(text) > MAX_MESSAGE_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_MESSAGE_BYTES:
        raise ProtocolFault("message_too_large", f"more than {MAX_MESSAGE_BYTES} bytes")
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise ProtocolFault("not_json", "the message is not JSON") from None
    if not isinstance(message, dict):
        raise ProtocolFault("bad_envelope", "a message is an object with id, type and data")
    number = message.get("id")
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 2**53:
        raise ProtocolFault("bad_envelope", "id is a number from 0")
    if message.keys() - {"id", "type", "data"}:
        raise ProtocolFault("unknown_field", "a message has id, type and data only", number)
    kind, data = message.get("type"), message.get("data", {})
    if not isinstance(kind, str) or not isinstance(data, dict):
        raise ProtocolFault("bad_envelope", "type is a text and data an object", number)
    return Request(number, kind, _parse_body(kind, data, number))


def _parse_body(kind: str, data: dict[str, Any], number: int) -> Body:
    if kind not in _BODIES:
        raise ProtocolFault("unknown_type", f"there is no request {kind[:40]!r}", number)
    body_type, checks = _BODIES[kind]
    if unknown := data.keys() - checks.keys():
        raise ProtocolFault("unknown_field", f"{kind} has no field {sorted(unknown)[0][:40]!r}", number)
    values: dict[str, Any] = {}
    for field in fields(body_type):
        if field.name not in data:
            raise ProtocolFault("missing_field", f"{kind} needs {field.name}", number)
        try:
            values[field.name] = checks[field.name](data[field.name])
        except ProtocolFault as fault:
            raise ProtocolFault(fault.code, fault.message, number) from None
        except ValueError:
            raise ProtocolFault("bad_field", f"{field.name} of {kind} has a wrong form", number) from None
    return body_type(**values)


def reply(request_id: int, data: Mapping[str, Any]) -> str:
    """Text of a good answer."""
    return _dump({"id": request_id, "ok": True, "data": data})


def refusal(request_id: int, fault: PeerFault) -> str:
    """Text of an answer that says no, with a code for the page and a sentence for the developer."""
    return _dump({"id": request_id, "ok": False, "error": {"code": fault.code, "message": fault.message}})


def notification(kind: str, data: Mapping[str, Any]) -> str:
    """Text of a message that nobody asked for."""
    return _dump({"type": kind, "data": data})


def _dump(message: Mapping[str, Any]) -> str:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))
