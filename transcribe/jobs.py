# SPDX-License-Identifier: Apache-2.0
"""The one door to DBOS: durable jobs (transcripts, derivatives) that go on at the last finished step after a crash.

Workflow id = id of the transcript or derivative, so a job cannot be queued twice. Both kinds share one queue, so that a
machine with few processors does one after the other. Of a transcript, one step decodes a track, one recognises each
window; of a derivative, one step makes each unit. The result of a finished step is kept in the jobs database until
the job has ended and an hour is over, and never made again. Steps may run twice when the process dies in the middle of
one, so each may be repeated. DBOS recovers the jobs of its own executor id at start; those of a worker that fell silent
are taken over by `take_over`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from dbos import DBOS, DBOSConfig, SetWorkflowID
from dbos import error as dbos_error
from sqlalchemy.exc import OperationalError

from transcribe.derive.pipeline import Derivations
from transcribe.faults import StoreAwayFault, TranscriptFault
from transcribe.pipeline import Pipeline

STEPS_VERSION = "1"
"""Raise it when the steps of the workflow change: older unfinished jobs then start from the beginning."""
QUEUE = "transcripts"
_FINISHED = ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")
_UNFINISHED = ("PENDING", "ENQUEUED", "DELAYED")

_log = structlog.get_logger("transcribe.jobs")
_pipeline: Pipeline | None = None
_derivations: Derivations | None = None


@dataclass(frozen=True, slots=True)
class JobFacts:
    """A job that is not finished."""

    transcript_id: str
    executor_id: str
    version: str
    started: bool
    """False while it waits in the queue."""


def _work() -> Pipeline:
    assert _pipeline is not None, "jobs run only after launch()"
    return _pipeline


def _worth_another_try(error: BaseException) -> bool:
    return isinstance(error, StoreAwayFault | OperationalError)


def _step(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A step that is tried again for two minutes while the store or the database is away."""
    decorate: Callable[[Callable[..., Any]], Callable[..., Any]] = DBOS.step(
        name=name, retries_allowed=True, interval_seconds=1.0, backoff_rate=2.0, max_attempts=7,
        should_retry=_worth_another_try,
    )  # fmt: skip
    return decorate


@_step("prepare")
def _prepare(transcript_id: str) -> dict[str, Any]:
    return _work().prepare(transcript_id)


@_step("windows")
def _windows(transcript_id: str, plan: dict[str, Any], track: int) -> dict[str, Any]:
    return _work().windows(transcript_id, plan, track)


@_step("recognise")
def _recognise(transcript_id: str, plan: dict[str, Any], track: int, window: list[int], done_ms: int) -> str:
    return _work().recognise(transcript_id, plan, track, (window[0], window[1]), done_ms)


@_step("finish")
def _finish(transcript_id: str, plan: dict[str, Any], heard: list[list[str]], decoded: list[dict[str, Any]]) -> int:
    return _work().finish(transcript_id, plan, heard, decoded)


@_step("fail")
def _fail(transcript_id: str, code: str, sentence: str) -> None:
    _work().fail(transcript_id, code, sentence)


@DBOS.workflow(name="transcribe", max_recovery_attempts=20)
def _transcribe(transcript_id: str) -> str:
    try:
        lines = _all_steps(transcript_id)
    except TranscriptFault as fault:
        _fail(transcript_id, fault.code, fault.sentence)
        return fault.code
    except dbos_error.DBOSMaxStepRetriesExceeded as error:
        _fail(transcript_id, "store_unavailable", str(error.errors[-1]))
        return "store_unavailable"
    except Exception as error:  # a fault of ours: the job must not stay "running" for ever
        _log.exception("transcript_failed", transcript_id=transcript_id)
        _fail(transcript_id, "internal", f"{type(error).__name__}")
        return "internal"
    finally:
        _work().release(transcript_id)
    return f"{lines} lines"


def _all_steps(transcript_id: str) -> int:
    plan = _prepare(transcript_id)
    heard: list[list[str]] = []
    decoded: list[dict[str, Any]] = []
    done_ms = 0
    for track in range(len(plan["tracks"])):
        decoded.append(_windows(transcript_id, plan, track))
        heard.append([])
        for window in decoded[-1]["windows"]:
            heard[-1].append(_recognise(transcript_id, plan, track, window, done_ms))
            done_ms += window[1] - window[0]
    return int(_finish(transcript_id, plan, heard, decoded))


def _making() -> Derivations:
    assert _derivations is not None, "jobs run only after launch()"
    return _derivations


@_step("derive_prepare")
def _derive_prepare(derivative_id: str) -> dict[str, Any]:
    return _making().prepare(derivative_id)


