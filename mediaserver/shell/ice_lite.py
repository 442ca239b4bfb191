# SPDX-License-Identifier: Apache-2.0
"""ICE-lite agent (RFC 8445 §2.5, appendix A), without sockets: bytes and a path in, a reply and a decision out.

A lite agent sends no checks. It answers those of the page, takes the first valid one as the way to send, follows
USE-CANDIDATE to another way (address migration), and counts the seconds since the last valid check (RFC 7675).
A path is anything hashable that names one remote end: the agent only stores and compares it.
"""

from __future__ import annotations

import binascii
import hmac
import secrets
import struct
from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum
from typing import Final, Generic, TypeVar

from aioice import stun

MAX_PATHS: Final = 8
"""Remote addresses remembered for each transport, as in mediasoup; the one unheard for longest goes first."""
STALE_PATH_S: Final = 5.0
"""A chosen path without checks for so long gives way to any other valid one, also without USE-CANDIDATE."""

_MIN_STUN_BYTES: Final = 20
_COOKIE: Final = b"\x21\x12\xa4\x42"
_BINDING_REQUEST: Final = b"\x00\x01"
_USERNAME: Final = 0x0006
_HARMLESS: Final = {0x0024: 4, 0x0025: 0, 0x802A: 8}
"""PRIORITY, USE-CANDIDATE and ICE-CONTROLLING with their sizes: on the way in use they say nothing new."""
_VENDOR: Final = 0xC000
"""From here on attributes are nobody's whom we know (RFC 8489 section 18.3)."""
_ATTRIBUTE: Final = struct.Struct("!HH")
_INTEGRITY_HEAD, _INTEGRITY_BYTES = b"\x00\x08\x00\x14", 24
_FINGERPRINT_HEAD, _FINGERPRINT_BYTES, _FINGERPRINT_XOR = b"\x80\x28\x00\x04", 8, 0x5354554E

