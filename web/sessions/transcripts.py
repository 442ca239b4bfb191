# SPDX-License-Identifier: Apache-2.0
"""Transcripts for reading and for taking out: rows of the database, and how the machine made them from the store."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from storage.database.models import Attendee, Consent, Transcript, TranscriptLine
from web.documents.record import (
    ConsentGiven,
    DocumentBreak,
    DocumentEndpoint,
    DocumentLine,
    DocumentMarker,
    DocumentPerson,
    DocumentSection,
    Making,
    RecordDocument,
)
from web.sessions.rows import SessionRows

RETRYABLE: Final = frozenset({"failed", "done"})
"""States from which a transcript may be made again."""


async def lines_of(db: AsyncSession, transcript_id: str) -> list[DocumentLine]:
    """All lines in order, with their turns: a turn ends where another endpoint speaks."""
    query = select(TranscriptLine).where(TranscriptLine.transcript_id == transcript_id).order_by(TranscriptLine.n)
    lines: list[DocumentLine] = []
    turn = 0
    for row in await db.scalars(query):
        if lines and lines[-1].peer_id != row.peer_id:
            turn += 1
        lines.append(
            DocumentLine(row.n, turn, row.start_ms, row.end_ms, row.peer_id, row.speaker, row.text, tuple(row.flags))
        )
    return lines


async def endpoints_of(db: AsyncSession, rows: SessionRows) -> list[DocumentEndpoint]:
    """Everybody who was there, with every consent and withdrawal; also those who left before the end."""
    ids = [participant.id for participant in rows.participants]
    people: dict[str, list[Attendee]] = defaultdict(list)
    query = select(Attendee).where(Attendee.participant_id.in_(ids)).order_by(Attendee.position, Attendee.id)
    for attendee in await db.scalars(query):
        people[attendee.participant_id].append(attendee)
    consents: dict[str, list[ConsentGiven]] = defaultdict(list)
    given = select(Consent).where(Consent.session_id == rows.session.id).order_by(Consent.utc_ms, Consent.id)
    for consent in await db.scalars(given):
        consents[consent.attendee_id].append(ConsentGiven(consent.agreed, consent.utc_ms, consent.text_version))
    return [
        DocumentEndpoint(
            peer_id=participant.id,
            name=participant.name,
            place_name=participant.place_name,
            role=participant.role,
            people=tuple(
                DocumentPerson(person.name, person.kind, tuple(consents[person.id]))
                for person in people[participant.id]
                # Whoever was listed and taken off again without a word was never there.
                if person.removed_utc_ms is None or consents[person.id]
            ),
        )
        for participant in rows.participants
        if participant.joined_utc_ms is not None
    ]


def making_of(row: Transcript, result: bytes) -> Making:
    """How the transcript was made, from the worker's stored result. Raises ValueError when it cannot be read."""
    value = json.loads(result)
    try:
        model: Mapping[str, Any] = value["model"]
        return Making(
            transcript_id=row.id,
            model=str(model["name"]),
            model_digest=str(model["digest"]),
            options=dict(value["options"]),
            libraries=dict(value["libraries"]),
            manifest_sha256=str(value["manifest_sha256"]),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"the result of transcript {row.id} lacks {error}") from None


def document_of(
    rows: SessionRows,
    endpoints: Sequence[DocumentEndpoint],
    lines: Sequence[DocumentLine],
    making: Making,
    now_ms: int,
) -> RecordDocument:
    """Everything that the documents show."""
    session = rows.session
    started_utc_ms = session.recording_started_utc_ms or session.started_utc_ms or session.created_utc_ms
    marks = rows.marks()
    return RecordDocument(
        session_id=session.id,
        county=session.county,
        title=session.title,
        place_name=rows.place.name if rows.place else "",
        language=session.language,
        origin_utc_ms=started_utc_ms,
        ended_utc_ms=session.ended_utc_ms,
        duration_ms=session.duration_ms,
        complete=session.complete,
        endpoints=tuple(endpoints),
        lines=tuple(lines),
        making=making,
        printed_utc_ms=now_ms,
        sections=tuple(
            DocumentSection(
                section.label,
                section.from_ms - started_utc_ms,
                None if section.to_ms is None else section.to_ms - started_utc_ms,
            )
            for section in marks.sections
        ),
        markers=tuple(DocumentMarker(marker.label, marker.at_ms - started_utc_ms) for marker in marks.markers),
        breaks=tuple(
            DocumentBreak(
                pause.from_ms - started_utc_ms,
                None if pause.to_ms is None else pause.to_ms - started_utc_ms,
                pause.reason,
            )
            for pause in rows.breaks()
        ),
    )
