# SPDX-License-Identifier: Apache-2.0
"""Short-lived signed permissions between the programs: room tokens and orders.

`web` mints, the mediaserver verifies; both read the key files in `data_dir/secrets`. The form is a JSON Web Token
(RFC 7519) signed with HMAC SHA-256 (RFC 7518 §3.2). A room token travels through a browser, an order never does;
they have different keys and audiences, so that neither can be taken for the other. Times are UTC, in seconds.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

from joserfc import jwt
from joserfc.errors import ExpiredTokenError, JoseError
from joserfc.jwk import OctKey
from pydantic import TypeAdapter, ValidationError

from storage.ids import new_id
from storage.secret_files import secret_bytes

ROOM_TOKEN_LIFE_S = 60
DOOR_TOKEN_LIFE_S = 24 * 3600
ORDER_LIFE_S = 30
_ALGORITHM = "HS256"
_CLOCK_TOLERANCE_S = 5
"""Both programs may run on different machines; more than this between their clocks is a fault to be seen."""

Right = Literal["publish", "subscribe"]
DoorRight = Literal["publish", "watch"]
Recording = Literal["off", "on", "paused", "stopped"]
Source = Literal["mic", "cam", "screen"]
Act = Literal["mute", "unmute", "ask_unmute", "admit", "raise_hand", "lower_hand", "spotlight"]


class AccessDenied(Exception):
    """A token or order is refused. `code` is `token_invalid` or `token_expired`; nothing of the token is kept."""

    def __init__(self, code: Literal["token_invalid", "token_expired"]) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class RoomToken:
    """What one endpoint may do in one room."""

    county: str
    room: str
    session: str
    peer_id: str
    name: str
    place: str
    rights: tuple[Right, ...] = ("publish", "subscribe")
    admitted: bool = True
    """False: comes in only where the room has no waiting room and is not locked, else waits for the host's word."""


@dataclass(frozen=True)
class DoorToken:
    """What one program or device may do in one room by WHIP (publish) or WHEP (watch). A person puts it into the
    device by hand, so it lives for hours; it is of no use for anything else.
    """

    county: str
    room: str
    session: str
    peer_id: str
    name: str
    place: str
    right: DoorRight


@dataclass(frozen=True)
class RoomOrder:
    """The state that a room shall have. An order with a smaller `version` than one already obeyed is ignored.

    `version` belongs to the recording, `moderation_version` to what stands below it: the two change apart.
    """

    county: str
    room: str
    session: str
    recording: Recording
    version: int
    reason: str = ""
    moderation_version: int = 0
    host: str = ""
    """Peer id of the host; empty while nobody is."""
    locked: bool = False
    """Nobody new comes in."""
    waiting_room: bool = False
    """Whoever is new waits until the host lets them in."""
    barred: tuple[str, ...] = ()
    """Peer ids that were removed or denied, and may not come in."""
    resting_since_utc_ms: int = 0
    """Nothing that is published goes to anybody, for a private talk is held beside the room; 0: it does not rest."""
    own_key: bool = False
    """Its recording gets a key of its own. The recorder goes by the first order it gets of a session."""


@dataclass(frozen=True)
class EventOrder:
    """Something that happened outside the room and belongs into its record (consent, marker, …)."""

    room: str
    type: str
    data: dict[str, Any]
    utc_ms: int


@dataclass(frozen=True)
class CloseOrder:
    """End the room for everybody, and its recording."""

    room: str
    reason: str = ""
    moved: bool = False
    """The room goes on elsewhere: pages are told to come back, nobody has left."""


@dataclass(frozen=True)
class RemoveOrder:
    """Take one peer out of the room."""

    room: str
    peer_id: str
    reason: str = ""


@dataclass(frozen=True)
class CameraWish:
    """One IP camera that shall be in the room as a peer of its own. `password` is sealed (`storage.camera_passwords`):
    it lies open in no message and no log."""

    camera_id: str
    peer_id: str
    name: str
    place: str
    address: str
    username: str
    password: str
    transport: Literal["tcp", "udp"]
    sound: bool


@dataclass(frozen=True)
class CamerasOrder:
    """The IP cameras that the room shall have, all of them; others of the room are taken out."""

    county: str
    room: str
    session: str
    cameras: tuple[CameraWish, ...]


@dataclass(frozen=True)
class ModerateOrder:
    """One act of the host (or of a person about their own hand) in the running room, already allowed by `web`."""

    room: str
    action: Act
    peer_id: str
    """Whom it is about; empty: everybody (mute, lower_hand), nobody (spotlight)."""
    by_peer_id: str
    by_name: str
    source: Source = "mic"
    """What is muted, or asked to be switched on."""


