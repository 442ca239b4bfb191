# SPDX-License-Identifier: Apache-2.0
"""What a handed-out copy of a recording says of itself (`copy.json`): what was copied, for whom, and how each file is.

A copy holds the whole sealed manifest and chosen segments, never a cut one. The description is signed with the same key
as the manifest, so nobody can call a copy whole after taking something away.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import ConfigDict, TypeAdapter, ValidationError

from storage.manifest import Manifest, Segment, Track, canonical

NAME = "copy.json"
_STRICT = ConfigDict(extra="forbid", strict=True)


class CopyFault(ValueError):
    """The description of the copy is none, or not what was signed. The text is one sentence."""


@dataclass(frozen=True, slots=True)
class CopiedFile:
    """A file of the copy that is no segment: transcript, certificate, player."""

    __pydantic_config__ = _STRICT
    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy. `from_ms` and `to_ms` are what was asked for; the segments reach further on both sides."""

    __pydantic_config__ = _STRICT
    version: Literal[1]
    copy_id: str
    county: str
    session_id: str
    manifest_sha256: str
    purpose: str
    recipient: str
    asked_by: str
    asked_utc_ms: int
    approved_by: str
    approved_utc_ms: int
    made_utc_ms: int
    from_ms: int | None
    to_ms: int | None
    segments: tuple[str, ...]
    """Keys, as the manifest lists them."""
    files: tuple[CopiedFile, ...]
    public_key: str
    signature: str = ""

    def to_bytes(self) -> bytes:
        """The canonical form that is stored and signed."""
        return canonical(asdict(self))


@cache
def _adapter() -> TypeAdapter[Copy]:
    return TypeAdapter(Copy)


def sign(copy: Copy, key: Ed25519PrivateKey) -> Copy:
    """The same description with its signature."""
    unsigned = replace(copy, public_key=key.public_key().public_bytes_raw().hex(), signature="")
    return replace(unsigned, signature=key.sign(unsigned.to_bytes()).hex())


def from_bytes(data: bytes) -> Copy:
    """Read a description strictly. Raises CopyFault."""
    try:
        return _adapter().validate_json(data)
    except (ValidationError, json.JSONDecodeError):
        raise CopyFault(f"{NAME} is no description of a copy.") from None


def verify(copy: Copy, manifest: Manifest, manifest_sha256: str) -> None:
    """Check that it was signed by whoever sealed this manifest, and lists only its segments. Raises CopyFault."""
    sealed = manifest.seal
    if sealed is None or copy.public_key != sealed.public_key:
        raise CopyFault(f"{NAME} was signed with another key than the one that sealed the recording.")
    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(copy.public_key))
        public.verify(bytes.fromhex(copy.signature), replace(copy, signature="").to_bytes())
    except (InvalidSignature, ValueError):
        raise CopyFault(f"{NAME} was changed after it was signed.") from None
    if (copy.session_id, copy.manifest_sha256) != (manifest.session_id, manifest_sha256):
        raise CopyFault(f"{NAME} belongs to another recording.")
    foreign = set(copy.segments) - {segment.key for track in manifest.tracks for segment in track.segments()}
    if foreign:
        raise CopyFault(f"{NAME} lists {min(foreign)}, which the manifest does not.")


def chosen(
    manifest: Manifest, track_ids: Iterable[str] | None, from_ms: int | None, to_ms: int | None
) -> tuple[Segment, ...]:
    """Whole segments that cover the wanted tracks and times, each track from a key frame on."""
    wanted = None if track_ids is None else set(track_ids)
    return tuple(
        segment
        for track in manifest.tracks
        if wanted is None or track.track_id in wanted
        for segment in _covering(track, from_ms, to_ms)
    )


def _covering(track: Track, from_ms: int | None, to_ms: int | None) -> Iterator[Segment]:
    for epoch in track.epochs:
        inside = [
            n
            for n, segment in enumerate(epoch.segments)
            if (to_ms is None or segment.start_ms < to_ms) and (from_ms is None or segment.end_ms > from_ms)
        ]
        if not inside:
            continue
        first = inside[0]
        # A picture cannot be shown before a key frame: so much of what came before goes along.
        while first > 0 and track.kind == "video" and not _opens(epoch.segments[first], from_ms):
            first -= 1
        yield from epoch.segments[first : inside[-1] + 1]


def _opens(segment: Segment, from_ms: int | None) -> bool:
    """True when pictures at `from_ms` (or the segment's start) can be shown from this segment on."""
    at_ms = segment.start_ms if from_ms is None else max(from_ms, segment.start_ms)
    return any(part.keyframe and part.start_ms <= at_ms for part in segment.parts)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A stretch of one track that is not in the copy."""

    track_id: str
    from_ms: int
    to_ms: int
    segments: int


def left_out(manifest: Manifest, keys: Iterable[str]) -> list[LeftOut]:
    """Everything that the manifest lists and the copy does not hold, neighbours put together."""
    there, found = set(keys), []
    for track in manifest.tracks:
        run: list[Segment] = []
        for segment in track.segments():
            if segment.key not in there:
                run.append(segment)
            elif run:
                found.append(_stretch(track, run))
                run = []
        if run:
            found.append(_stretch(track, run))
    return found


def _stretch(track: Track, run: list[Segment]) -> LeftOut:
    return LeftOut(track.track_id, run[0].start_ms, run[-1].end_ms, len(run))
