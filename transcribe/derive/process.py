# SPDX-License-Identifier: Apache-2.0
"""The child process as the pipeline sees it: asked one thing after another, killed when it is not wanted any more."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable
from typing import Any, Protocol

from transcribe.faults import StoreAwayFault, TranscriptFault

_SILENT_CHILD_S = 3_600.0
"""A child that says nothing for so long hangs. It may get no processor for long: it is the last in the row."""


class Maker(Protocol):
    """Whoever makes a derivative, unit by unit."""

    def ask(self, request: dict[str, Any], on_progress: Callable[[float], None]) -> Any:
        """The answer. Raises TranscriptFault; what `on_progress` raises comes out, too."""

    def close(self) -> None:
        """Ends at once, also in the middle of work. May be called from another thread."""


class MakerProcess:
    """`python -m transcribe.derive.child`, started at once."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        self._rest = b""
        self._child = subprocess.Popen(
            [sys.executable, "-m", "transcribe.derive.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,  # Ctrl-C at a terminal goes to the worker, which ends the child itself
        )

    @property
    def pid(self) -> int:
        """The child's number."""
        return self._child.pid

    def ask(self, request: dict[str, Any], on_progress: Callable[[float], None]) -> Any:
        """See Maker."""
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(json.dumps(request).encode() + b"\n")
            self._child.stdin.flush()
            while "progress" in (answer := json.loads(self._line())):
                on_progress(float(answer["progress"]))
        except (OSError, ValueError) as error:
            raise TranscriptFault("maker_failed", f"The process that makes it ended: {error}.") from error
        if "fault" in answer:
            code, sentence = str(answer["fault"]["code"]), str(answer["fault"]["sentence"])
            raise StoreAwayFault(sentence) if code == "store_unavailable" else TranscriptFault(code, sentence)
        return answer["result"]

    def close(self) -> None:
        """See Maker."""
        self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                pipe.close()

    def _line(self) -> bytes:
        assert self._child.stdout is not None
        while b"\n" not in self._rest:
            ready, _, _ = select.select([self._child.stdout], [], [], _SILENT_CHILD_S)
            data = os.read(self._child.stdout.fileno(), 1 << 16) if ready else b""
            if not data:
                raise OSError(f"exit status {self._child.poll()}" if ready else "no word from it for an hour")
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return line
