# SPDX-License-Identifier: Apache-2.0
"""What each step of a derivative does. Knows nothing of the job library; the work itself is done by a child process."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from storage.settings import Settings
from transcribe.derive.captions import DEFAULT_LANGUAGE
from transcribe.derive.process import Maker, MakerProcess
from transcribe.derive.rows import DerivativeRows
from transcribe.faults import TranscriptFault

_TELL_EVERY_S = 1.0
FAILED_KEPT_S = 7 * 24 * 3600.0
"""So long the units of a failed job wait for another try."""
_log = structlog.get_logger("transcribe.derive")


@dataclass(slots=True)
class _Running:
    maker: Maker
    told_s: float = 0.0


class Derivations:
    """The steps of all derivatives of one worker. Steps of different jobs run in different threads."""

    def __init__(
        self,
        settings: Settings,
        rows: DerivativeRows,
        work_dir: Path,
        make_maker: Callable[[], Maker] = MakerProcess,
    ) -> None:
        """`work_dir` is shared by all workers of the machine: it holds what killed ones have already made."""
        self._settings = settings
        self._rows = rows
        self._work_dir = work_dir
        self._make_maker = make_maker
        self._running: dict[str, _Running] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    # ---- steps ----

    def prepare(self, derivative_id: str) -> dict[str, Any]:
        """Reads the manifest; the plan that all later steps go by."""
        job = self._rows.begin(derivative_id)
        order = {
            "derivative_id": derivative_id, "county": job.county, "session_id": job.session_id, "kind": job.kind,
            "folder": str(self._work_dir / derivative_id), "time_zone": self._settings.time_zone,
            "language": str(job.options.get("language", DEFAULT_LANGUAGE)),
        }  # fmt: skip
        opened = self._guarded(lambda: self._opened(derivative_id, order))
        return {"order": {**order, "manifest_sha256": opened["manifest_sha256"]}, "units": opened["units"]}

    def make(self, derivative_id: str, plan: dict[str, Any], n: int) -> bool:
        """Makes one unit. False, and the row is queued again, when something else goes first."""
        if self._rows.others_wait(plan["order"]["kind"]):
            self._rows.requeue(derivative_id)
            return False
        if shutil.disk_usage(self._settings.data_dir).free < self._settings.disk_low_bytes:
            raise TranscriptFault("disk_full", "What is free on the disk is kept for recordings.")
        started_s = time.monotonic()
        made = self._ask(derivative_id, plan, {"op": "make", "n": n}, n)
        took_s = round(time.monotonic() - started_s, 1)
        _log.info("unit_made" if made else "unit_found", derivative_id=derivative_id, n=n, took_s=took_s)
        return True

    def finish(self, derivative_id: str, plan: dict[str, Any]) -> str:
        """Joins the units and stores the result. Returns its key."""
        result = self._ask(derivative_id, plan, {"op": "finish"}, plan["units"])
        self._rows.finish(derivative_id, result["key"], result["bytes"], result["sha256"], _utc_ms())
        _log.info("derivative_done", derivative_id=derivative_id, kind=plan["order"]["kind"], bytes=result["bytes"])
        return str(result["key"])

    def fail(self, derivative_id: str, code: str, sentence: str) -> None:
        """Shows the page that it failed and why, unless it was cancelled."""
        _log.error("derivative_failed", derivative_id=derivative_id, code=code, sentence=sentence)
        self._rows.fail(derivative_id, code, _utc_ms())

    # ---- around the steps ----

    def release(self, derivative_id: str) -> None:
        """Ends the job's process. Its units are kept for another try."""
        with self._lock:
            running = self._running.pop(derivative_id, None)
        if running is not None:
            running.maker.close()
        if self._rows.state(derivative_id) in ("done", "cancelled", None):
            shutil.rmtree(self._work_dir / derivative_id, ignore_errors=True)

    def stop(self) -> None:
        """Ends all processes. Steps in progress leave no result, so they are done again after the next start."""
        self._stopping.set()
        with self._lock:
            running = list(self._running.values())
        for job in running:
            job.maker.close()

    def sweep(self) -> None:
        """Removes units that nobody will ask for; those of a failed job stay for a while."""
        for folder in self._work_dir.glob("*") if self._work_dir.exists() else ():
            state = self._rows.state(folder.name)
            old = time.time() - folder.stat().st_mtime > FAILED_KEPT_S
            if state in ("done", "cancelled", None) or (state == "failed" and old):
                shutil.rmtree(folder, ignore_errors=True)

    def _ask(self, derivative_id: str, plan: dict[str, Any], request: dict[str, Any], n: int) -> Any:
        with self._lock:
            known = derivative_id in self._running
        if not known:
            self._guarded(lambda: self._opened(derivative_id, plan["order"]))
        running = self._running[derivative_id]

        def tell(share: float) -> None:
            now_s = time.monotonic()
            if now_s - running.told_s >= _TELL_EVERY_S:
                running.told_s = now_s
                if not self._rows.progress(derivative_id, (n + share) / (plan["units"] + 1)):
                    raise TranscriptFault("cancelled", "It is not wanted any more.")

        tell(0.0)
        return self._guarded(lambda: running.maker.ask(request, tell))

    def _opened(self, derivative_id: str, order: dict[str, Any]) -> dict[str, Any]:
        maker = self._make_maker()
        with self._lock:
            old, self._running[derivative_id] = self._running.get(derivative_id), _Running(maker)
        if old is not None:
            old.maker.close()
        opened: dict[str, Any] = maker.ask({"op": "open", "order": order}, lambda _: None)
        return opened

    def _guarded(self, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except TranscriptFault:
            if self._stopping.is_set():
                # We killed the process ourselves. A result, even a fault, would be kept as this step's for ever, so
                # this thread waits until the program ends.
                threading.Event().wait()
            raise


def _utc_ms() -> int:
    return time.time_ns() // 1_000_000
