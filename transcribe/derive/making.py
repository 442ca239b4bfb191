# SPDX-License-Identifier: Apache-2.0
"""Making one derivative: reads the recording, writes units into a work folder, stores the result with its recipe.

A unit that lies in the work folder under its own name is whole and is never made again, whoever made it. The folder's
name holds the digest of all that shapes a unit, so that nothing is joined that does not belong together.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar
from zoneinfo import ZoneInfo

import av

from storage import layout, manifest
from storage.files import digests_of_file
from storage.objects import DigestMismatch, KeyMissing, ObjectMissing, ObjectStore, StoreAway, StoreError, open_store
from storage.settings import Settings
from transcribe.derive import film
from transcribe.derive.captions import DEFAULT_LANGUAGE, Captions
from transcribe.derive.composer import Tell
from transcribe.derive.overview import Overview
from transcribe.derive.rows import COMPOSITE, OVERVIEW
from transcribe.faults import StoreAwayFault, TranscriptFault

_LIBRARIES = ("av", "pillow", "numpy", "manimgx-fonts-cjk")
_RECIPE = "recipe.json"
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Order:
    """What shall be made of which recording."""

    derivative_id: str
    county: str
    session_id: str
    kind: str
    folder: str
    """Work folder of this derivative."""
    time_zone: str
    language: str = DEFAULT_LANGUAGE
    manifest_sha256: str = ""
    """Of the manifest that earlier units were made from; empty at the first opening."""


Result = tuple[str, Path, str]
"""One file that goes into the store: its name there, where it lies, and its content type."""


class Recipe(Protocol):
    """One kind of derivative."""

    @property
    def units(self) -> int:
        """How many units have to be made before it can be finished."""

    def options(self) -> dict[str, Any]:
        """Everything that shapes it."""

    def unit_name(self, n: int) -> str:
        """Name of a unit's file."""

    def make(self, n: int, path: Path, tell: Tell) -> None:
        """Write one unit."""

    def finish(self, units: Sequence[Path], folder: Path, tell: Tell) -> tuple[list[Result], dict[str, Any]]:
        """The results, the main one first, and what the recipe says of them."""


