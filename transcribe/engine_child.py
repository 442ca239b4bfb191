# SPDX-License-Identifier: Apache-2.0
"""The child process that holds the model: reads requests as JSON lines, answers as JSON lines.

Started by `transcribe.engine` as `python -m transcribe.engine_child FOLDER THREADS`; it imports faster-whisper, its
parent does not. It ends when its standard input closes, so it never outlives a killed worker.

Requests: {"op": "windows", "pcm", "ranges_ms", "longest_ms"}, {"op": "recognise", "pcm", "from_ms", "to_ms",
"options"}. Answers: {"progress": 0..1} any number of times, then {"result": …} or {"fault": {"code", "sentence"}}.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

RATE_HZ = 16_000
_CUT_SEARCH_MS = 60_000
"""The last minute of a window is searched for the longest silence to cut in."""
_HOTWORD_TOKENS = 223
"""faster-whisper cuts the list of hotwords after this many tokens without a word."""

Samples = npt.NDArray[np.float32]
Answer = Callable[[dict[str, Any]], None]


def read_pcm(path: Path, from_ms: int, to_ms: int) -> Samples:
    """Samples of that stretch from a file of 16-bit mono samples that starts at 0 ms."""
    first, last = from_ms * RATE_HZ // 1000, to_ms * RATE_HZ // 1000
    raw = np.fromfile(path, dtype="<i2", count=max(0, last - first), offset=first * 2)
    return raw.astype(np.float32) / 32768.0


def plan_windows(
    ranges_ms: Sequence[Sequence[int]], longest_ms: int, speech: Callable[[int, int], list[tuple[int, int]]]
) -> list[tuple[int, int]]:
    """Cuts long ranges into windows, each cut in the middle of the longest silence of the window's last minute.

    `speech(from_ms, to_ms)` gives the speech in that stretch. The decoder keeps no context across windows.
    """
    windows: list[tuple[int, int]] = []
    for start, end in ranges_ms:
        at = start
        while end - at > longest_ms:
            low, high = at + max(longest_ms - _CUT_SEARCH_MS, longest_ms // 2), at + longest_ms
            edges = [low, *(edge for part in speech(low, high) for edge in part), high]
            gaps = [(edges[i + 1] - edges[i], edges[i]) for i in range(0, len(edges), 2)]
            length, gap_start = max(gaps)
            cut = gap_start + length // 2 if length > 0 else high
            windows.append((at, cut))
            at = cut
        if end > at:
            windows.append((at, end))
    return windows


class Recogniser:
    """The model with its voice-activity detector; loaded when first needed."""

    def __init__(self, folder: Path, threads: int) -> None:
        self._folder = folder
        self._threads = threads
        self._model: Any = None

    def _loaded(self) -> Any:
        if self._model is None:
            from faster_whisper import WhisperModel

            self._model = WhisperModel(
                str(self._folder),
                device="cpu",
                compute_type="int8",
                cpu_threads=self._threads,
                local_files_only=True,
            )
        return self._model

    def windows(self, request: dict[str, Any]) -> list[tuple[int, int]]:
        """Windows of one track (ms), see `plan_windows`."""
        from faster_whisper.vad import VadOptions, get_speech_timestamps

        def speech(from_ms: int, to_ms: int) -> list[tuple[int, int]]:
            samples = read_pcm(Path(request["pcm"]), from_ms, to_ms)
            found = get_speech_timestamps(samples, VadOptions(min_silence_duration_ms=300, speech_pad_ms=100))
            return [
                (from_ms + part["start"] * 1000 // RATE_HZ, from_ms + part["end"] * 1000 // RATE_HZ) for part in found
            ]

        return plan_windows(request["ranges_ms"], request["longest_ms"], speech)

    def recognise(self, request: dict[str, Any], answer: Answer) -> dict[str, Any]:
        """Words and segment scores of one window, and the hotwords that did not fit. Times on the session clock."""
        options, from_ms = request["options"], request["from_ms"]
        model = self._loaded()
        if options["language"] != "en" and not model.model.is_multilingual:
            raise _EnglishOnly(f"The model in {self._folder} knows English only.")
        samples = read_pcm(Path(request["pcm"]), from_ms, request["to_ms"])
        hotwords, left_out = self._fitting(options["hotwords"])
        segments, info = model.transcribe(
            samples,
            language=options["language"],
            beam_size=options["beam_size"],
            vad_filter=options["vad_filter"],
            word_timestamps=options["word_timestamps"],
            condition_on_previous_text=options["condition_on_previous_text"],
            initial_prompt=options["prompt"] or None,
            hotwords="、".join(hotwords) or None,
        )
        words: list[dict[str, Any]] = []
        scores: list[dict[str, float]] = []
        for segment in segments:
            words += [_word_json(word, from_ms, len(scores)) for word in segment.words or ()]
            scores.append(_score_json(segment))
            answer({"progress": min(1.0, segment.end / max(info.duration, 0.001))})
        return {"words": words, "segments": scores, "hotwords_left_out": left_out}

    def _fitting(self, hotwords: Sequence[str]) -> tuple[list[str], list[str]]:
        """The first hotwords whose list the decoder takes whole, and the rest."""
        kept: list[str] = []
        for index, word in enumerate(hotwords):
            text = " " + "、".join([*kept, word])
            if len(self._model.hf_tokenizer.encode(text, add_special_tokens=False).ids) > _HOTWORD_TOKENS:
                return kept, list(hotwords[index:])
            kept.append(word)
        return kept, []


class _EnglishOnly(Exception):
    """The model cannot do the language that is asked for."""


def _word_json(word: Any, from_ms: int, segment: int) -> dict[str, Any]:
    start_ms, end_ms = from_ms + round(word.start * 1000), from_ms + round(word.end * 1000)
    return {
        "start_ms": start_ms,
        "end_ms": max(start_ms, end_ms),
        "text": word.word,
        "probability": round(float(word.probability), 4),
        "segment": segment,
    }


def _score_json(segment: Any) -> dict[str, float]:
    return {
        "avg_logprob": round(float(segment.avg_logprob), 4),
        "compression_ratio": round(float(segment.compression_ratio), 4),
        "temperature": round(float(segment.temperature or 0.0), 2),
        "no_speech_probability": round(float(segment.no_speech_prob), 4),
    }


def _serve(recogniser: Recogniser, requests: queue.Queue[str], answers: IO[str]) -> None:
    def answer(message: dict[str, Any]) -> None:
        answers.write(json.dumps(message, ensure_ascii=False) + "\n")
        answers.flush()

    while True:
        request = json.loads(requests.get())
        try:
            if request["op"] == "windows":
                answer({"result": recogniser.windows(request)})
            else:
                answer({"result": recogniser.recognise(request, answer)})
        except _EnglishOnly as error:
            answer({"fault": {"code": "model_english_only", "sentence": str(error)}})
        except Exception as error:  # whatever the engine raises is reported to the parent, which decides
            answer({"fault": {"code": "engine_failed", "sentence": f"{type(error).__name__}: {error}"}})


def _read_requests(requests: queue.Queue[str]) -> None:
    for line in sys.stdin:
        requests.put(line)
    os._exit(0)  # the parent is gone; the decoder in the other thread cannot be asked to stop


def main() -> None:
    """Runs until standard input closes."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # libraries that print must not break the protocol
    requests: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read_requests, args=(requests,), daemon=True).start()
    _serve(Recogniser(Path(sys.argv[1]), int(sys.argv[2])), requests, answers)


if __name__ == "__main__":
    main()
