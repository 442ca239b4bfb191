# SPDX-License-Identifier: Apache-2.0
"""A session's folder in a zip, read without unpacking it to disk.

A zip may be made to deceive: two entries of one name, names that lead out of the folder, links, a few bytes that unpack
to terabytes. Such names are refused whole, because the next program may unpack them. Only entries that the manifest
lists are ever unpacked, each at most one block beyond its sealed size; the manifest itself has its own limit.
"""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storage.checking.sources import (
    BLOCK_BYTES,
    MANIFEST_LIMIT_BYTES,
    MANIFEST_NAME,
    STAMP_LIMIT_BYTES,
    STAMP_NAME,
    VERSIONS,
    CannotCheck,
    Differs,
    is_beside,
    limited,
    local_name,
    versions_among,
)
from storage.layout import session_folder

MOST_ENTRIES = 1_000_000
_ENCRYPTED = 0x1
_READABLE = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Of the other kinds the library unpacks a whole block however large it becomes."""
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)
"""What reading a damaged entry, or one of an unknown kind of compression, may raise."""


class ZipSource:
    """`manifest.json` and `tracks/` in a zip, at its top or in one folder of any name. Close it, or use `with`."""

    def __init__(self, path: Path) -> None:
        """Raises CannotCheck when it is no zip of a recording, Differs when it is made to deceive."""
        self.where = f"the zip {path}"
        try:
            self._zip = zipfile.ZipFile(path)
        except OSError as error:
            raise CannotCheck(f"{path} cannot be read ({error.strerror}).") from None
        except _DAMAGED:
            raise CannotCheck(f"{path} is no zip, or a damaged one.") from None
        try:
            self._entries = self._accepted(path)
        except BaseException:
            self._zip.close()
            raise

    def __enter__(self) -> ZipSource:
        return self

    def __exit__(self, *fault: object) -> None:
        self._zip.close()

    def _accepted(self, path: Path) -> dict[str, zipfile.ZipInfo]:
        """Files by their place below the folder of the manifest."""
        infos = self._zip.infolist()
        if len(infos) > MOST_ENTRIES:
            raise CannotCheck(f"{path} has {len(infos)} entries; at most {MOST_ENTRIES} are looked at.")
        seen: set[str] = set()
        for info in infos:
            _refuse_deceit(info, seen)
        files = {info.filename: info for info in infos if not info.is_dir()}
        tops = [name for name in files if name.split("/")[-1] == MANIFEST_NAME and name.count("/") <= 1]
        if not tops:
            raise CannotCheck(f"{path} holds no {MANIFEST_NAME}, neither at its top nor in one folder.")
        if len(tops) > 1:
            raise Differs(f"{path} holds more than one manifest: {', '.join(sorted(tops))}.")
        top = tops[0].removesuffix(MANIFEST_NAME)
        # What lies above the manifest's folder keeps a name that no key has.
        return {name.removeprefix(top) if name.startswith(top) else f"/{name}": info for name, info in files.items()}

    def manifest(self) -> bytes:
        with self._reading(MANIFEST_NAME), self._zip.open(self._entries[MANIFEST_NAME]) as file:
            return limited(file.read(MANIFEST_LIMIT_BYTES + 1), MANIFEST_NAME)

    def stamp(self) -> bytes | None:
        if STAMP_NAME not in self._entries:
            return None
        with self._reading(STAMP_NAME), self._zip.open(self._entries[STAMP_NAME]) as file:
            return file.read(STAMP_LIMIT_BYTES)

    def blocks(self, key: str) -> Iterator[bytes]:
        name = local_name(key)
        if name not in self._entries:
            raise Differs(f"Segment {name} is missing from the zip.")
        with self._reading(name), self._zip.open(self._entries[name]) as file:
            while block := file.read(BLOCK_BYTES):
                yield block

    def keys(self, county: str, session_id: str) -> set[str]:
        prefix = session_folder(county, session_id)
        return {prefix + name for name in self._entries if name.startswith("tracks/")}

    def beside(self) -> list[str]:
        return sorted(name for name in self._entries if is_beside(name))

    def versions(self) -> set[str]:
        return versions_among(name for name in self._entries if name.startswith(VERSIONS))

    def own_key(self) -> bool:
        return False  # an export holds plain bytes

    @contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise CannotCheck(f"{name} in {self.where} cannot be read ({error.strerror}).") from None
        except _DAMAGED as error:
            raise Differs(f"{name} in {self.where} is damaged ({error}).") from None


def _refuse_deceit(info: zipfile.ZipInfo, seen: set[str]) -> None:
    """Raises Differs for an entry that an honest export never has. `seen` are the names before it."""
    name = info.orig_filename  # as it is written there: the library cuts at a zero byte
    pieces = name.removesuffix("/").split("/")
    if any(piece in ("", ".", "..") for piece in pieces) or any(sign in name for sign in "\\:\0"):
        raise Differs(f"The zip has an entry {name!r}, whose name leads elsewhere when it is unpacked.")
    if name.casefold() in seen:
        raise Differs(f"The zip has more than one entry {name!r}: which one is unpacked depends on the program.")
    seen.add(name.casefold())
    if stat.S_ISLNK(info.external_attr >> 16):
        raise Differs(f"The zip has a link {name!r} where files belong.")
    if info.compress_type not in _READABLE:
        raise CannotCheck(f"{name!r} in the zip is packed in a way that is not read here; zip the folder anew.")
    if info.flag_bits & _ENCRYPTED:
        raise CannotCheck(f"{name!r} in the zip is encrypted; unpack it with its password and check the folder.")
