# SPDX-License-Identifier: Apache-2.0
"""The rows of derivatives, as the worker reads and writes them.

States: queued → running → done, failed or cancelled. Whoever wants another try, or none, only changes the state: what
runs sees at its next word of progress that it is no longer wanted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Engine, case, insert, select, update
from sqlalchemy.exc import IntegrityError

from storage.database.models import Derivative, Session, Transcript
from storage.ids import new_id
from transcribe.faults import TranscriptFault

COMPOSITE: Final = "composite"
OVERVIEW: Final = "overview"
AGAIN_AFTER_MS: Final = 600_000


@dataclass(frozen=True, slots=True)
class DerivativeJob:
    """What a row asks for."""

    county: str
    session_id: str
    kind: str
    options: Mapping[str, Any]


class DerivativeRows:
    """Short transactions; safe to use from several threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def queued(self, limit: int = 20) -> list[str]:
        """Ids that wait for a worker: overviews first, they are quick; then the oldest."""
        overviews_first = case((Derivative.kind == OVERVIEW, 0), else_=1)
        query = select(Derivative.id).where(Derivative.state == "queued").order_by(overviews_first, Derivative.id)
        with self._engine.begin() as link:
            return [str(row.id) for row in link.execute(query.limit(limit))]

    def state(self, derivative_id: str) -> str | None:
        """The row's state, None without a row."""
        with self._engine.begin() as link:
            return link.scalar(select(Derivative.state).where(Derivative.id == derivative_id))

    def running(self) -> list[str]:
        """Ids that a worker, alive or not, has begun."""
        with self._engine.begin() as link:
            return [str(row.id) for row in link.execute(select(Derivative.id).where(Derivative.state == "running"))]

    def others_wait(self, kind: str) -> bool:
        """True while something waits that goes before a composite: transcripts and overviews."""
        with self._engine.begin() as link:
            waiting = select(Transcript.id).where(Transcript.state == "queued").limit(1)
            if link.scalar(waiting) is not None:
                return True
            quick = select(Derivative.id).where(Derivative.state == "queued", Derivative.kind == OVERVIEW).limit(1)
            return kind == COMPOSITE and link.scalar(quick) is not None

    def requeue(self, derivative_id: str) -> None:
        """Puts a begun one back; what it has made so far is kept."""
        self._set(derivative_id, Derivative.state == "running", state="queued")

    def begin(self, derivative_id: str) -> DerivativeJob:
        """Marks the row as running. Raises TranscriptFault when it is gone or no longer wanted."""
        wanted = Derivative.state.in_(("queued", "running"))
        if not self._set(derivative_id, wanted, state="running", error_code=None, finished_utc_ms=None):
            raise TranscriptFault("cancelled", f"Derivative {derivative_id} is not wanted any more.")
        columns = (Derivative.county, Derivative.session_id, Derivative.kind, Derivative.options)
        with self._engine.begin() as link:
            row = link.execute(select(*columns).where(Derivative.id == derivative_id)).one()
        return DerivativeJob(row.county, row.session_id, row.kind, row.options)

    def progress(self, derivative_id: str, share: float) -> bool:
        """How far it is (0 to 1). False when it is not wanted any more."""
        return self._set(derivative_id, Derivative.state == "running", progress=round(share, 4))

    def finish(self, derivative_id: str, key: str, size: int, sha256: str, now_utc_ms: int) -> None:
        """The result is stored."""
        self._set(
            derivative_id, Derivative.state == "running", state="done", progress=1.0, error_code=None, result_key=key,
            bytes=size, sha256=sha256, finished_utc_ms=now_utc_ms,
        )  # fmt: skip

    def fail(self, derivative_id: str, code: str, now_utc_ms: int) -> None:
        """Marks the row as failed with a stable code, unless it was cancelled."""
        self._set(
            derivative_id, Derivative.state == "running", state="failed", error_code=code, finished_utc_ms=now_utc_ms
        )

    def order_missing_overviews(self, now_utc_ms: int, limit: int = 20) -> int:
        """Queues an overview of sealed sessions that have none, and again what failed by something that passes.
        Returns how many are new.
        """
        has_one = select(Derivative.id).where(Derivative.session_id == Session.id, Derivative.kind == OVERVIEW).exists()
        query = select(Session.id, Session.county).where(Session.manifest_key.is_not(None), ~has_one)
        with self._engine.begin() as link:
            missing = list(link.execute(query.order_by(Session.id.desc()).limit(limit)))
            passing = Derivative.error_code.in_(("store_unavailable", "disk_full"))
            old = Derivative.finished_utc_ms < now_utc_ms - AGAIN_AFTER_MS
            failed = update(Derivative).where(Derivative.kind == OVERVIEW, Derivative.state == "failed", passing, old)
            link.execute(failed.values(state="queued"))
        done = 0
        for session_id, county in missing:
            values = {
                "id": new_id(), "county": county, "session_id": session_id, "kind": OVERVIEW, "state": "queued",
                "progress": 0.0, "options": {}, "created_utc_ms": now_utc_ms,
            }  # fmt: skip
            try:
                with self._engine.begin() as link:
                    link.execute(insert(Derivative).values(values))
            except IntegrityError:
                continue  # another worker was quicker
            done += 1
        return done

    def _set(self, derivative_id: str, *conditions: Any, **values: Any) -> bool:
        with self._engine.begin() as link:
            changed = update(Derivative).where(Derivative.id == derivative_id, *conditions).values(**values)
            return bool(link.execute(changed).rowcount)
