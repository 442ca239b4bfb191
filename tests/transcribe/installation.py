# SPDX-License-Identifier: Apache-2.0
"""A speech worker as it really runs: its own process, a real database, a real store."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, insert, select, update

from storage.database.engine import sync_engine
from storage.database.models import Session, Transcript, TranscriptLine
from storage.database.upgrade import upgrade_database
from storage.ids import new_id
from storage.settings import Settings
from tests.embedded_store import wait


class WorkerProcess:
    """`python -m transcribe` until it is killed; its log is read line by line."""

    def __init__(self, settings: Settings, log: Path, **environment: str) -> None:
        self._log = log
        with log.open("ab") as target:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "transcribe"],
                env={**os.environ, "VIDEOHOME_DATA_DIR": str(settings.data_dir), **environment},
                stdout=target,
                stderr=target,
            )

    def events(self, name: str) -> list[dict[str, Any]]:
        """What the worker logged under that name so far."""
        lines = self._log.read_text("utf-8").splitlines()
        found = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        return [entry for entry in found if entry["event"] == name]

    def kill(self) -> None:
        """SIGKILL: nothing of it may go on."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


class Database:
    """The tables that a transcript needs, and questions to them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        upgrade_database(settings)
        self.engine: Engine = sync_engine(settings)

    def new_session(self) -> str:
        """A session that ended; its id."""
        session_id = new_id()
        values = {
            "id": session_id, "county": self.settings.county, "title": "t", "language": "zh", "created_by": "a",
            "created_utc_ms": 0, "state": "ended", "recording": "stopped",
        }  # fmt: skip
        with self.engine.begin() as link:
            link.execute(insert(Session).values(values))
        return session_id

    def order(self, session_id: str, language: str = "zh", **options: Any) -> str:
        """A transcript that waits for a worker; its id."""
        transcript_id = new_id()
        values = {
            "id": transcript_id, "county": self.settings.county, "session_id": session_id, "state": "queued",
            "options": options or None, "language": language, "created_utc_ms": time.time_ns() // 1_000_000,
        }  # fmt: skip
        with self.engine.begin() as link:
            link.execute(insert(Transcript).values(values))
        return transcript_id

    def row(self, transcript_id: str) -> dict[str, Any]:
        """All columns of a transcript."""
        with self.engine.begin() as link:
            return dict(link.execute(select(Transcript.__table__).where(Transcript.id == transcript_id)).one()._mapping)

    def lines(self, transcript_id: str) -> list[dict[str, Any]]:
        """All lines in their order."""
        query = (
            select(TranscriptLine.__table__)
            .where(TranscriptLine.transcript_id == transcript_id)
            .order_by(TranscriptLine.n)
        )
        with self.engine.begin() as link:
            return [dict(row._mapping) for row in link.execute(query)]

    def wait_for(self, transcript_id: str, state: str = "done", within_s: float = 480.0) -> dict[str, Any]:
        """The row once it has that state. Raises AssertionError when it got the other end or took too long."""

        def reached() -> bool:
            row = self.row(transcript_id)
            assert row["state"] in {state, "queued", "running"}, row
            return bool(row["state"] == state)

        wait(reached, within_s, f"transcript {state}")
        return self.row(transcript_id)

    def set_state(self, transcript_id: str, state: str) -> None:
        """As the page does after a failure, or a restored backup."""
        with self.engine.begin() as link:
            link.execute(update(Transcript).where(Transcript.id == transcript_id).values(state=state))
