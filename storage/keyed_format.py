# SPDX-License-Identifier: Apache-2.0
"""What an object looks like that is stored under a session's own key. PURE: no I/O, no randomness.

STREAM (Hoang, Reyhanitabar, Rogaway, Vizar 2015) with AES-256-GCM, as docs/format.md tells it: a header with a salt,
then chunks of 64 KiB, each with its tag. The object's key is HKDF-SHA256 (RFC 5869) of the session's key, this salt and
the object's name, so an object that was moved to another name does not open. The nonce is the chunk's number and
whether it is the last one: chunks that were swapped, repeated, left out or cut off at the end do not open either. A
nonce never comes twice under one key as long as every put draws a salt of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MAGIC: Final = b"VHOWNKEY\x01"
"""How every such object begins; its last byte is the version. Nothing else of a recording begins so."""
SALT_BYTES: Final = 32
HEADER_BYTES: Final = len(MAGIC) + SALT_BYTES
CHUNK_BYTES: Final = 64 * 1024
TAG_BYTES: Final = 16
KEY_BYTES: Final = 32
_STORED_CHUNK_BYTES: Final = CHUNK_BYTES + TAG_BYTES


class FormatFault(ValueError):
    """These are not the bytes that were put under this name and key. The text completes "KEY …"."""


def header(salt: bytes) -> bytes:
    """What stands before the chunks."""
    assert len(salt) == SALT_BYTES
    return MAGIC + salt


def salt_of(head: bytes) -> bytes:
    """The salt in a header. Raises FormatFault."""
    if len(head) != HEADER_BYTES or not head.startswith(MAGIC):
        raise FormatFault("is not encrypted, although its session has a key of its own")
    return head[len(MAGIC) :]


def stored_bytes(plain: int) -> int:
    """Size in the store of an object of so many bytes."""
    chunks = max(1, -(-plain // CHUNK_BYTES))
    return HEADER_BYTES + plain + chunks * TAG_BYTES


def plain_bytes(stored: int) -> int:
    """The inverse. Raises FormatFault for a size that no object has."""
    chunks, rest = divmod(stored - HEADER_BYTES, _STORED_CHUNK_BYTES)
    empty = chunks == 0 and rest == TAG_BYTES
    if chunks < 0 or (chunks, rest) == (0, 0) or (0 < rest <= TAG_BYTES and not empty):
        raise FormatFault(f"has {stored} bytes, which no encrypted object has")
    return chunks * CHUNK_BYTES + max(0, rest - TAG_BYTES)


@dataclass(frozen=True, slots=True)
class Span:
    """The chunks that hold a range, and where they lie in the stored object."""

    first: int
    """Number of the first chunk."""
    chunks: int
    last: int
    """Number of the object's last chunk."""
    offset: int
    bytes: int
    skip: int
    """Plain bytes of the first chunk before the range."""


def span(start: int, length: int, plain: int) -> Span:
    """Chunks of `length` bytes from `start` in an object of `plain` bytes; of an empty object its one empty chunk."""
    last = max(0, -(-plain // CHUNK_BYTES) - 1)
    first = min(start // CHUNK_BYTES, last)
    end = min(last, (start + length - 1) // CHUNK_BYTES) if length else first
    chunks = end - first + 1 if length or not plain else 0
    offset = HEADER_BYTES + first * _STORED_CHUNK_BYTES
    behind = min(stored_bytes(plain), offset + chunks * _STORED_CHUNK_BYTES)
    return Span(first, chunks, last, offset, behind - offset, start - first * CHUNK_BYTES)


class Chunks:
    """Encrypts and opens the chunks of one object."""

    def __init__(self, session_key: bytes, name: str, salt: bytes) -> None:
        """`name` is the object's whole key in the store."""
        derived = HKDF(SHA256(), KEY_BYTES, salt, MAGIC + name.encode())
        self._cipher = AESGCM(derived.derive(session_key))

    def seal(self, number: int, data: bytes, *, last: bool) -> bytes:
        """One chunk as it is stored. Every number is used once."""
        return self._cipher.encrypt(_nonce(number, last), data, None)

    def open(self, number: int, stored: bytes, *, last: bool) -> bytes:
        """One chunk as it was. Raises FormatFault."""
        try:
            return self._cipher.decrypt(_nonce(number, last), stored, None)
        except InvalidTag:
            raise FormatFault("was changed, or is another object than was put there") from None


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])
