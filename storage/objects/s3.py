# SPDX-License-Identifier: Apache-2.0
"""The object store behind any S3 address. This module is the one door to minio-py and urllib3.

Digests are ours: SHA-256 is kept as user metadata *and* checked by reading the object back, because neither a 200 nor
an ETag says what lies on the disk (a multipart ETag is no digest of the content, and metadata only repeats the claim).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import urllib3
from minio import Minio
from minio.error import InvalidResponseError, S3Error, ServerError
from urllib3.exceptions import HTTPError
from urllib3.util import Retry, Timeout

from storage.ids import new_id
from storage.objects.protocol import (
    SHA256,
    DigestMismatch,
    ObjectMissing,
    ObjectStat,
    StoreAway,
    StoreError,
    StoreRefused,
)

_BLOCK_BYTES = 256 * 1024
_PART_BYTES = 16 * 1024 * 1024
_MISSING = {"NoSuchKey", "NoSuchBucket", "NoSuchVersion", "NoSuchObject", "ResourceNotFound"}
_BUSY = {"SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "XMinioServerNotInitialized"}
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
        try:
            self._client = Minio(endpoint, access_key, secret_key, secure=secure, region=region, http_client=pool)
        except ValueError as error:
            raise StoreRefused(f"The address of the store {endpoint!r} is wrong: {error}") from None

    def ensure_bucket(self) -> None:
        if _calling("look for the bucket", lambda: self._client.bucket_exists(self.bucket)):
            return
        try:
            _calling("make the bucket", lambda: self._client.make_bucket(self.bucket, location=self._region))
        except StoreRefused:
            # Another program may have made it in between; only then is it there now.
            if not _calling("look for the bucket", lambda: self._client.bucket_exists(self.bucket)):
                raise

    def probe(self) -> None:
        key = f".probe/{new_id()}"
        data = key.encode()
        self.put_bytes(key, data, "text/plain")
        try:
            if self.read_bytes(key) != data:
                raise DigestMismatch("The store gave back other bytes than were put.")
        finally:
            self.delete(key)

    def put_file(self, key: str, path: Path, sha256: str, content_type: str = "application/octet-stream") -> None:
        with path.open("rb") as file:
            size = path.stat().st_size
            self._put(key, file, size, sha256, content_type)

    def put_bytes(self, key: str, data: bytes, content_type: str = "application/octet-stream") -> str:
        sha256 = hashlib.sha256(data).hexdigest()
        self._put(key, io.BytesIO(data), len(data), sha256, content_type)
        return sha256

    def _put(self, key: str, file: Any, size: int, sha256: str, content_type: str) -> None:
        _calling(
            f"put {key}",
            lambda: self._client.put_object(
                self.bucket,
                key,
                file,
                size,
                content_type=content_type,
                metadata={SHA256: sha256},
                part_size=_PART_BYTES,
                num_parallel_uploads=1,
            ),
        )

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
            _calling(f"delete {key}", lambda: self._client.remove_object(self.bucket, key))
        except ObjectMissing:
            return


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
    if error.code in _BUSY or status >= 500:
        return StoreAway(sentence)
    return StoreRefused(sentence)


def _user_metadata(headers: Any) -> dict[str, str]:
    prefix = "x-amz-meta-"
    found = {str(name).lower(): str(value) for name, value in (headers or {}).items()}
    return {name.removeprefix(prefix): value for name, value in found.items() if name.startswith(prefix)}


def _utc_ms(moment: Any) -> int:
    return int(moment.timestamp() * 1000) if moment is not None else 0
