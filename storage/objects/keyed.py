# SPDX-License-Identifier: Apache-2.0
"""The store's door for sessions with a key of their own: whoever comes through it sees plain bytes, the store none.

A session has one where `own-key.json` lies in its folder, which is there before anything else of it (the recorder
sees to that). Sizes, digests and ranges are told of the plain content. What lies in such a session and is not
encrypted under its key and name is refused, and so is what is encrypted in a session that has no key.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from storage.keyed_format import (
    CHUNK_BYTES,
    HEADER_BYTES,
    MAGIC,
    SALT_BYTES,
    TAG_BYTES,
    Chunks,
    FormatFault,
    Span,
    header,
    plain_bytes,
    salt_of,
    span,
    stored_bytes,
)
from storage.layout import manifest_key, own_key_key, session_folder, session_of
from storage.objects.protocol import (
    DigestMismatch,
    EncryptionFound,
    KeyMissing,
    LockMode,
    LockProbe,
    ObjectLock,
    ObjectMissing,
    ObjectStat,
    ObjectStore,
    RangeReader,
    Readable,
    StoreError,
    StoreRefused,
)
from storage.own_keys import LIMIT_BYTES, KeyGarbled, KeyUnreadable, open_own_key

KEPT: Final = 512
"""Sessions whose key, or that they have none, is remembered."""
_BLOCK_BYTES: Final = 4 * CHUNK_BYTES
_Name = tuple[str, str]
"""County and session."""
Elsewhere = Callable[[str, str], bytes | None]
"""`own-key.json` of a county's session from another place than this store; may raise StoreError."""


def nowhere(county: str, session_id: str) -> bytes | None:
    """There is no other place."""
    return None


class KeyRing:
    """Keys of sessions, asked of the store once. Thread-safe."""

    def __init__(self, store: ObjectStore, secrets_dir: Path, elsewhere: Elsewhere) -> None:
        self._store, self._secrets_dir, self._elsewhere = store, secrets_dir, elsewhere
        self._kept: OrderedDict[_Name, bytes | None] = OrderedDict()
        self._lock = threading.Lock()

    def key(self, name: _Name, *, writing: bool = False) -> bytes | None:
        """A session's key, None where it has none. Raises KeyMissing, StoreError."""
        with self._lock:
            if name in self._kept:
                self._kept.move_to_end(name)
                return self._kept[name]
        wrapped = self._wrapped(name, writing)
        if wrapped is None:
            if not self._holds_plain(name):
                return None  # nothing is there yet: it may still be given a key
            return self._keep(name, None)
        try:
            return self._keep(name, open_own_key(self._secrets_dir, name[1], wrapped))
        except KeyUnreadable as fault:
            raise KeyMissing(str(fault)) from None

    def has_key(self, name: _Name) -> bool:
        """Whether a session has a key; it need not be opened for that. Raises KeyMissing, StoreError."""
        with self._lock:
            if name in self._kept:
                return self._kept[name] is not None
        return self._wrapped(name, False) is not None or self.key(name) is not None

    def _keep(self, name: _Name, key: bytes | None) -> bytes | None:
        with self._lock:
            self._kept[name] = key
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return key

    def _wrapped(self, name: _Name, writing: bool) -> bytes | None:
        try:
            return self._store.read_bytes(own_key_key(*name), LIMIT_BYTES)
        except ObjectMissing:
            pass
        try:
            return self._elsewhere(*name)
        except StoreError:
            if writing:  # on no account may it be written in plain because somebody did not answer
                raise
            return None

    def _holds_plain(self, name: _Name) -> bool:
        """True when the store holds an object of the session that is not encrypted. Raises KeyMissing when it is."""
        some = [item.key for item in itertools.islice(self._store.list(session_folder(*name)), 1)]
        for key in (manifest_key(*name), *some):
            try:
                if not _is_encrypted(self._store, key):
                    return True
            except ObjectMissing:
                continue
            raise KeyMissing(
                f"The recording of session {name[1]} is encrypted and its own key, {own_key_key(*name)}, is not in "
                "the store; put that object back from the second store or from a backup."
            )
        return False


def _content_of(key: str) -> _Name | None:
    """The session that an object belongs to; None for `own-key.json` itself, and for what is of no session."""
    name = session_of(key)
    return None if name is not None and key == own_key_key(*name) else name


def _is_encrypted(store: ObjectStore, key: str) -> bool:
    try:
        reader = store.open_range(key, 0, len(MAGIC))
    except ValueError:  # it is not that long
        return False
    with reader:
        return _read_exactly(reader, len(MAGIC)) == MAGIC


