# SPDX-License-Identifier: Apache-2.0
"""Names of the objects in the store, made and parsed in one place. PURE: no clock, no I/O.

The spool uses the same names under `data_dir/spool`, so a spooled file's key is its path from there. Every key starts
with the county, so that one county's objects can be listed, copied or locked without touching another's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from storage.ids import is_county, is_id

_TRACK = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,95}")
_SEGMENT = re.compile(r"e(\d{3,})-s(\d{5,})\.webm")
_DERIVED = re.compile(r"[a-z][a-z0-9-]{0,39}\.(mp4|json|jpg)")
_SHA256 = re.compile(r"[0-9a-f]{64}")
SOURCES = ("mic", "cam", "screen", "screen_audio")
"""What a track may hold: microphone, camera, shared screen and its sound."""


class KeyFault(ValueError):
    """A name that cannot stand in a key, or a key that this program never makes. The text says which."""


@dataclass(frozen=True, slots=True)
class SegmentKey:
    """One sealed WebM file of one epoch of one track."""

    county: str
    session_id: str
    track_id: str
    epoch: int
    segment: int

    def __str__(self) -> str:
        folder = track_folder(self.county, self.session_id, self.track_id)
        if self.epoch < 1 or self.segment < 0:
            raise KeyFault(f"epoch {self.epoch} or segment {self.segment} is out of range")
        return f"{folder}e{self.epoch:03d}-s{self.segment:05d}.webm"


@dataclass(frozen=True, slots=True)
class ManifestKey:
    """The sealed list of everything that was recorded in one session."""

    county: str
    session_id: str

    def __str__(self) -> str:
        return f"{session_folder(self.county, self.session_id)}manifest.json"


@dataclass(frozen=True, slots=True)
class ManifestVersionKey:
    """The manifest once more under its own digest, where the store enforces no lock: what is written over it shows."""

    county: str
    session_id: str
    sha256: str

    def __str__(self) -> str:
        if not _SHA256.fullmatch(self.sha256):
            raise KeyFault(f"{self.sha256!r} is no digest")
        return f"{session_folder(self.county, self.session_id)}manifests/{self.sha256}.json"


@dataclass(frozen=True, slots=True)
class StampKey:
    """The time stamp (RFC 3161) of a session's manifest, where an authority was asked for one."""

    county: str
    session_id: str

    def __str__(self) -> str:
        return f"{session_folder(self.county, self.session_id)}manifest.tsr"


@dataclass(frozen=True, slots=True)
class TranscriptKey:
    """One raw transcript as the speech engine gave it."""

    county: str
    session_id: str
    transcript_id: str

    def __str__(self) -> str:
        if not is_id(self.transcript_id):
            raise KeyFault(f"{self.transcript_id!r} is no transcript id")
        return f"{transcript_folder(self.county, self.session_id)}{self.transcript_id}.json"


@dataclass(frozen=True, slots=True)
class DerivedKey:
    """One file that was made of the recording afterwards, such as a composite video; never part of the record."""

    county: str
    session_id: str
    derivative_id: str
    name: str

    def __str__(self) -> str:
        if not is_id(self.derivative_id):
            raise KeyFault(f"{self.derivative_id!r} is no derivative id")
        if not _DERIVED.fullmatch(self.name):
            raise KeyFault(f"{self.name!r} is no name of a derived file")
        return f"{session_folder(self.county, self.session_id)}derivatives/{self.derivative_id}/{self.name}"


@dataclass(frozen=True, slots=True)
class OwnKeyKey:
    """The session's own key, wrapped. Where it is there, everything else of the session is encrypted with it."""

    county: str
    session_id: str

    def __str__(self) -> str:
        return f"{session_folder(self.county, self.session_id)}own-key.json"


ObjectKey = SegmentKey | ManifestKey | ManifestVersionKey | StampKey | OwnKeyKey | TranscriptKey | DerivedKey


def session_folder(county: str, session_id: str) -> str:
    """Common start, with its slash, of all keys of one session. Raises KeyFault."""
    if not is_county(county):
        raise KeyFault(f"{county!r} is no county")
    if not is_id(session_id):
        raise KeyFault(f"{session_id!r} is no session id")
    return f"{county}/sessions/{session_id}/"