@_step("derive_make")
def _derive_make(derivative_id: str, plan: dict[str, Any], n: int) -> bool:
    return _making().make(derivative_id, plan, n)


@_step("derive_finish")
def _derive_finish(derivative_id: str, plan: dict[str, Any]) -> str:
    return _making().finish(derivative_id, plan)


@_step("derive_fail")
def _derive_fail(derivative_id: str, code: str, sentence: str) -> None:
    _making().fail(derivative_id, code, sentence)


@DBOS.workflow(name="derive", max_recovery_attempts=20)
def _derive(derivative_id: str) -> str:
    try:
        plan = _derive_prepare(derivative_id)
        for n in range(plan["units"]):
            if not _derive_make(derivative_id, plan, n):
                return "waits"  # something else goes first; what is made stays, and the row is queued again
        return str(_derive_finish(derivative_id, plan))
    except TranscriptFault as fault:
        _derive_fail(derivative_id, fault.code, fault.sentence)
        return fault.code
    except dbos_error.DBOSMaxStepRetriesExceeded as error:
        _derive_fail(derivative_id, "store_unavailable", str(error.errors[-1]))
        return "store_unavailable"
    except Exception as error:  # a fault of ours: the job must not stay "running" for ever
        _log.exception("derivative_failed", derivative_id=derivative_id)
        _derive_fail(derivative_id, "internal", f"{type(error).__name__}")
        return "internal"
    finally:
        _making().release(derivative_id)


def launch(database: Path, executor_id: str, jobs_at_once: int, pipeline: Pipeline, derivations: Derivations) -> None:
    """Starts DBOS on its own SQLite file; jobs that this executor left behind go on at once."""
    global _pipeline, _derivations
    _pipeline, _derivations = pipeline, derivations
    database.parent.mkdir(parents=True, exist_ok=True)
    config: DBOSConfig = {
        "name": "videohome-transcribe",
        "system_database_url": f"sqlite:///{database}",
        "executor_id": executor_id,
        "application_version": STEPS_VERSION,
        "log_level": "WARNING",
        "enable_otlp": False,
    }
    DBOS(config=config)
    DBOS.launch()
    DBOS.register_queue(QUEUE, worker_concurrency=jobs_at_once, polling_interval_sec=0.5)


def start(transcript_id: str) -> None:
    """Queues a job. A finished one of the same id is forgotten first: this is a retry from the beginning."""
    _start(_transcribe, transcript_id)


def start_derivative(derivative_id: str) -> None:
    """Queues the making of a derivative, as `start` does; units that are there are not made again."""
    _start(_derive, derivative_id)


def _start(workflow: Callable[[str], str], job_id: str) -> None:
    status = DBOS.get_workflow_status(job_id)
    if status is not None and status.status in _FINISHED:
        DBOS.delete_workflow(job_id)
    with SetWorkflowID(job_id):
        DBOS.enqueue_workflow(QUEUE, workflow, job_id)


def is_unfinished(transcript_id: str) -> bool:
    """True while the job waits or runs, here or at another worker."""
    status = DBOS.get_workflow_status(transcript_id)
    return status is not None and status.status in _UNFINISHED


def unfinished() -> list[JobFacts]:
    """All jobs that wait or run, of every worker."""
    found = DBOS.list_workflows(status=list(_UNFINISHED), load_input=False, load_output=False)
    return [
        JobFacts(item.workflow_id, item.executor_id or "", item.app_version or "", item.status == "PENDING")
        for item in found
    ]


def take_over(silent: Collection[str]) -> list[str]:
    """Resumes the jobs of workers that fell silent, from their last finished step. Returns the transcript ids."""
    taken = [
        job.transcript_id
        for job in unfinished()
        if job.started and job.executor_id in silent and job.version == STEPS_VERSION
    ]
    for transcript_id in taken:
        DBOS.resume_workflow(transcript_id, queue_name=QUEUE)
    return taken


def drop_outdated() -> list[str]:
    """Forgets unfinished jobs whose steps are of another version; they must be queued anew. Returns their ids."""
    outdated = [job.transcript_id for job in unfinished() if job.version != STEPS_VERSION]
    for transcript_id in outdated:
        DBOS.delete_workflow(transcript_id)
    return outdated


def forget_finished(before_utc_ms: int) -> None:
    """Forgets jobs that ended before then: with them go the words of each step, which the store's transcript holds."""
    for item in DBOS.list_workflows(status=list(_FINISHED), load_input=False, load_output=False):
        if (item.updated_at or 0) < before_utc_ms:
            DBOS.delete_workflow(item.workflow_id)