PathT = TypeVar("PathT", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Username fragment and password of one ICE generation (RFC 8839 §5.4: at least 4 and 22 characters)."""

    ufrag: str
    password: str

    @staticmethod
    def new() -> Credentials:
        """Random credentials: 48 bits that name, 144 bits that prove."""
        return Credentials(secrets.token_hex(6), secrets.token_hex(18))


class Verdict(Enum):
    """What became of a STUN message; all but VALID and ROLE_CONFLICT are dropped without an answer."""

    VALID = "valid"
    MALFORMED = "stun_malformed"
    NOT_A_REQUEST = "stun_not_a_request"
    UNKNOWN_UFRAG = "stun_unknown_ufrag"
    BAD_INTEGRITY = "stun_bad_integrity"
    NO_FINGERPRINT = "stun_no_fingerprint"
    ROLE_CONFLICT = "stun_role_conflict"


@dataclass(frozen=True, slots=True)
class CheckResult(Generic[PathT]):
    """Outcome of one check: `reply` is to be sent back on the same path, `evicted` is a path to forget."""

    verdict: Verdict
    reply: bytes | None = None
    path_changed: bool = False
    restarted: bool = False
    evicted: PathT | None = None


def local_ufrag(data: bytes) -> str | None:
    """Our username fragment in a binding request, found without a full parse; None if it is not such a request.

    Never raises, whatever the bytes are. Nothing is authenticated by this: it only finds the agent to ask.
    """
    if len(data) < _MIN_STUN_BYTES or data[4:8] != _COOKIE or data[:2] != _BINDING_REQUEST:
        return None
    position = _MIN_STUN_BYTES
    while position + 4 <= len(data):
        kind = int.from_bytes(data[position : position + 2], "big")
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        if kind == _USERNAME:
            name = data[position + 4 : position + 4 + length].split(b":", 1)[0]
            return name.decode("ascii", "replace")
        position += 4 + length + (-length % 4)
    return None


class IceAgent(Generic[PathT]):
    """One transport's ICE side. `now` is monotonic seconds, given by the caller."""

    def __init__(self, credentials: Credentials) -> None:
        self.credentials = credentials
        self.previous: Credentials | None = None
        self.selected: PathT | None = None
        self.last_check_s: float | None = None
        self._heard_s: dict[PathT, float] = {}

    @property
    def ufrags(self) -> tuple[str, ...]:
        """Username fragments that are honoured now."""
        return (self.credentials.ufrag,) + ((self.previous.ufrag,) if self.previous else ())

    @property
    def paths(self) -> tuple[PathT, ...]:
        """All paths on which a valid check came."""
        return tuple(self._heard_s)

    def restart(self, credentials: Credentials) -> None:
        """Begin a new generation (RFC 8445 §9); the old credentials are honoured until the new ones are used."""
        self.previous = self.credentials
        self.credentials = credentials

    def forget(self, path: PathT) -> None:
        """The path is gone (a TCP connection ended); another valid one takes over, the latest heard first."""
        self._heard_s.pop(path, None)
        if self.selected == path:
            self.selected = max(self._heard_s, key=self._heard_s.__getitem__, default=None)

    def check(self, data: bytes, path: PathT, mapped: tuple[str, int], now: float) -> CheckResult[PathT]:
        """Handle one STUN message that came on `path` from the address `mapped`. Never raises on bad bytes."""
        if path == self.selected and self.previous is None and _only_repeats(data, self.credentials):
            self._heard_s[path] = self.last_check_s = now
            return CheckResult(Verdict.VALID, _confirmation(data, self.credentials, mapped))
        message, used, verdict = self._authenticate(data)
        if message is None or used is None:
            return CheckResult(verdict)
        if "ICE-CONTROLLED" in message.attributes:
            # We are lite, so always controlled; RFC 8445 §7.3.1.1.
            return CheckResult(Verdict.ROLE_CONFLICT, _answer(message, used, error=(487, "Role Conflict")))
        restarted = used == self.credentials and self.previous is not None
        if restarted:
            self.previous = None
        evicted = self._hear(path, now)
        before = self.selected
        nominated = "USE-CANDIDATE" in message.attributes
        # The check on a new generation is a fresh start: its path is followed even before the nomination.
        if before is None or nominated or restarted or now - self._heard_s.get(before, -1e9) > STALE_PATH_S:
            self.selected = path
        self.last_check_s = now
        reply = _answer(message, used, mapped=mapped)
        return CheckResult(Verdict.VALID, reply, self.selected != before, restarted, evicted)

    def _hear(self, path: PathT, now: float) -> PathT | None:
        evicted: PathT | None = None
        if path not in self._heard_s and len(self._heard_s) >= MAX_PATHS:
            others = [known for known in self._heard_s if known != self.selected]
            evicted = min(others, key=self._heard_s.__getitem__)
            del self._heard_s[evicted]
        self._heard_s[path] = now
        return evicted

    def _authenticate(self, data: bytes) -> tuple[stun.Message | None, Credentials | None, Verdict]:
        try:
            message = stun.parse_message(data)
        except Exception:  # aioice lets struct, Unicode and enum errors out; all of them mean malformed bytes
            return None, None, Verdict.MALFORMED
        if message.message_class != stun.Class.REQUEST or message.message_method != stun.Method.BINDING:
            return None, None, Verdict.NOT_A_REQUEST
        ufrag = str(message.attributes.get("USERNAME", "")).split(":", 1)[0]
        known = [c for c in (self.credentials, self.previous) if c is not None and c.ufrag == ufrag]
        if not known:
            return None, None, Verdict.UNKNOWN_UFRAG
        if not message.check_message_integrity(known[0].password.encode()):
            return None, None, Verdict.BAD_INTEGRITY
        if "FINGERPRINT" not in message.attributes:  # aioice checks one that is there, not that it is there
            return None, None, Verdict.NO_FINGERPRINT
        return message, known[0], Verdict.VALID


def _only_repeats(data: bytes, credentials: Credentials) -> bool:
    """An authentic check of these credentials that says nothing but what each check of the way in use says, from its
    shape alone: what is shaped otherwise is read as a whole. Most checks are such, several a second of each page."""
    body_bytes, end = len(data) - _MIN_STUN_BYTES, len(data) - _INTEGRITY_BYTES - _FINGERPRINT_BYTES
    if not _INTEGRITY_BYTES + _FINGERPRINT_BYTES <= body_bytes <= 0xFFFF:
        return False
    if data[:8] != _BINDING_REQUEST + body_bytes.to_bytes(2) + _COOKIE or data[end : end + 4] != _INTEGRITY_HEAD:
        return False
    named, position = False, _MIN_STUN_BYTES
    while position + 4 <= end:
        kind, length = _ATTRIBUTE.unpack_from(data, position)
        if kind == _USERNAME and not named:
            name = data[position + 4 : position + 4 + length]
            named = name.isascii() and name.startswith(credentials.ufrag.encode() + b":")
            if not named:
                return False
        elif _HARMLESS.get(kind) != length and kind < _VENDOR:
            return False
        position += 4 + length + (-length % 4)
    if not named or position != end or data[-8:-4] != _FINGERPRINT_HEAD:
        return False
    if data[-4:] != _fingerprint(data[:-_FINGERPRINT_BYTES]):
        return False
    covered = data[:2] + (body_bytes - _FINGERPRINT_BYTES).to_bytes(2) + data[4:end]
    return hmac.compare_digest(data[end + 4 : -_FINGERPRINT_BYTES], _integrity(covered, credentials))


def _integrity(covered: bytes, credentials: Credentials) -> bytes:
    return hmac.digest(credentials.password.encode(), covered, "sha1")


def _fingerprint(covered: bytes) -> bytes:
    return (binascii.crc32(covered) ^ _FINGERPRINT_XOR).to_bytes(4)


def _confirmation(request: bytes, credentials: Credentials, mapped: tuple[str, int]) -> bytes:
    """The same as `_answer`'s."""
    transaction_id = request[8:20]
    address = stun.pack_xor_address(mapped, transaction_id)
    with_integrity = 4 + len(address) + _INTEGRITY_BYTES
    attribute = _ATTRIBUTE.pack(0x0020, len(address)) + address
    covered = b"\x01\x01" + with_integrity.to_bytes(2) + _COOKIE + transaction_id + attribute
    signed = covered + _INTEGRITY_HEAD + _integrity(covered, credentials)
    signed = signed[:2] + (with_integrity + _FINGERPRINT_BYTES).to_bytes(2) + signed[4:]
    return signed + _FINGERPRINT_HEAD + _fingerprint(signed)


def _answer(
    request: stun.Message,
    credentials: Credentials,
    mapped: tuple[str, int] | None = None,
    error: tuple[int, str] | None = None,
) -> bytes:
    kind = stun.Class.RESPONSE if error is None else stun.Class.ERROR
    response = stun.Message(stun.Method.BINDING, kind, transaction_id=request.transaction_id)
    if mapped is not None:
        response.attributes["XOR-MAPPED-ADDRESS"] = mapped
    if error is not None:
        response.attributes["ERROR-CODE"] = error
    response.add_message_integrity(credentials.password.encode())
    return bytes(response)
