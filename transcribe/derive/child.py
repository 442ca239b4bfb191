# SPDX-License-Identifier: Apache-2.0
"""The child process that decodes, composes and encodes, only when nothing else wants the processor (SCHED_IDLE).

Started by `transcribe.derive.process` as `python -m transcribe.derive.child`. It ends when its standard input closes,
so it never outlives a killed worker. Requests and answers are JSON lines: first {"op": "open", "order": …}, then
{"op": "make", "n"} and {"op": "finish"}. Answers: {"progress": 0..1} any number of times, then {"result": …} or
{"fault": {"code", "sentence"}}.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any

from storage.log import configure_logging
from storage.settings import load_settings
from transcribe.derive.making import Making, Order, StoreReader
from transcribe.faults import TranscriptFault

Answer = Callable[[dict[str, Any]], None]


def give_way() -> None:
    """Calls, pages and speech recognition go first."""
    with suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


class Session:
    """One order, from its opening to its end."""

    def __init__(self, store: StoreReader) -> None:
        self._store = store
        self._making: Making | None = None

    def answer(self, request: dict[str, Any], answer: Answer) -> None:
        """Do what is asked and say how it went."""
        try:
            answer({"result": self._do(request, lambda share: answer({"progress": share}))})
        except TranscriptFault as fault:
            answer({"fault": {"code": fault.code, "sentence": fault.sentence}})
        except OSError as error:
            answer({"fault": {"code": "disk_full", "sentence": f"The work folder cannot be written: {error}."}})

    def _do(self, request: dict[str, Any], tell: Callable[[float], None]) -> Any:
        if request["op"] == "open":
            self._making = Making(Order(**request["order"]), self._store)
            return {"units": self._making.units, "manifest_sha256": self._making.manifest_sha256}
        assert self._making is not None, "opened first"
        if request["op"] == "make":
            return self._making.make(int(request["n"]), tell)
        return self._making.finish(tell)


def _requests(source: IO[bytes], target: queue.Queue[dict[str, Any]]) -> None:
    for text in source:
        target.put(json.loads(text))
    os._exit(0)  # the parent is gone: not even the work in progress is wanted


def main() -> None:
    """Answer requests until the input closes."""
    give_way()
    settings = load_settings()
    configure_logging(settings.log_level)
    # What a library prints must not come between the answers.
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    waiting: queue.Queue[dict[str, Any]] = queue.Queue(maxsize=1)
    threading.Thread(target=_requests, args=(sys.stdin.buffer, waiting), daemon=True).start()

    def answer(value: dict[str, Any]) -> None:
        answers.write(json.dumps(value).encode() + b"\n")

    session = Session(StoreReader(settings))
    while True:
        session.answer(waiting.get(), answer)


if __name__ == "__main__":
    main()