Order = RoomOrder | EventOrder | CloseOrder | RemoveOrder | ModerateOrder | CamerasOrder
_Body = TypeVar("_Body", bound=RoomToken | DoorToken | Order)
_ORDER_KINDS: dict[str, type[Order]] = {
    "room": RoomOrder,
    "event": EventOrder,
    "close": CloseOrder,
    "remove": RemoveOrder,
    "cameras": CamerasOrder,
    "moderate": ModerateOrder,
}
_KIND_NAMES = {kind: name for name, kind in _ORDER_KINDS.items()}


def mint_room_token(
    secrets_dir: Path, token: RoomToken, *, life_s: int = ROOM_TOKEN_LIFE_S, now_s: float | None = None
) -> str:
    """Sign `token` for at most a minute. Raises ValueError for a longer life, OSError when the key cannot be read."""
    if not 0 < life_s <= ROOM_TOKEN_LIFE_S:
        raise ValueError(f"a room token lives 1 to {ROOM_TOKEN_LIFE_S} s")
    return _mint(secrets_dir, "room", asdict(token), life_s, now_s)


def verify_room_token(secrets_dir: Path, text: str, *, now_s: float | None = None) -> RoomToken:
    """The permission in `text`. Raises AccessDenied, OSError when the key cannot be read."""
    return _shape(RoomToken, _verify(secrets_dir, "room", text, ROOM_TOKEN_LIFE_S, now_s))


def mint_door_token(secrets_dir: Path, token: DoorToken, *, life_s: int, now_s: float | None = None) -> str:
    """Sign `token` for at most a day. Raises ValueError for a longer life, OSError when the key cannot be read."""
    if not 0 < life_s <= DOOR_TOKEN_LIFE_S:
        raise ValueError(f"a door token lives 1 to {DOOR_TOKEN_LIFE_S} s")
    return _mint(secrets_dir, "door", asdict(token), life_s, now_s)


def verify_door_token(secrets_dir: Path, text: str, *, now_s: float | None = None) -> DoorToken:
    """The permission in `text`. Raises AccessDenied, OSError when the key cannot be read."""
    return _shape(DoorToken, _verify(secrets_dir, "door", text, DOOR_TOKEN_LIFE_S, now_s))


def mint_order(secrets_dir: Path, order: Order, *, now_s: float | None = None) -> str:
    """Sign an order to the mediaserver. Raises OSError when the key cannot be read."""
    claims = {"kind": _KIND_NAMES[type(order)], "body": asdict(order)}
    return _mint(secrets_dir, "control", claims, ORDER_LIFE_S, now_s)


def verify_order(secrets_dir: Path, text: str, *, now_s: float | None = None) -> Order:
    """The order in `text`; the caller checks that its room is the one addressed. Raises AccessDenied, OSError."""
    claims = _verify(secrets_dir, "control", text, ORDER_LIFE_S, now_s)
    kind, body = _ORDER_KINDS.get(str(claims.get("kind"))), claims.get("body")
    if kind is None or not isinstance(body, dict):
        raise AccessDenied("token_invalid")
    return _shape(kind, body)


def _key(secrets_dir: Path, audience: str) -> OctKey:
    name = {"room": "room_token.key", "door": "door_token.key", "control": "control.key"}[audience]
    return OctKey.import_key(secret_bytes(secrets_dir / name))


def _mint(secrets_dir: Path, audience: str, claims: Mapping[str, Any], life_s: int, now_s: float | None) -> str:
    now = int(time.time() if now_s is None else now_s)
    payload = {**claims, "aud": audience, "iat": now, "exp": now + life_s, "jti": new_id()}
    return jwt.encode({"alg": _ALGORITHM}, payload, _key(secrets_dir, audience), algorithms=[_ALGORITHM])


def _verify(secrets_dir: Path, audience: str, text: str, life_s: int, now_s: float | None) -> dict[str, Any]:
    now = int(time.time() if now_s is None else now_s)
    rules = jwt.JWTClaimsRegistry(
        now=now,
        leeway=_CLOCK_TOLERANCE_S,
        aud={"essential": True, "value": audience},
        exp={"essential": True},
        iat={"essential": True},
        jti={"essential": True},
    )
    try:
        claims = jwt.decode(text, _key(secrets_dir, audience), algorithms=[_ALGORITHM]).claims
        rules.validate(claims)
    except ExpiredTokenError:
        raise AccessDenied("token_expired") from None
    except (JoseError, ValueError, TypeError):
        # ValueError and TypeError: text that is no token at all; the library does not wrap every one of them.
        raise AccessDenied("token_invalid") from None
    if claims["exp"] - claims["iat"] > life_s:
        raise AccessDenied("token_invalid")
    return {name: value for name, value in claims.items() if name not in ("aud", "iat", "exp", "jti")}


def _shape(kind: type[_Body], body: Mapping[str, Any]) -> _Body:
    """`body` as `kind`, every field of the declared type and none beside them. Raises AccessDenied."""
    if not set(body) <= {field.name for field in fields(kind)}:
        raise AccessDenied("token_invalid")
    try:
        return TypeAdapter(kind).validate_python(dict(body))
    except ValidationError:
        raise AccessDenied("token_invalid") from None