class StoreReader:
    """The store, its faults in the worker's words."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store: ObjectStore | None = None

    def read(self, key: str) -> bytes:
        """A whole object. Raises TranscriptFault, StoreAwayFault."""
        return self._asked(lambda store: store.read_bytes(key), f"The store has no object {key}.")

    def put(self, key: str, path: Path, sha256: str, content_type: str) -> None:
        """Store a file. Raises TranscriptFault, StoreAwayFault, OSError."""
        self._asked(lambda store: store.put_file(key, path, sha256, content_type), "The store has no bucket.")

    def _asked(self, question: Callable[[ObjectStore], _Answer], missing: str) -> _Answer:
        try:
            if self._store is None:
                self._store = open_store(self._settings)
            return question(self._store)
        except ObjectMissing:
            raise TranscriptFault("segment_missing", missing) from None
        except StoreAway as error:
            self._store = None  # the embedded store may come back at another port
            raise StoreAwayFault(str(error)) from error
        except DigestMismatch as error:
            raise TranscriptFault("segment_damaged", str(error)) from error
        except KeyMissing as error:
            raise TranscriptFault("recording_key_missing", str(error)) from error
        except StoreError as error:
            raise TranscriptFault("store_refused", str(error)) from error


class Making:
    """One derivative in the making."""

    def __init__(self, order: Order, store: StoreReader) -> None:
        """Raises TranscriptFault: manifest_missing, manifest_invalid, nothing_recorded; StoreAwayFault."""
        self._order = order
        self._store = store
        recording, self.manifest_sha256 = _read_manifest(order, store)
        self._recipe = _recipe(order, recording, store)
        self.units = self._recipe.units
        self._shape = {
            "kind": order.kind,
            "manifest_sha256": self.manifest_sha256,
            "time_zone": order.time_zone,
            "language": order.language,
            "options": self._recipe.options(),
            "software": _software(),
        }
        digest = hashlib.sha256(json.dumps(self._shape, sort_keys=True).encode()).hexdigest()
        self._folder = Path(order.folder) / digest[:16]
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def make(self, n: int, tell: Tell) -> bool:
        """Write one unit unless it is there. True when it was made now. Raises TranscriptFault, OSError."""
        path = self._unit(n)
        if path.exists():
            return False
        unfinished = path.with_name(f".{os.getpid()}-{path.name}")
        try:
            self._recipe.make(n, unfinished, tell)
            with unfinished.open("rb") as file:
                os.fsync(file.fileno())
            unfinished.rename(path)
        finally:
            unfinished.unlink(missing_ok=True)
        return True

    def finish(self, tell: Tell) -> dict[str, Any]:
        """Store the result, its recipe last. Raises TranscriptFault, StoreAwayFault, OSError."""
        for n in range(self.units):
            self.make(n, lambda _: None)  # lost with the machine that made it
        results, facts = self._recipe.finish([self._unit(n) for n in range(self.units)], self._folder, tell)
        stored = [self._stored(result) for result in results]
        made = {"derivative_id": self._order.derivative_id, "session_id": self._order.session_id}
        recipe = {**made, **self._shape, **facts, "files": stored, "made_utc_ms": time.time_ns() // 1_000_000}
        path = self._folder / _RECIPE
        path.write_text(json.dumps(recipe, ensure_ascii=False, indent=1, sort_keys=True), "utf-8")
        self._stored((_RECIPE, path, "application/json"))
        return stored[0]

    def _unit(self, n: int) -> Path:
        return self._folder / self._recipe.unit_name(n)

    def _stored(self, result: Result) -> dict[str, Any]:
        name, path, content_type = result
        order, digests = self._order, digests_of_file(path)
        key = layout.derived_key(order.county, order.session_id, order.derivative_id, name)
        self._store.put(key, path, digests.sha256, content_type)
        return {"key": key, "bytes": digests.bytes, "sha256": digests.sha256, "sm3": digests.sm3}


class Composite:
    """The composite video as a kind of derivative."""

    def __init__(self, recording: manifest.Manifest, sha256: str, captions: Captions, store: StoreReader) -> None:
        self._film = film.Film(recording, captions, store.read)
        self._metadata = {"title": recording.session_id, "comment": f"composite; manifest sha256 {sha256}"}
        self.units = self._film.chunks

    def options(self) -> dict[str, Any]:
        """See Recipe."""
        return film.options()

    def unit_name(self, n: int) -> str:
        """See Recipe."""
        return f"chunk-{n:05d}.mkv"

    def make(self, n: int, path: Path, tell: Tell) -> None:
        """See Recipe."""
        self._film.make(n, path, tell)

    def finish(self, units: Sequence[Path], folder: Path, tell: Tell) -> tuple[list[Result], dict[str, Any]]:
        """See Recipe."""
        path = folder / "composite.mp4"
        frames = film.join(units, path, self._metadata, tell)
        scenes = [
            {"frame": scene.first_frame, "frames": scene.frames, "from_ms": scene.from_ms, "to_ms": scene.to_ms,
             "cause": scene.cause}
            for scene in self._film.plan.scenes
        ]  # fmt: skip
        facts = {"frames": frames, "duration_ms": frames * 1000 / film.FRAMES_PER_SECOND, "scenes": scenes}
        return [("composite.mp4", path, "video/mp4")], facts


def _recipe(order: Order, recording: manifest.Manifest, store: StoreReader) -> Recipe:
    captions = Captions(order.language, ZoneInfo(order.time_zone), order.time_zone, recording.origin_utc_ms)
    if order.kind == OVERVIEW:
        return Overview(recording, captions, store.read)
    assert order.kind == COMPOSITE, order.kind
    return Composite(recording, order.manifest_sha256, captions, store)


def _read_manifest(order: Order, store: StoreReader) -> tuple[manifest.Manifest, str]:
    try:
        data = store.read(layout.manifest_key(order.county, order.session_id))
    except StoreAwayFault:
        raise
    except TranscriptFault as fault:
        code = "manifest_missing" if fault.code == "segment_missing" else fault.code
        raise TranscriptFault(code, fault.sentence) from fault
    sha256 = hashlib.sha256(data).hexdigest()
    if order.manifest_sha256 not in ("", sha256):
        raise TranscriptFault("manifest_invalid", "The manifest changed in the meantime.")
    try:
        return manifest.from_bytes(data), sha256
    except manifest.ManifestFault as error:
        raise TranscriptFault("manifest_invalid", f"The manifest cannot be read: {error}") from error


def _software() -> dict[str, str]:
    found = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    for name, numbers in av.library_versions.items():
        found[name] = ".".join(map(str, numbers))
    try:
        found["videohome"] = importlib.metadata.version("videohome")
    except importlib.metadata.PackageNotFoundError:
        found["videohome"] = "0"  # a source tree that was never installed
    return found
