# SPDX-License-Identifier: Apache-2.0
"""What a transcript document says, as plain values; the formats beside this file only lay it out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, Final, Protocol
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class ConsentGiven:
    """One consent or withdrawal, as the person's own row keeps it."""

    agreed: bool
    utc_ms: int
    text_version: str


@dataclass(frozen=True, slots=True)
class DocumentPerson:
    """One person who was there. `kind` is one of web.casework.consent.ATTENDEE_KINDS."""

    name: str
    kind: str
    consents: tuple[ConsentGiven, ...]


@dataclass(frozen=True, slots=True)
class DocumentEndpoint:
    """One camera with the people before it. `role` is the role that its account or set had."""

    peer_id: str
    name: str
    place_name: str
    role: str
    people: tuple[DocumentPerson, ...]


@dataclass(frozen=True, slots=True)
class DocumentLine:
    """One line on the session clock (milliseconds since recording was first started)."""

    n: int
    turn: int
    start_ms: int
    end_ms: int
    peer_id: str
    speaker: str
    text: str
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DocumentSection:
    """A named stretch on the session clock; `to_ms` None: up to the end."""

    label: str
    from_ms: int
    to_ms: int | None


@dataclass(frozen=True, slots=True)
class DocumentMarker:
    """A moment on the session clock that somebody marked; the label may be empty."""

    label: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class DocumentBreak:
    """A stretch on the session clock in which recording was paused; `to_ms` None: up to the end.

    `reason` is one of web.casework.breaks, or what somebody wrote, or empty.
    """

    from_ms: int
    to_ms: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Making:
    """How the machine wrote it: everything that is needed to make it again."""

    transcript_id: str
    model: str
    model_digest: str
    options: Mapping[str, Any]
    libraries: Mapping[str, str]
    manifest_sha256: str


@dataclass(frozen=True, slots=True)
class RecordDocument:
    """A session with its transcript."""

    session_id: str
    county: str
    title: str
    place_name: str
    language: str
    origin_utc_ms: int
    ended_utc_ms: int | None
    duration_ms: int | None
    complete: bool | None
    endpoints: tuple[DocumentEndpoint, ...]
    lines: tuple[DocumentLine, ...]
    making: Making
    printed_utc_ms: int
    sections: tuple[DocumentSection, ...] = ()
    markers: tuple[DocumentMarker, ...] = ()
    breaks: tuple[DocumentBreak, ...] = ()


Entry = DocumentSection | DocumentMarker | DocumentBreak | DocumentLine


def in_order(document: RecordDocument) -> list[Entry]:
    """Lines with sections, markers and breaks between them, by time: a heading comes before what was said after it."""
    entries: list[tuple[int, int, Entry]] = [
        *((section.from_ms, 0, section) for section in document.sections),
        *((marker.at_ms, 1, marker) for marker in document.markers),
        *((pause.from_ms, 2, pause) for pause in document.breaks),
        *((line.start_ms, 3, line) for line in document.lines),
    ]
    return [entry for _, _, entry in sorted(entries, key=lambda each: each[:2])]


def clock_text(ms: int) -> str:
    """`01:02:03` of a time on the session clock; a time before its start counts as its start."""
    seconds = max(0, ms) // 1000
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def local_time(utc_ms: int, zone: tzinfo) -> datetime:
    """That moment on the wall clock of `zone`."""
    return datetime.fromtimestamp(utc_ms / 1000, UTC).astimezone(zone)


_UNFIT: Final = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|\s]+')
_LONGEST_NAME: Final = 80


class Titled(Protocol):
    """What a file's name is made of."""

    @property
    def session_id(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def origin_utc_ms(self) -> int: ...


def file_name(document: Titled, word: str, extension: str, zone: tzinfo) -> str:
    """`word-title-date.extension` without anything that a file system or a shell stumbles over."""
    return file_name_of(document.title, document.session_id, document.origin_utc_ms, word, extension, zone)


def file_name_of(title: str, session_id: str, origin_utc_ms: int, word: str, extension: str, zone: tzinfo) -> str:
    """The same for any file of a session; without a usable title it is named by its id."""
    fit = _UNFIT.sub("_", title).strip("._")[:_LONGEST_NAME] or session_id
    return f"{word}-{fit}-{local_time(origin_utc_ms, zone):%Y-%m-%d}.{extension}"


def content_disposition(name: str, plain: str) -> str:
    """Header value of a download (RFC 6266): `plain` for old programs, `name` for all others (RFC 8187)."""
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
