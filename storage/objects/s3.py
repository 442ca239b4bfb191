# SPDX-License-Identifier: Apache-2.0
"""The object store behind any S3 address. This module is the one door to minio-py and urllib3.

Digests are ours: SHA-256 is kept as user metadata *and* checked by reading the object back, because neither a 200 nor
an ETag says what lies on the disk (a multipart ETag is no digest of the content, and metadata only repeats the claim).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import urllib3
from minio import Minio
from minio.commonconfig import ENABLED
from minio.error import InvalidResponseError, S3Error, ServerError
from minio.objectlockconfig import ObjectLockConfig
from minio.retention import Retention
from minio.sse import Sse, SseKMS, SseS3
from minio.versioningconfig import VersioningConfig
from urllib3.exceptions import HTTPError
from urllib3.util import Retry, Timeout

from storage.ids import new_id
from storage.objects.protocol import (
    LOCK_PROBES,
    SHA256,
    DigestMismatch,
    EncryptionFound,
    LockMode,
    LockProbe,
    ObjectLock,
    ObjectMissing,
    ObjectStat,
    Readable,
    StoreAway,
    StoreError,
    StoreRefused,
)

_BLOCK_BYTES = 256 * 1024
_PART_BYTES = 16 * 1024 * 1024
_MISSING = {"NoSuchKey", "NoSuchBucket", "NoSuchVersion", "NoSuchObject", "ResourceNotFound"}
_BUSY = {"SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "XMinioServerNotInitialized"}
_CANNOT = {"NotImplemented", "MethodNotAllowed", "XNotImplemented"}
_UNLOCKED = {
    "NoSuchObjectLockConfiguration",
    "NoSuchObjectLegalHold",
    "ObjectLockConfigurationNotFoundError",
    "InvalidRequest",
}
"""How stores say that an object or its bucket has no lock; none of them is a fault when it is asked for."""
_PROBE_LOCK_S = 5
_Result = TypeVar("_Result")


class S3Range:
    """An open range; see RangeReader. `bytes` are still to come at opening, `total_bytes` is the object's size."""

    def __init__(self, response: Any, length: int, total_bytes: int) -> None:
        self._response = response
        self._left = length
        self.bytes = length
        self.total_bytes = total_bytes

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes (-1: the rest), empty at the end. A connection cut in between raises StoreAway."""
        wanted = self._left if size < 0 else min(size, self._left)
        if wanted == 0:
            return b""
        data: bytes = _calling("read", lambda: self._response.read(wanted))
        self._left -= len(data)
        if not data:
            raise StoreAway(f"the store ended a reply {self._left} bytes early")
        return data

    def __iter__(self) -> Iterator[bytes]:
        while block := self.read(_BLOCK_BYTES):
            yield block

    def close(self) -> None:
        """Give the connection back when everything was read, else drop it."""
        if self._left:
            self._response.close()
        self._response.release_conn()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class S3Store:
    """ObjectStore over one bucket; see the protocol for what each call does and raises."""

    def __init__(
        self,
        endpoint: str,
        access_key: str,
        secret_key: str,
        bucket: str,
        *,
        secure: bool,
        region: str = "us-east-1",
        encryption: str = "off",
        encryption_key: str = "",
        connect_timeout_s: float = 3.0,
        read_timeout_s: float = 20.0,
        connections: int = 16,
    ) -> None:
        # No retries here: the uploader retries without end, and a page must hear quickly that the store is away.
        pool = urllib3.PoolManager(
            timeout=Timeout(connect=connect_timeout_s, read=read_timeout_s),
            maxsize=connections,
            retries=Retry(total=0, redirect=0, raise_on_status=False),
        )
        self.endpoint = endpoint
        self.bucket = bucket
        self._region = region
        kinds: dict[str, Sse] = {"sse-s3": SseS3(), "sse-kms": SseKMS(encryption_key, {})}
        self._sse = kinds.get(encryption)
        try:
            self._client = Minio(endpoint, access_key, secret_key, secure=secure, region=region, http_client=pool)
        except ValueError as error:
            raise StoreRefused(f"The address of the store {endpoint!r} is wrong: {error}") from None

    def ensure_bucket(self) -> None:
        if _calling("look for the bucket", lambda: self._client.bucket_exists(self.bucket)):
            return
        try:
            self._make_bucket()
        except StoreRefused:
            # Another program may have made it in between; only then is it there now.
            if not _calling("look for the bucket", lambda: self._client.bucket_exists(self.bucket)):
                raise

    def _make_bucket(self) -> None:
        """A bucket that can lock has to be made so; a store that knows no locks makes a plain one."""

        def make(object_lock: bool) -> None:
            _calling(
                "make the bucket",
                lambda: self._client.make_bucket(self.bucket, location=self._region, object_lock=object_lock),
            )

        try:
            make(True)
        except StoreRefused:
            make(False)

    def probe(self) -> None:
        key = f".probe/{new_id()}"
        data = key.encode()
        self.put_bytes(key, data, "text/plain")
        try:
            if self.read_bytes(key) != data:
                raise DigestMismatch("The store gave back other bytes than were put.")
        finally:
            self.delete(key)

    def probe_encryption(self) -> EncryptionFound:
        key = f".probe/{new_id()}"
        data = key.encode() * 100
        try:
            self.put_bytes(key, data)
        except StoreRefused:
            return "refused"
        try:
            found = _calling("look at the probe", lambda: self._client.stat_object(self.bucket, key))
            said = {str(name).lower() for name in found.metadata or {}}
            if "x-amz-server-side-encryption" not in said:
                return "ignored"
            with self.open_range(key, 7, 50) as part:
                whole = self.read_bytes(key) == data and part.read() == data[7:57]
            return "encrypted" if whole else "unreadable"
        except StoreError:
            return "unreadable"
        finally:
            self.delete(key)

    def put_file(self, key: str, path: Path, sha256: str, content_type: str = "application/octet-stream") -> None:
        with path.open("rb") as file:
            size = path.stat().st_size
            self._put(key, file, size, sha256, content_type)

    def put_stream(self, key: str, stream: Readable, size: int, sha256: str) -> None:
        self._put(key, stream, size, sha256, "application/octet-stream")

    def put_bytes(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> str:
        sha256 = hashlib.sha256(data).hexdigest()
        self._put(key, io.BytesIO(data), len(data), sha256, content_type)
        return sha256

    def _put(self, key: str, file: Any, size: int, sha256: str, content_type: str) -> str:
        """The version that was made; empty where the bucket keeps none."""
        made = _calling(
            f"put {key}",
            lambda: self._client.put_object(
                self.bucket,
                key,
                file,
                size,
                content_type=content_type,
                metadata={SHA256: sha256},
                sse=self._sse,
                part_size=_PART_BYTES,
                num_parallel_uploads=1,
            ),
        )
        return str(made.version_id or "")

    def open_range(self, key: str, start: int = 0, length: int | None = None) -> S3Range:
        total = self.stat(key).bytes
        wanted = total - start if length is None else length
        if start < 0 or wanted < 0 or start + wanted > total:
            raise ValueError(f"bytes {start}+{wanted} lie outside {key} with {total} bytes")
        if wanted == 0:
            return S3Range(urllib3.HTTPResponse(body=io.BytesIO(b"")), 0, total)
        # minio-py takes a length of 0 as "to the end", so the length is always given.
        response = _calling(f"read {key}", lambda: self._client.get_object(self.bucket, key, start, wanted))
        return S3Range(response, wanted, total)

    def read_bytes(self, key: str, limit_bytes: int = 64 * 1024 * 1024) -> bytes:
        with self.open_range(key) as reader:
            if reader.total_bytes > limit_bytes:
                raise StoreRefused(f"{key} holds {reader.total_bytes} bytes, more than {limit_bytes}")
            return b"".join(reader)

    def stat(self, key: str) -> ObjectStat:
        found = _calling(f"look at {key}", lambda: self._client.stat_object(self.bucket, key))
        metadata = _user_metadata(found.metadata)
        return ObjectStat(key, found.size or 0, _utc_ms(found.last_modified), metadata.get(SHA256, ""), metadata)

    def stored_sha256(self, key: str) -> tuple[str, int]:
        digest, size = hashlib.sha256(), 0
        with self.open_range(key) as reader:
            for block in reader:
                digest.update(block)
                size += len(block)
        return digest.hexdigest(), size

    def list(self, prefix: str) -> Iterator[ObjectStat]:
        found = iter(self._client.list_objects(self.bucket, prefix=prefix, recursive=True))
        while (item := _calling(f"list {prefix}", lambda: next(found, None))) is not None:
            if not item.is_dir:
                yield ObjectStat(item.object_name or "", item.size or 0, _utc_ms(item.last_modified))

    def delete(self, key: str) -> None:
        try:
            versions = self._versions(key)
            if any(version not in ("", "null") for version in versions) or (versions and self._keeps_versions()):
                for version in versions:
                    self._delete_version(key, version)
            else:
                _calling(f"delete {key}", lambda: self._client.remove_object(self.bucket, key))
        except ObjectMissing:
            return

    def _keeps_versions(self) -> bool:
        """True where deleting without a version would only put a mark over the object."""
        found = _calling("look at the bucket", lambda: self._client.get_bucket_versioning(self.bucket))
        return bool(found.status == ENABLED)

    def _versions(self, key: str) -> Sequence[str]:
        """All versions of one object, its delete markers too."""
        found = iter(self._client.list_objects(self.bucket, prefix=key, recursive=True, include_version=True))
        versions = []
        while (item := _calling(f"list the versions of {key}", lambda: next(found, None))) is not None:
            if item.object_name == key:
                versions.append(str(item.version_id or ""))
        return versions

    def _delete_version(self, key: str, version: str) -> None:
        _calling(f"delete {key}", lambda: self._client.remove_object(self.bucket, key, version_id=version))

    # Locks

    def allow_locks(self) -> None:
        _calling("keep versions", lambda: self._client.set_bucket_versioning(self.bucket, VersioningConfig(ENABLED)))
        # No time by itself: every object's time is its session's.
        _calling(
            "allow locks", lambda: self._client.set_object_lock_config(self.bucket, ObjectLockConfig(None, None, None))
        )

    def probe_lock(self, mode: LockMode) -> LockProbe:
        self._sweep_lock_probes()
        key = f"{LOCK_PROBES}{new_id()}"
        data = key.encode()
        version = self._put(key, io.BytesIO(data), len(data), hashlib.sha256(data).hexdigest(), "text/plain")
        if not version:
            self.delete(key)
            return LockProbe(False, "no_versions")
        try:
            self._set_hold(key, version, True)
            if self._deletes(key, version):
                return LockProbe(False, "hold_ignored")
            self._set_hold(key, version, False)
            self._set_retention(key, version, datetime.now(UTC) + timedelta(seconds=_PROBE_LOCK_S), mode)
        except StoreRefused:
            self.delete(key)
            return LockProbe(False, "no_lock")
        if self._deletes(key, version):
            return LockProbe(False, "deletes_anyway")
        self.put_bytes(key, b"written over it")
        found = _calling("read it", lambda: self._read_version(key, version))
        return LockProbe(True, "enforced") if found == data else LockProbe(False, "overwrites_anyway")

    def _sweep_lock_probes(self) -> None:
        for old in tuple(self.list(LOCK_PROBES)):
            try:
                self.delete(old.key)
            except StoreRefused:
                continue  # another program's probe, some seconds old

    def _deletes(self, key: str, version: str) -> bool:
        try:
            self._delete_version(key, version)
        except StoreRefused:
            return False
        return True

    def _read_version(self, key: str, version: str) -> bytes:
        try:
            response = self._client.get_object(self.bucket, key, version_id=version)
        except S3Error as error:
            if error.code in _MISSING:
                return b""
            raise
        with response:
            return bytes(response.read())

    def lock(self, key: str, until_utc_ms: int, mode: LockMode) -> None:
        version, until = self._version_now(key), datetime.fromtimestamp(-(-until_utc_ms // 1000), UTC)
        refusal = StoreRefused(f"The store took the lock of {key} and did not keep it.")
        try:
            self._set_retention(key, version, until, mode)
        except StoreRefused as error:
            refusal = error
        if self.lock_of(key).until_utc_ms < until_utc_ms:  # else it is locked for as long, or longer
            raise refusal

    def hold(self, key: str, on: bool) -> None:
        self._set_hold(key, self._version_now(key), on)

    def lock_of(self, key: str) -> ObjectLock:
        version = self._version_now(key)
        time = _calling(
            f"look at the lock of {key}",
            lambda: _or_none(lambda: self._client.get_object_retention(self.bucket, key, version_id=version)),
        )
        held = _calling(
            f"look at the hold of {key}",
            lambda: _or_none(lambda: self._client.is_object_legal_hold_enabled(self.bucket, key, version_id=version)),
        )
        if time is None:
            return ObjectLock(held=bool(held))
        mode: LockMode = "compliance" if time.mode == "COMPLIANCE" else "governance"
        return ObjectLock(mode, _utc_ms(time.retain_until_date), bool(held))

    def _version_now(self, key: str) -> str | None:
        found = _calling(f"look at {key}", lambda: self._client.stat_object(self.bucket, key))
        # Of what was there before the bucket kept versions, SeaweedFS takes "null" for a lock and loses it.
        return None if found.version_id in (None, "", "null") else str(found.version_id)

    def _set_retention(self, key: str, version: str | None, until: datetime, mode: LockMode) -> None:
        wanted = Retention(mode.upper(), until)
        _calling(
            f"lock {key}",
            lambda: self._client.set_object_retention(self.bucket, key, wanted, version_id=version),
        )

    def _set_hold(self, key: str, version: str | None, on: bool) -> None:
        client = self._client
        change = client.enable_object_legal_hold if on else client.disable_object_legal_hold
        _calling(f"hold {key}", lambda: change(self.bucket, key, version_id=version))


def _or_none(ask: Callable[[], _Result]) -> _Result | None:
    """The answer; None where the store says that nothing of the kind was set."""
    try:
        return ask()
    except S3Error as error:
        if error.code in _UNLOCKED:
            return None
        raise


def _calling(what: str, call: Callable[[], _Result]) -> _Result:
    """Run one call of minio-py and name its failure by who can mend it."""
    try:
        return call()
    except S3Error as error:
        raise _named(what, error) from None
    except (ServerError, InvalidResponseError) as error:
        raise StoreAway(f"The store could not {what}: it answered with a fault ({type(error).__name__}).") from None
    except HTTPError as error:
        raise StoreAway(f"The store could not {what}: it does not answer ({type(error).__name__}).") from None
    except ValueError as error:
        raise StoreRefused(f"The store could not {what}: {error}") from None


def _named(what: str, error: S3Error) -> StoreError:
    status = getattr(error.response, "status", 0)
    sentence = f"The store could not {what}: {error.code}."
    if error.code in _MISSING:
        return ObjectMissing(sentence)
    if error.code in _CANNOT:
        return StoreRefused(sentence)
    if error.code in _BUSY or status >= 500:
        return StoreAway(sentence)
    return StoreRefused(sentence)


def _user_metadata(headers: Any) -> dict[str, str]:
    prefix = "x-amz-meta-"
    found = {str(name).lower(): str(value) for name, value in (headers or {}).items()}
    return {name.removeprefix(prefix): value for name, value in found.items() if name.startswith(prefix)}


def _utc_ms(moment: Any) -> int:
    return int(moment.timestamp() * 1000) if moment is not None else 0