class KeyedStore:
    """An ObjectStore over another one. Faults of the content raise DigestMismatch, of the keys KeyMissing."""

    def __init__(self, inner: ObjectStore, secrets_dir: Path, elsewhere: Elsewhere = nowhere) -> None:
        self.inner, self._secrets_dir = inner, secrets_dir
        self._ring = KeyRing(inner, secrets_dir, elsewhere)

    def _key(self, key: str, *, writing: bool = False) -> bytes | None:
        """The key that an object is encrypted with; None where it lies as it is."""
        name = _content_of(key)
        return None if name is None else self._ring.key(name, writing=writing)

    # Writing

    def put_file(self, key: str, path: Path, sha256: str, content_type: str = "application/octet-stream") -> None:
        own = self._key(key, writing=True)
        if own is None:
            self._keep_own_key(key, sha256)
            self.inner.put_file(key, path, sha256, content_type)
            return
        with path.open("rb") as file:
            self._put(key, own, file, path.stat().st_size, sha256)

    def put_stream(self, key: str, stream: Readable, size: int, sha256: str) -> None:
        own = self._key(key, writing=True)
        if own is None:
            self._keep_own_key(key, sha256)
            self.inner.put_stream(key, stream, size, sha256)
            return
        self._put(key, own, stream, size, sha256)

    def put_bytes(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> str:
        own, sha256 = self._key(key, writing=True), hashlib.sha256(data).hexdigest()
        if own is None:
            self._keep_own_key(key, sha256)
            return self.inner.put_bytes(key, data, content_type)
        self._put(key, own, _Bytes(data), len(data), sha256)
        return sha256

    def _put(self, key: str, own: bytes, source: Readable, size: int, sha256: str) -> None:
        encrypting = _Encrypting(key, own, source, size)
        self.inner.put_stream(key, encrypting, encrypting.bytes, sha256)

    def _keep_own_key(self, key: str, sha256: str) -> None:
        """A session's key is never written over by another one: what it opens would be lost. Raises KeyMissing."""
        name = session_of(key)
        if name is None or key != own_key_key(*name):
            return
        try:
            there = self.inner.read_bytes(key, LIMIT_BYTES)
            if hashlib.sha256(there).hexdigest() != sha256:
                open_own_key(self._secrets_dir, name[1], there)
                raise KeyMissing(f"The store holds another key of session {name[1]}; it is left as it is.")
        except (ObjectMissing, KeyGarbled):
            return  # what a store that does wrong has left opens nothing
        except KeyUnreadable as fault:
            raise KeyMissing(str(fault)) from None

    # Reading

    def open_range(self, key: str, start: int = 0, length: int | None = None) -> RangeReader:
        own = self._key(key)
        if own is None:
            return self.inner.open_range(key, start, length)
        if start == 0 and length is None:
            return self._open_whole(key, own)
        try:
            head = self.inner.open_range(key, 0, HEADER_BYTES)
        except ValueError:  # it is not that long, so let its size be told
            head = self.inner.open_range(key)
        with head:
            total, salt = self._head(key, head)
        wanted = total - start if length is None else length
        if start < 0 or wanted < 0 or start + wanted > total:
            raise ValueError(f"bytes {start}+{wanted} lie outside {key} with {total} bytes")
        there = span(start, wanted, total)
        stored = self.inner.open_range(key, there.offset, there.bytes)
        return _Opened(key, stored, Chunks(own, key, salt), there, wanted, total)

    def _open_whole(self, key: str, own: bytes) -> RangeReader:
        with contextlib.ExitStack() as opened:
            reader = opened.enter_context(self.inner.open_range(key))
            total, salt = self._head(key, reader)
            opened.pop_all()
        return _Opened(key, reader, Chunks(own, key, salt), span(0, total, total), total, total)

    def _head(self, key: str, reader: RangeReader) -> tuple[int, bytes]:
        """Plain size and salt of an object that was opened at its beginning. Raises DigestMismatch."""
        with _named(key):
            salt = salt_of(_read_exactly(reader, min(HEADER_BYTES, reader.total_bytes)))
            return plain_bytes(reader.total_bytes), salt

    def read_bytes(self, key: str, limit_bytes: int = 64 * 1024 * 1024) -> bytes:
        own = self._key(key)
        if own is None:
            return self.inner.read_bytes(key, limit_bytes)
        with self._open_whole(key, own) as reader:
            if reader.total_bytes > limit_bytes:
                raise StoreRefused(f"{key} holds {reader.total_bytes} bytes, more than {limit_bytes}")
            return b"".join(reader)

    def stored_sha256(self, key: str) -> tuple[str, int]:
        own = self._key(key)
        if own is None:
            return self.inner.stored_sha256(key)
        digest, size = hashlib.sha256(), 0
        with self._open_whole(key, own) as reader:
            for block in reader:
                digest.update(block)
                size += len(block)
        return digest.hexdigest(), size

    def stat(self, key: str) -> ObjectStat:
        found, name = self.inner.stat(key), _content_of(key)
        if name is None or not self._ring.has_key(name):
            return found
        with _named(key):
            return replace(found, bytes=plain_bytes(found.bytes))

    def list(self, prefix: str) -> Iterator[ObjectStat]:
        """As every store does. The sizes of one session are held back until its key has, or has not, come by; keys are
        not opened for it, so a list can be had without the installation's key."""
        for name, group in itertools.groupby(self.inner.list(prefix), lambda item: session_of(item.key)):
            if name is None:
                yield from group
                continue
            own, found = own_key_key(*name), list(group)
            keyed = any(item.key == own for item in found)
            if not own.startswith(prefix):  # then it could not come by
                keyed = self._has_key(name)
            for item in found:
                yield replace(item, bytes=_shown(item.bytes)) if keyed and item.key != own else item

    def _has_key(self, name: _Name) -> bool:
        try:
            self.inner.stat(own_key_key(*name))
        except ObjectMissing:
            return False
        return True

    # What has nothing to do with the content

    def ensure_bucket(self) -> None:
        self.inner.ensure_bucket()

    def probe(self) -> None:
        self.inner.probe()

    def delete(self, key: str) -> None:
        self.inner.delete(key)

    def probe_encryption(self) -> EncryptionFound:
        return self.inner.probe_encryption()

    def allow_locks(self) -> None:
        self.inner.allow_locks()

    def probe_lock(self, mode: LockMode) -> LockProbe:
        return self.inner.probe_lock(mode)

    def lock(self, key: str, until_utc_ms: int, mode: LockMode) -> None:
        self.inner.lock(key, until_utc_ms, mode)

    def hold(self, key: str, on: bool) -> None:
        self.inner.hold(key, on)

    def lock_of(self, key: str) -> ObjectLock:
        return self.inner.lock_of(key)


class _Opened:
    """A range of an encrypted object, decrypted on the way; see RangeReader. No chunk goes out unchecked."""

    def __init__(self, key: str, stored: RangeReader, chunks: Chunks, there: Span, length: int, total: int) -> None:
        self._key, self._stored, self._chunks, self._span = key, stored, chunks, there
        self._next, self._left = 0, length
        self._ready = b""
        self.bytes, self.total_bytes = length, total

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes (-1: the rest), empty at the end. Raises StoreAway, DigestMismatch."""
        parts, wanted = [], self._left if size < 0 else min(size, self._left)
        if not self.total_bytes and not self._next:
            self._chunk()  # also of nothing it must be sure that nothing was put
        while wanted:
            if not self._ready:
                self._ready = self._chunk()
            piece, self._ready = self._ready[:wanted], self._ready[wanted:]
            parts.append(piece)
            wanted -= len(piece)
            self._left -= len(piece)
        return b"".join(parts)

    def _chunk(self) -> bytes:
        """The next chunk, without what lies before the range."""
        number = self._span.first + self._next
        offset = self._next * (CHUNK_BYTES + TAG_BYTES)
        stored = _read_exactly(self._stored, min(CHUNK_BYTES + TAG_BYTES, self._span.bytes - offset))
        with _named(self._key):
            data = self._chunks.open(number, stored, last=number == self._span.last)
        self._next += 1
        return data[self._span.skip :] if self._next == 1 else data

    def __iter__(self) -> Iterator[bytes]:
        while block := self.read(_BLOCK_BYTES):
            yield block

    def close(self) -> None:
        """Give the connection back."""
        self._stored.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Encrypting:
    """What a put reads: the header, then chunk after chunk of `size` plain bytes. A new salt each time."""

    def __init__(self, key: str, own: bytes, source: Readable, size: int) -> None:
        self._key, self._source, self._size = key, source, size
        salt = secrets.token_bytes(SALT_BYTES)
        self._chunks, self._ready = Chunks(own, key, salt), header(salt)
        self._number, self._last = 0, span(0, size, size).last
        self.bytes = stored_bytes(size)

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes (-1: the rest). Raises DigestMismatch when the source ends early."""
        parts, wanted = [], self.bytes if size < 0 else size
        while wanted and (self._ready or self._number <= self._last):
            if not self._ready:
                self._ready = self._chunk()
            piece, self._ready = self._ready[:wanted], self._ready[wanted:]
            parts.append(piece)
            wanted -= len(piece)
        return b"".join(parts)

    def _chunk(self) -> bytes:
        number, self._number = self._number, self._number + 1
        data = _read_exactly(self._source, min(CHUNK_BYTES, self._size - number * CHUNK_BYTES))
        if len(data) < min(CHUNK_BYTES, self._size - number * CHUNK_BYTES):
            raise DigestMismatch(f"What was to be stored as {self._key} became shorter while it was read.")
        return self._chunks.seal(number, data, last=number == self._last)


class _Bytes:
    """Bytes in memory as something to read."""

    def __init__(self, data: bytes) -> None:
        self._rest = memoryview(data)

    def read(self, size: int = -1) -> bytes:
        wanted = len(self._rest) if size < 0 else size
        piece, self._rest = bytes(self._rest[:wanted]), self._rest[wanted:]
        return piece


def _read_exactly(source: Readable, size: int) -> bytes:
    """`size` bytes, fewer only at the end: a read may give less than it was asked for."""
    parts: list[bytes] = []
    while size and (piece := source.read(size)):
        parts.append(piece)
        size -= len(piece)
    return b"".join(parts)


@contextlib.contextmanager
def _named(key: str) -> Iterator[None]:
    """A fault of the format as a fault of this object."""
    try:
        yield
    except FormatFault as fault:
        raise DigestMismatch(f"{key} {fault}.") from None


def _shown(stored: int) -> int:
    """Plain size for a list, which must not end at one wrong object: 0 for a size that none can have."""
    try:
        return plain_bytes(stored)
    except FormatFault:
        return 0
