# SPDX-License-Identifier: Apache-2.0
"""The speech engine as the pipeline sees it, and faster-whisper behind it in a child process that can be killed."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from transcribe.faults import TranscriptFault
from transcribe.words import Heard

LONGEST_WINDOW_MS = 600_000
"""Stretch given to the decoder at once; also what a killed worker does again."""
_SILENT_CHILD_S = 900.0
"""A child that says nothing for so long hangs (the slowest model needs about a minute for 30 s of speech)."""
_NICENESS = 10
"""Calls go first: the child gets the processor that media and pages leave."""

Window = tuple[int, int]
Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How to decode; stands in the result as it was used."""

    language: str
    prompt: str = ""
    hotwords: tuple[str, ...] = field(default=())
    beam_size: int = 5
    vad_filter: bool = True
    word_timestamps: bool = True
    condition_on_previous_text: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Recognised:
    """What was heard in one window."""

    heard: Heard
    hotwords_left_out: tuple[str, ...]


class Engine(Protocol):
    """A speech engine. Times are ms on the session clock; a PCM file holds 16 kHz 16-bit mono samples from 0 ms."""

    def windows(self, pcm: Path, ranges: Sequence[Window]) -> list[Window]:
        """Cuts the ranges that hold sound into windows, in silence where there is some."""

    def recognise(self, pcm: Path, window: Window, options: EngineOptions, on_progress: Progress) -> Recognised:
        """Words of one window. Raises TranscriptFault(engine_failed)."""

    def close(self) -> None:
        """Ends at once, also in the middle of work."""


def library_versions() -> dict[str, str]:
    """Versions of everything that shapes the text."""
    return {name: version(name) for name in ("faster-whisper", "ctranslate2", "onnxruntime", "av", "opencc", "numpy")}


class WhisperEngine:
    """faster-whisper in a child process, started at the first request, one thread."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self._folder = folder
        self._threads = threads
        self._child: subprocess.Popen[bytes] | None = None
        self._rest = b""
        self._closed = threading.Event()

    def windows(self, pcm: Path, ranges: Sequence[Window]) -> list[Window]:
        """See Engine."""
        request = {"op": "windows", "pcm": str(pcm), "ranges_ms": ranges, "longest_ms": LONGEST_WINDOW_MS}
        return [(int(start), int(end)) for start, end in self._ask(request, lambda _: None)]

    def recognise(self, pcm: Path, window: Window, options: EngineOptions, on_progress: Progress) -> Recognised:
        """See Engine."""
        request = {
            "op": "recognise",
            "pcm": str(pcm),
            "from_ms": window[0],
            "to_ms": window[1],
            "options": options.to_json(),
        }
        result = self._ask(request, on_progress)
        return Recognised(Heard.from_json(result), tuple(result["hotwords_left_out"]))

    def close(self) -> None:
        """See Engine. May be called from another thread."""
        self._closed.set()
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    pipe.close()

    def _ask(self, request: dict[str, Any], on_progress: Progress) -> Any:
        child = self._started()
        assert child.stdin is not None
        try:
            child.stdin.write(json.dumps(request).encode() + b"\n")
            child.stdin.flush()
            while True:
                answer = json.loads(self._line(child))
                if "progress" in answer:
                    on_progress(float(answer["progress"]))
                elif "fault" in answer:
                    raise TranscriptFault(answer["fault"]["code"], answer["fault"]["sentence"])
                else:
                    return answer["result"]
        except (OSError, ValueError, _ChildEnded) as error:
            self._discard()
            raise TranscriptFault(
                "engine_failed", f"The speech engine ended in the middle of work: {error}."
            ) from error

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            environment = {
                **os.environ,
                "HF_HUB_OFFLINE": "1",
                "OMP_NUM_THREADS": str(self._threads),
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            }
            arguments = ["-m", "transcribe.engine_child", str(self._folder), str(self._threads)]
            self._rest = b""
            self._child = subprocess.Popen(
                ["nice", "-n", str(_NICENESS), sys.executable, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment,
                start_new_session=True,  # Ctrl-C at a terminal goes to the worker, which ends the child itself
            )
        return self._child

    def _line(self, child: subprocess.Popen[bytes]) -> bytes:
        assert child.stdout is not None
        while b"\n" not in self._rest:
            ready, _, _ = select.select([child.stdout], [], [], _SILENT_CHILD_S)
            if not ready:
                raise _ChildEnded(f"no word from it for {_SILENT_CHILD_S:.0f} s")
            data = os.read(child.stdout.fileno(), 1 << 20)
            if not data:
                raise _ChildEnded(f"exit status {child.wait()}")
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _discard(self) -> None:
        """The next request starts a new child."""
        if not self._closed.is_set():
            self.close()
            self._closed.clear()


class _ChildEnded(Exception):
    """The child process is gone or hangs."""
