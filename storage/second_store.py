# SPDX-License-Identifier: Apache-2.0
"""The way to the second store: what the first one was seen to hold is copied there and read back, in its own time.

The first store never waits for the second: its uploads are done and counted before an object is queued here.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from storage.objects.protocol import DigestMismatch, ObjectMissing, ObjectStore, StoreError
from storage.queue_journal import QueueJournal
from storage.uploads import RETRY_FIRST_S, RETRY_LAST_S, Waiting

log = structlog.get_logger(__name__)

JOURNAL = "copies.jsonl"


@dataclass(frozen=True, slots=True)
class _Order:
    key: str
    sha256: str
    size: int

    def entry(self) -> dict[str, object]:
        """As it stands in the journal."""
        return {"copy": self.key, "sha256": self.sha256, "bytes": self.size}


class Copier:
    """Thread-safe queue with one thread. Both stores are opened anew after a failure."""

    def __init__(
        self, spool_dir: Path, open_store: Callable[[], ObjectStore], open_copy: Callable[[], ObjectStore]
    ) -> None:
        self._spool_dir, self._open_store, self._open_copy = spool_dir, open_store, open_copy
        self._condition = threading.Condition()
        self._orders: dict[str, _Order] = {}
        self._queue: deque[_Order] = deque()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._last_error: str | None = None
        self._journal = QueueJournal(spool_dir / JOURNAL)

    def start(self) -> None:
        """Take up what the journal says is waiting, and begin. Raises OSError for the spool."""
        self._spool_dir.mkdir(parents=True, exist_ok=True)
        with self._condition:
            for order in self._read_journal():
                self._orders[order.key] = order
            self._queue.extend(self._orders.values())
            self._rewrite_journal()
        self._thread = threading.Thread(target=self._work, name="copy", daemon=True)
        self._thread.start()

    def add(self, key: str, sha256: str, size: int) -> None:
        """Queue an object that the first store holds; when this returns, the order survives a kill -9.

        On a full disk it is queued without the journal: `videohome reconcile` finds it should we be killed meanwhile.
        """
        order = _Order(key, sha256, size)
        with self._condition:
            try:
                self._journal.append(order.entry())
            except OSError as error:
                log.warning("copy_journal_not_written", key=key, reason=str(error))
            self._orders[key] = order
            self._queue.append(order)
            self._condition.notify()

    def waiting(self) -> Waiting:
        """What is not yet checked in the second store."""
        with self._condition:
            return Waiting(len(self._orders), sum(order.size for order in self._orders.values()))

    @property
    def last_error(self) -> str | None:
        """Why the newest attempt failed, in one sentence; None after a success."""
        return self._last_error

    def close(self, timeout_s: float = 5.0) -> None:
        """Stop after the attempt in hand; the rest waits for the next start."""
        with self._condition:
            self._closing = True
            self._condition.notify_all()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _work(self) -> None:
        stores: tuple[ObjectStore, ObjectStore] | None = None
        pause_s = RETRY_FIRST_S
        while (order := self._next()) is not None:
            try:
                if stores is None:
                    stores = self._open_store(), self._open_copy()
                    stores[1].ensure_bucket()
                copy_checked(*stores, order.key, order.sha256, order.size)
            except ObjectMissing:
                # Deleted at its time, or by hand: there is nothing to copy, and saying so for ever helps nobody.
                log.error("copy_source_gone", key=order.key)
            except StoreError as error:
                stores, self._last_error = None, str(error)
                log.warning("copy_failed", key=order.key, reason=str(error), again_in_s=round(pause_s, 1))
                self._put_back(order, pause_s * random.uniform(0.75, 1.25))  # noqa: S311 - spreads retries
                pause_s = min(RETRY_LAST_S, pause_s * 2)
                continue
            pause_s, self._last_error = RETRY_FIRST_S, None
            self._forget(order)

    def _next(self) -> _Order | None:
        with self._condition:
            while not self._queue and not self._closing:
                self._condition.wait()
            return None if self._closing else self._queue.popleft()

    def _put_back(self, order: _Order, pause_s: float) -> None:
        """Behind the others, so that one bad object holds up no good one."""
        end = time.monotonic() + pause_s
        with self._condition:
            self._queue.append(order)
            while not self._closing and (left_s := end - time.monotonic()) > 0:
                self._condition.wait(left_s)

    def _forget(self, order: _Order) -> None:
        with self._condition:
            if self._orders.get(order.key) is order:
                del self._orders[order.key]
            try:
                self._journal.append({"done": order.key})
                if self._journal.long:
                    self._rewrite_journal()
            except OSError as error:
                # A missing line costs a look at the second store after the next start.
                log.warning("copy_journal_not_written", key=order.key, reason=str(error))

    def _read_journal(self) -> list[_Order]:
        """Orders that have no end yet."""
        found: dict[str, _Order] = {}
        for entry in self._journal.entries():
            if "copy" in entry:
                found[entry["copy"]] = _Order(entry["copy"], entry["sha256"], entry["bytes"])
            else:
                found.pop(entry.get("done", ""), None)
        return list(found.values())

    def _rewrite_journal(self) -> None:
        self._journal.rewrite(order.entry() for order in self._orders.values())


def copy_checked(store: ObjectStore, copy: ObjectStore, key: str, sha256: str, size: int) -> None:
    """Copy one object and read it back from the second store. Raises ObjectMissing, DigestMismatch."""
    try:
        if copy.stored_sha256(key) == (sha256, size):
            return
    except (ObjectMissing, DigestMismatch):
        pass
    with store.open_range(key) as reader:
        copy.put_stream(key, reader, reader.total_bytes, sha256)
    if copy.stored_sha256(key) != (sha256, size):
        raise DigestMismatch(f"The second store holds other bytes of {key} than were sealed; it is copied again.")