def track_folder(county: str, session_id: str, track_id: str) -> str:
    """Common start, with its slash, of the segments of one track. Raises KeyFault."""
    if not _TRACK.fullmatch(track_id):
        raise KeyFault(f"{track_id!r} is no track id")
    return f"{session_folder(county, session_id)}tracks/{track_id}/"


def segment_key(county: str, session_id: str, track_id: str, epoch: int, segment: int) -> str:
    """Key of one segment. Raises KeyFault."""
    return str(SegmentKey(county, session_id, track_id, epoch, segment))


def manifest_key(county: str, session_id: str) -> str:
    """Key of a session's manifest. Raises KeyFault."""
    return str(ManifestKey(county, session_id))


def manifest_versions(county: str, session_id: str) -> str:
    """Common start, with its slash, of the kept versions of a session's manifest. Raises KeyFault."""
    return f"{session_folder(county, session_id)}manifests/"


def stamp_key(county: str, session_id: str) -> str:
    """Key of the time stamp of a session's manifest. Raises KeyFault."""
    return str(StampKey(county, session_id))


def own_key_key(county: str, session_id: str) -> str:
    """Key of a session's own key. Raises KeyFault."""
    return str(OwnKeyKey(county, session_id))


def session_of(key: str) -> tuple[str, str] | None:
    """County and session that an object belongs to by its name, known to us or not; None where there is none."""
    match key.split("/", 3):
        case [county, "sessions", session_id, name] if name and is_county(county) and is_id(session_id):
            return county, session_id
        case _:
            return None


def transcript_folder(county: str, session_id: str) -> str:
    """Common start, with its slash, of all transcripts of one session. Raises KeyFault."""
    return f"{session_folder(county, session_id)}transcripts/"


def transcript_key(county: str, session_id: str, transcript_id: str) -> str:
    """Key of one transcript. Raises KeyFault."""
    return str(TranscriptKey(county, session_id, transcript_id))


def derived_key(county: str, session_id: str, derivative_id: str, name: str) -> str:
    """Key of one derived file. Raises KeyFault."""
    return str(DerivedKey(county, session_id, derivative_id, name))


def track_id(peer_id: str, source: str) -> str:
    """Name of the track that `peer_id` publishes from `source`. Raises KeyFault."""
    if source not in SOURCES:
        raise KeyFault(f"{source!r} is no source")
    made = f"{peer_id}-{source}"
    if not _TRACK.fullmatch(made):
        raise KeyFault(f"{peer_id!r} is no peer id")
    return made


def parse_key(key: str) -> ObjectKey:
    """What a key names; exact inverse of `str()`, so anything else (`..`, other spellings) raises KeyFault."""
    parsed = _parse(key.split("/"))
    if parsed is None or str(parsed) != key:
        raise KeyFault(f"{key!r} is no key of a recording")
    return parsed


def _parse(parts: list[str]) -> ObjectKey | None:
    match parts:
        case [county, "sessions", session_id, "manifest.json"]:
            return ManifestKey(county, session_id)
        case [county, "sessions", session_id, "manifests", name] if name.endswith(".json"):
            return ManifestVersionKey(county, session_id, name.removesuffix(".json"))
        case [county, "sessions", session_id, "manifest.tsr"]:
            return StampKey(county, session_id)
        case [county, "sessions", session_id, "own-key.json"]:
            return OwnKeyKey(county, session_id)
        case [county, "sessions", session_id, "transcripts", name] if name.endswith(".json"):
            return TranscriptKey(county, session_id, name.removesuffix(".json"))
        case [county, "sessions", session_id, "derivatives", derivative_id, name]:
            return DerivedKey(county, session_id, derivative_id, name)
        case [county, "sessions", session_id, "tracks", track, name]:
            found = _SEGMENT.fullmatch(name)
            return SegmentKey(county, session_id, track, int(found[1]), int(found[2])) if found else None
        case _:
            return None
