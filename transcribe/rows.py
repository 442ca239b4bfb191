# SPDX-License-Identifier: Apache-2.0
"""The transcript and heartbeat rows: everything that the worker reads from and writes to the database.

States of a transcript: queued → running → done or failed; whoever wants another try sets it back to queued.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, delete, insert, select, update

from storage.database.models import SessionKeeping, Transcript, TranscriptLine, WorkerHeartbeat
from transcribe.faults import TranscriptFault
from transcribe.turns import SpokenLine


@dataclass(frozen=True, slots=True)
class TranscriptJob:
    """What a transcript row asks for."""

    county: str
    session_id: str
    language: str
    options: Mapping[str, Any]


class TranscriptRows:
    """Short transactions on the transcript tables; safe to use from several threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def queued(self, limit: int = 20) -> list[str]:
        """Ids that wait for a worker, the oldest first."""
        with self._engine.begin() as link:
            rows = link.execute(
                select(Transcript.id).where(Transcript.state == "queued").order_by(Transcript.id).limit(limit)
            )
            return [str(row.id) for row in rows]

    def is_queued(self, transcript_id: str) -> bool:
        """True when the row (still) waits."""
        with self._engine.begin() as link:
            state = link.scalar(select(Transcript.state).where(Transcript.id == transcript_id))
        return state == "queued"

    def running(self) -> list[str]:
        """Ids that a worker, alive or not, has begun."""
        with self._engine.begin() as link:
            return [str(row.id) for row in link.execute(select(Transcript.id).where(Transcript.state == "running"))]

    def requeue(self, transcript_id: str) -> None:
        """Puts a begun transcript back, from the beginning."""
        self._set(
            transcript_id, Transcript.state == "running", state="queued", progress=0.0, step="", finished_utc_ms=None
        )

    def begin(self, transcript_id: str) -> TranscriptJob:
        """Marks the row as running. Raises TranscriptFault when it is gone."""
        with self._engine.begin() as link:
            row = link.execute(
                select(Transcript.county, Transcript.session_id, Transcript.language, Transcript.options).where(
                    Transcript.id == transcript_id
                )
            ).one_or_none()
        if row is None:
            raise TranscriptFault("internal", f"There is no transcript {transcript_id}.")
        self._set(transcript_id, state="running", progress=0.0, step="preparing", error_code=None, finished_utc_ms=None)
        return TranscriptJob(row.county, row.session_id, row.language or "", row.options or {})

    def progress(self, transcript_id: str, share: float, step: str, **more: Any) -> None:
        """How far the job is (0 to 1) and what it does."""
        self._set(transcript_id, Transcript.state == "running", progress=round(share, 4), step=step, **more)

    def finish(self, transcript_id: str, result_key: str, lines: Sequence[SpokenLine], now_utc_ms: int) -> None:
        """Replaces the lines and marks the row as done, in one transaction: may be repeated.

        The result is a new object of the recording: the custody locks and copies it as it did the others.
        """
        values = [_line_values(transcript_id, item) for item in lines]
        with self._engine.begin() as link:
            link.execute(delete(TranscriptLine).where(TranscriptLine.transcript_id == transcript_id))
            if values:
                link.execute(insert(TranscriptLine), values)
            link.execute(
                update(Transcript)
                .where(Transcript.id == transcript_id)
                .values(
                    state="done",
                    progress=1.0,
                    step="done",
                    error_code=None,
                    result_key=result_key,
                    finished_utc_ms=now_utc_ms,
                )
            )
            its_session = select(Transcript.session_id).where(Transcript.id == transcript_id).scalar_subquery()
            pending = update(SessionKeeping).where(SessionKeeping.session_id == its_session)
            link.execute(pending.values(lock_pending=True))

    def fail(self, transcript_id: str, code: str, now_utc_ms: int) -> None:
        """Marks the row as failed with a stable code; the page has a sentence for each."""
        self._set(transcript_id, state="failed", step="failed", error_code=code, finished_utc_ms=now_utc_ms)

    def beat(self, worker_id: str, now_utc_ms: int) -> None:
        """Says that this worker is alive."""
        with self._engine.begin() as link:
            mine = WorkerHeartbeat.worker_id == worker_id
            if not link.execute(update(WorkerHeartbeat).where(mine).values(beat_utc_ms=now_utc_ms)).rowcount:
                link.execute(insert(WorkerHeartbeat).values(worker_id=worker_id, beat_utc_ms=now_utc_ms))

    def alive(self, since_utc_ms: int) -> set[str]:
        """Workers whose last beat is not older."""
        with self._engine.begin() as link:
            rows = link.execute(select(WorkerHeartbeat.worker_id).where(WorkerHeartbeat.beat_utc_ms >= since_utc_ms))
            return {str(row.worker_id) for row in rows}

    def _set(self, transcript_id: str, *conditions: Any, **values: Any) -> None:
        with self._engine.begin() as link:
            link.execute(update(Transcript).where(Transcript.id == transcript_id, *conditions).values(**values))


def _line_values(transcript_id: str, item: SpokenLine) -> dict[str, Any]:
    return {
        "transcript_id": transcript_id,
        "n": item.n,
        "start_ms": item.line.start_ms,
        "end_ms": item.line.end_ms,
        "peer_id": item.peer_id,
        "speaker": item.speaker,
        "text": item.line.text,
        "flags": list(item.flags),
    }
