# SPDX-License-Identifier: Apache-2.0
"""The session certificate in a reader's language: finished sentences by section, plain text of them, and their JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, Final

from web.casework.certificate import Length, Moment, Section, Sentence, SessionCertificate, Term, Value, Word
from web.documents.record import local_time

MEDIA_TYPE = "text/plain"
SECTIONS: Final[tuple[Section, ...]] = ("recorded", "finding", "missing", "interruptions", "seal")

Words = Callable[..., str]
"""The sentence of a locale id, with its values by name."""


@dataclass(frozen=True, slots=True)
class Line:
    """One finished sentence. `from_ms` lies on the session clock, None where no moment is meant."""

    section: Section
    text: str
    from_ms: int | None


@dataclass(frozen=True, slots=True)
class CertificateDocument:
    """A certificate with the names of the session it belongs to."""

    session_id: str
    title: str
    place_name: str
    origin_utc_ms: int
    certificate: SessionCertificate


def lines(certificate: SessionCertificate, words: Words, zone: tzinfo) -> list[Line]:
    """All sentences, in order. `words` gives them in the reader's language; times are told in `zone`."""
    return [
        Line(sentence.section, _text(sentence, words, zone), sentence.from_ms) for sentence in certificate.sentences
    ]


def certificate_json(document: CertificateDocument, words: Words, zone: tzinfo) -> dict[str, Any]:
    """Plain values for the API."""
    made = lines(document.certificate, words, zone)
    return {
        "session_id": document.session_id,
        "complete": document.certificate.complete,
        "integrity_code": document.certificate.integrity_code,
        "sentences": [{"section": line.section, "text": line.text, "from_ms": line.from_ms} for line in made],
    }


def text_bytes(document: CertificateDocument, words: Words, zone: tzinfo) -> bytes:
    """UTF-8 with a byte order mark, so that an old Windows opens it as what it is."""
    parts = [words("session-certificate-title"), "", f"{document.title}　{document.session_id}", document.place_name]
    made = lines(document.certificate, words, zone)
    for section in SECTIONS:
        own = [line.text for line in made if line.section == section]
        if own:
            parts += ["", words(f"session-certificate-head-{section}"), *own]
    parts += ["", words("session-certificate-notice"), ""]
    return "\r\n".join(parts).encode("utf-8-sig")


def _text(sentence: Sentence, words: Words, zone: tzinfo) -> str:
    return words(f"session-certificate-{sentence.id}", **_said(sentence.params, words, zone))


def _said(params: Mapping[str, Value], words: Words, zone: tzinfo) -> dict[str, object]:
    return {name: _value(value, words, zone) for name, value in params.items()}


def _value(value: Value, words: Words, zone: tzinfo) -> object:
    match value:
        case Moment(utc_ms):
            return f"{local_time(utc_ms, zone):%Y-%m-%d %H:%M:%S}"
        case Length(ms):
            return length_text(ms, words)
        case Term(name):
            return words(f"session-certificate-{name}")
        case Word(name):
            return words(name)
        case tuple() as names:
            return list(names)
        case _:
            return value


def length_text(ms: int, words: Words) -> str:
    """A length in words: tenths of a second where it is short, whole seconds otherwise."""
    if ms < 1_000:
        return words("session-certificate-length-under-second", tenths=f"{max(1, round(ms / 100)) / 10:.1f}")
    seconds = round(ms / 1000)
    minutes, hours = seconds // 60 % 60, seconds // 3600
    if hours:
        return words("session-certificate-length-hours", hours=hours, minutes=minutes, seconds=seconds % 60)
    if minutes:
        return words("session-certificate-length-minutes", minutes=minutes, seconds=seconds % 60)
    return words("session-certificate-length-seconds", seconds=seconds)
