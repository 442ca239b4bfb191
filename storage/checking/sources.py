# SPDX-License-Identifier: Apache-2.0
"""Where a recording may lie, each way read alike. What is read is never trusted: every read has a limit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Protocol

from storage.keyed_format import MAGIC
from storage.layout import manifest_key, own_key_key, session_folder, stamp_key
from storage.objects import DigestMismatch, ObjectMissing, ObjectStore, StoreError
from storage.timestamp import ANSWER_LIMIT_BYTES

BLOCK_BYTES = 1 << 20
MANIFEST_LIMIT_BYTES = 256 << 20
"""About 14 hours of 24 parties with camera and microphone."""
MANIFEST_NAME = "manifest.json"
VERSIONS = "manifests/"
STAMP_NAME = "manifest.tsr"
STAMP_LIMIT_BYTES = ANSWER_LIMIT_BYTES + 1
"""One more than a stamp may have, so that whoever checks it says what is wrong."""


class Differs(Exception):
    """Something is not as it was sealed. The text is one sentence that names it."""


class CannotCheck(Exception):
    """Nothing can be said about the recording. The text is one sentence."""


class Source(Protocol):
    """Where a recording lies. All calls may come from several threads at once."""

    where: str

    def manifest(self) -> bytes:
        """The stored manifest. Raises CannotCheck, Differs."""

    def stamp(self) -> bytes | None:
        """The time stamp beside the manifest, None where there is none. Raises CannotCheck, Differs."""

    def blocks(self, key: str) -> Iterator[bytes]:
        """A segment's bytes. Raises Differs when it is missing or damaged, CannotCheck when it cannot be read."""

    def keys(self, county: str, session_id: str) -> set[str]:
        """Keys of all files in `tracks`, whoever put them there. Raises CannotCheck."""

    def beside(self) -> list[str]:
        """Names of what else lies there, outside `tracks`: the seal says nothing about it. Raises CannotCheck."""

    def versions(self) -> set[str]:
        """Digests of the manifest as it was kept at the seal, where the store enforces no lock. Raises CannotCheck."""

    def own_key(self) -> bool:
        """True where what lies there is encrypted with the session's own key, and is opened. Raises CannotCheck."""


def local_name(key: str) -> str:
    """Place of an object in an exported session: its key without county, `sessions` and session id."""
    return "/".join(key.split("/")[3:])


def is_beside(name: str) -> bool:
    """True for a file of an export that the seal says nothing about."""
    return not name.startswith(("tracks/", VERSIONS)) and name not in (MANIFEST_NAME, STAMP_NAME)


class StoreSource:
    """A session in the object store."""

    def __init__(self, store: ObjectStore, county: str, session_id: str, where: str = "the store") -> None:
        self._store = store
        self._folder = session_folder(county, session_id)
        self._manifest_key = manifest_key(county, session_id)
        self._stamp_key = stamp_key(county, session_id)
        self._own_key_key = own_key_key(county, session_id)
        self.where = where

    def manifest(self) -> bytes:
        try:
            return self._store.read_bytes(self._manifest_key, MANIFEST_LIMIT_BYTES)
        except ObjectMissing:
            raise CannotCheck(
                f"The store holds no manifest {self._manifest_key}: the session is unknown or not yet sealed."
            ) from None
        except DigestMismatch as fault:
            raise Differs(f"The manifest {fault}") from None
        except StoreError as error:
            raise CannotCheck(str(error)) from None

    def stamp(self) -> bytes | None:
        try:
            return self._store.read_bytes(self._stamp_key, STAMP_LIMIT_BYTES)
        except ObjectMissing:
            return None
        except DigestMismatch as fault:
            raise Differs(f"The time stamp {fault}") from None
        except StoreError as error:
            raise CannotCheck(str(error)) from None

    def blocks(self, key: str) -> Iterator[bytes]:
        try:
            with self._store.open_range(key) as reader:
                yield from reader
        except ObjectMissing:
            raise Differs(f"Segment {key} is missing from the store.") from None
        except DigestMismatch as fault:
            raise Differs(f"Segment {fault}") from None
        except StoreError as error:
            raise CannotCheck(str(error)) from None

    def keys(self, county: str, session_id: str) -> set[str]:
        try:
            return {stat.key for stat in self._store.list(f"{session_folder(county, session_id)}tracks/")}
        except StoreError as error:
            raise CannotCheck(str(error)) from None

    def beside(self) -> list[str]:
        return []  # transcripts and the like, which the database knows

    def versions(self) -> set[str]:
        try:
            return versions_among(stat.key for stat in self._store.list(f"{self._folder}{VERSIONS}"))
        except StoreError as error:
            raise CannotCheck(str(error)) from None

    def own_key(self) -> bool:
        try:
            self._store.stat(self._own_key_key)
        except ObjectMissing:
            return False
        except StoreError as error:
            raise CannotCheck(str(error)) from None
        return True


class FolderSource:
    """A session's folder, as exported: `manifest.json` beside `tracks/`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.where = f"the folder {folder}"

    def manifest(self) -> bytes:
        path = self._folder / MANIFEST_NAME
        try:
            with path.open("rb") as file:
                return limited(file.read(MANIFEST_LIMIT_BYTES + 1), str(path))
        except OSError as error:
            raise CannotCheck(f"{path} cannot be read ({error.strerror}).") from None

    def stamp(self) -> bytes | None:
        path = self._folder / STAMP_NAME
        try:
            with path.open("rb") as file:
                return file.read(STAMP_LIMIT_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CannotCheck(f"{path} cannot be read ({error.strerror}).") from None

    def blocks(self, key: str) -> Iterator[bytes]:
        path = self._folder / local_name(key)
        try:
            with path.open("rb") as file:
                while block := file.read(BLOCK_BYTES):
                    yield block
        except FileNotFoundError:
            raise Differs(f"Segment {path} is missing.") from None
        except OSError as error:
            raise CannotCheck(f"{path} cannot be read ({error.strerror}).") from None

    def keys(self, county: str, session_id: str) -> set[str]:
        prefix = session_folder(county, session_id)
        return {prefix + name for name in self._names if name.startswith("tracks/")}

    def beside(self) -> list[str]:
        return sorted(name for name in self._names if is_beside(name))

    def versions(self) -> set[str]:
        return versions_among(name for name in self._names if name.startswith(VERSIONS))

    def own_key(self) -> bool:
        return False  # an export holds plain bytes

    @cached_property
    def _names(self) -> list[str]:
        """Every file, looked up once: a long session has tens of thousands."""
        found = (path for path in self._folder.rglob("*") if path.is_symlink() or not path.is_dir())
        return [path.relative_to(self._folder).as_posix() for path in found]


def versions_among(names: Iterable[str]) -> set[str]:
    """The digests that kept manifests are named by."""
    return {name.rsplit("/", 1)[-1].removesuffix(".json") for name in names if name.endswith(".json")}


def limited(data: bytes, name: str) -> bytes:
    """A manifest from outside the store, unless it is longer than any or encrypted. Raises CannotCheck."""
    if data.startswith(MAGIC):
        raise CannotCheck(f"{name} is encrypted with the session's own key; open it first, as docs/format.md says.")
    if len(data) > MANIFEST_LIMIT_BYTES:
        raise CannotCheck(f"{name} is larger than {MANIFEST_LIMIT_BYTES >> 20} MiB, which no manifest is.")
    return data
