# SPDX-License-Identifier: Apache-2.0
"""Upload queue over the spool: nothing local is removed before the store was seen to hold the same bytes."""

from __future__ import annotations

import heapq
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from storage import disk
from storage.files import digests_of_file
from storage.objects.protocol import DigestMismatch, ObjectMissing, ObjectStore, StoreError
from storage.queue_journal import QueueJournal

log = structlog.get_logger(__name__)

RETRY_FIRST_S = 0.5
RETRY_LAST_S = 30.0
"""Pause between attempts on one file; it doubles up to this, with a quarter of chance, and never ends."""
AWAY_LAST_S = 5.0
"""Longest pause between two looks for a store that does not answer at all: one look for all files together."""
JOURNAL = "uploads.jsonl"


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is not yet checked in the store."""

    uploads: int
    bytes: int


@dataclass(order=True)
class _Job:
    due: float
    key: str
    path: Path = field(compare=False)
    sha256: str = field(compare=False)
    size: int = field(compare=False)
    pause_s: float = field(compare=False, default=RETRY_FIRST_S)


class Uploader:
    """Thread-safe queue of files on their way from the spool to the store.

    `open_store` is called again after each failure, because the embedded store may come back on another port.
    `on_stored` (key, digest, size) is called in the upload's thread before the local copy goes: after a kill, again.
    """

    def __init__(
        self,
        spool_dir: Path,
        open_store: Callable[[], ObjectStore],
        *,
        on_uploaded: Callable[[str], None] = lambda key: None,
        on_stored: Callable[[str, str, int], None] = lambda key, sha256, size: None,
        parallel: int = 2,
    ) -> None:
        self._spool_dir, self._open_store, self._on_uploaded = spool_dir, open_store, on_uploaded
        self._on_stored, self._parallel = on_stored, parallel
        self._condition = threading.Condition()
        self._jobs: dict[str, _Job] = {}
        self._queue: list[_Job] = []
        self._threads: list[threading.Thread] = []
        self._closing = False
        self._away_until, self._away_pause_s = 0.0, 0.0
        """No file is tried before, while the store does not answer: each try costs its thread a millisecond."""
        self._last_error: str | None = None
        self._journal = QueueJournal(spool_dir / JOURNAL)

    def start(self) -> None:
        """Take up what the journal says is waiting, and begin to upload in threads. Raises OSError for the spool."""
        self._spool_dir.mkdir(parents=True, exist_ok=True)
        with self._condition:
            for path, key, sha256 in self._read_journal():
                if path.exists():
                    self._enqueue(path, key, sha256)
            self._rewrite_journal()
        for number in range(self._parallel):
            thread = threading.Thread(target=self._work, name=f"upload-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def add(self, path: Path, key: str, sha256: str) -> None:
        """Queue a finished, fsynced file under the spool; when this returns, the order survives a kill -9."""
        with self._condition:
            self._journal.append(self._entry(path, key, sha256))
            self._enqueue(path, key, sha256)
            self._condition.notify()

    def _enqueue(self, path: Path, key: str, sha256: str) -> None:
        job = _Job(0.0, key, path, sha256, path.stat().st_size)
        self._jobs[key] = job
        heapq.heappush(self._queue, job)

    def waiting(self, prefix: str = "") -> Waiting:
        """Files (whose key starts with `prefix`) that are not yet checked in the store."""
        with self._condition:
            sizes = [job.size for key, job in self._jobs.items() if key.startswith(prefix)]
        return Waiting(len(sizes), sum(sizes))

    @property
    def last_error(self) -> str | None:
        """Why the newest attempt failed, in one sentence; None after a success."""
        return self._last_error

    def close(self, timeout_s: float = 5.0) -> None:
        """Stop after the attempts in hand; the rest waits for the next start."""
        with self._condition:
            self._closing = True
            self._condition.notify_all()
        end = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _work(self) -> None:
        store: ObjectStore | None = None
        while (job := self._take()) is not None:
            if store is None:
                try:
                    store = self._open_store()
                    store.ensure_bucket()
                except (StoreError, OSError) as error:
                    store = None
                    self._away(job, error)
                    continue
                self._away_pause_s = 0.0
            try:
                _put_checked(store, job)
            except (StoreError, OSError) as error:
                store = None
                self._failed(job, error)
                continue
            self._succeeded(job)

    def _take(self) -> _Job | None:
        with self._condition:
            while not self._closing:
                now = time.monotonic()
                due = max(self._queue[0].due, self._away_until) if self._queue else None
                if due is not None and due <= now:
                    return heapq.heappop(self._queue)
                self._condition.wait(due if due is None else due - now)
        return None

    def _away(self, job: _Job, error: Exception) -> None:
        """The store does not answer: nothing is tried for a while, and no file pays for it with a pause of its own."""
        self._last_error = str(error)
        with self._condition:
            heapq.heappush(self._queue, job)
            now = time.monotonic()
            if now < self._away_until:
                return  # the other thread found out too
            self._away_pause_s = min(RETRY_LAST_S, AWAY_LAST_S, self._away_pause_s * 2 or RETRY_FIRST_S)
            self._away_until = now + self._away_pause_s * random.uniform(0.75, 1.25)  # noqa: S311 - spreads retries
        log.warning("store_away", reason=str(error), again_in_s=round(self._away_pause_s, 1))

    def _failed(self, job: _Job, error: Exception) -> None:
        self._last_error = str(error)
        if isinstance(error, FileNotFoundError) and not job.path.exists():
            # The spool was emptied by hand: nothing can be uploaded, and saying so for ever helps nobody.
            log.error("upload_source_gone", key=job.key)
            with self._condition:
                self._forget(job)
            return
        log.warning("upload_failed", key=job.key, reason=str(error), again_in_s=round(job.pause_s, 1))
        with self._condition:
            job.due = time.monotonic() + job.pause_s * random.uniform(0.75, 1.25)  # noqa: S311 - spreads retries
            job.pause_s = min(RETRY_LAST_S, job.pause_s * 2)
            heapq.heappush(self._queue, job)
            self._condition.notify()

    def _succeeded(self, job: _Job) -> None:
        self._on_stored(job.key, job.sha256, job.size)
        # The copy goes first: on a full disk its room is what lets the journal's line be written.
        disk.door.remove(job.path)
        with self._condition:
            self._forget(job)
            for other in self._queue:  # the store answers again: do not wait out the pauses of the others
                other.due, other.pause_s = 0.0, RETRY_FIRST_S
            heapq.heapify(self._queue)
            self._condition.notify_all()
        self._last_error = None
        self._on_uploaded(job.key)

    def _forget(self, job: _Job) -> None:
        self._jobs.pop(job.key, None)
        try:
            self._journal.append({"done": job.key})
            if self._journal.long:
                self._rewrite_journal()
        except OSError as error:
            # A missing line costs nothing: at the next start the file is not there, so nothing is queued.
            log.warning("upload_journal_not_written", key=job.key, reason=str(error))

    def _read_journal(self) -> list[tuple[Path, str, str]]:
        """Orders that have no end yet."""
        found: dict[str, tuple[Path, str, str]] = {}
        for entry in self._journal.entries():
            if "put" in entry:
                found[entry["put"]] = (self._spool_dir / entry["path"], entry["put"], entry["sha256"])
            else:
                found.pop(entry.get("done", ""), None)
        return list(found.values())

    def _rewrite_journal(self) -> None:
        self._journal.rewrite(self._entry(job.path, job.key, job.sha256) for job in self._jobs.values())

    def _entry(self, path: Path, key: str, sha256: str) -> dict[str, str]:
        return {"put": key, "path": str(path.relative_to(self._spool_dir)), "sha256": sha256}


def _put_checked(store: ObjectStore, job: _Job) -> None:
    """Put one file and read the object back. Raises DigestMismatch when the store holds something else.

    A store that already holds the right bytes (we were killed before the local copy went) is not written again.
    """
    try:
        if store.stored_sha256(job.key) == (job.sha256, job.size):
            return
    except (ObjectMissing, DigestMismatch):
        pass
    store.put_file(job.key, job.path, job.sha256)
    found = store.stored_sha256(job.key)
    if found == (job.sha256, job.size):
        return
    local = digests_of_file(job.path)
    if (local.sha256, local.bytes) != (job.sha256, job.size):
        raise DigestMismatch(f"The file {job.path} changed on this disk after it was sealed; check the disk.")
    raise DigestMismatch(f"The store holds other bytes than were sent for {job.key}; it is sent again.")
