# SPDX-License-Identifier: Apache-2.0
"""Builds the lines of a transcript from word times. PURE.

The decoder's own segments are not used: with VAD they run from the start of one turn to the end of another, minutes
apart. A new line starts where two words lie more than `SPLIT_GAP_MS` apart, and in a long run at the end of a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from transcribe.words import Heard, SegmentMetrics, Word

SPLIT_GAP_MS = 800
"""Silence between two words that starts a new line (measured: turn starts then lie within 0.8 s)."""
LONG_RUN_MS = 8_000
"""A line longer than this ends at the next end of a sentence."""
LONGEST_LINE_MS = 20_000
"""A line longer than this ends at the next comma, and twice this long anywhere."""

_SENTENCE_END = "。！？!?…"
_CLAUSE_END = "，,；;：:、"
_CJK = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3000-\u303f\uff00-\uffef"
_FULL_WIDTH = {",": "，", "?": "？", "!": "！", ":": "：", ";": "；", "(": "（", ")": "）", ".": "。"}
_AFTER_CJK = re.compile(rf"(?<=[{_CJK}])\s*([,?!:;.])(?!\w*@)")
_BRACKETS = re.compile(rf"\(([^()]*[{_CJK}][^()]*)\)")
_SPACE_IN_CJK = re.compile(rf"(?<=[{_CJK}])[ \u00a0]+(?=[{_CJK}])")
_DIGIT_BEFORE_END = re.compile(rf"(?<=[0-9A-Za-z%])([,?!:;])\s*(?=[{_CJK}])")


@dataclass(frozen=True, slots=True)
class Line:
    """One line: what is shown (`text`), what the engine wrote (`raw`), and how sure it was."""

    start_ms: int
    end_ms: int
    text: str
    raw: str
    probability: float
    """Mean probability of the words, 0 to 1."""
    metrics: SegmentMetrics
    """Of the decoded segment that gave most of the words."""
    words: tuple[Word, ...]


def build_lines(heard: Heard, simplify: Callable[[str], str]) -> list[Line]:
    """Lines of one track in order of time. `simplify` turns the text into the wanted script."""
    lines = []
    for run in _runs(sorted(heard.words, key=lambda word: (word.start_ms, word.end_ms))):
        raw = "".join(word.text for word in run).strip()
        text = punctuated(simplify(raw))
        if not any(char.isalnum() for char in text):
            continue  # punctuation alone says nothing; the raw words stay in the result
        lines.append(
            Line(
                start_ms=run[0].start_ms,
                end_ms=max(word.end_ms for word in run),
                text=text,
                raw=raw,
                probability=round(sum(word.probability for word in run) / len(run), 4),
                metrics=_metrics(run, heard.segments),
                words=tuple(run),
            )
        )
    return lines


def _runs(words: Sequence[Word]) -> Iterator[list[Word]]:
    run: list[Word] = []
    for word in words:
        if run and (word.start_ms - run[-1].end_ms > SPLIT_GAP_MS or _is_long_enough(run)):
            yield run
            run = []
        run.append(word)
    if run:
        yield run


def _is_long_enough(run: Sequence[Word]) -> bool:
    length_ms = run[-1].end_ms - run[0].start_ms
    last = run[-1].text.rstrip()[-1:]
    if last and last in _SENTENCE_END:
        return length_ms > LONG_RUN_MS
    if last == "." and not run[-1].text.rstrip()[:-1].isdigit():
        return length_ms > LONG_RUN_MS
    if last and last in _CLAUSE_END:
        return length_ms > LONGEST_LINE_MS
    return length_ms > 2 * LONGEST_LINE_MS


def _metrics(run: Sequence[Word], segments: Sequence[SegmentMetrics]) -> SegmentMetrics:
    counts: dict[int, int] = {}
    for word in run:
        counts[word.segment] = counts.get(word.segment, 0) + 1
    return segments[max(counts, key=lambda index: counts[index])]


def punctuated(text: str) -> str:
    """Full-width punctuation and no spaces inside Chinese; numbers (3.5, 10:30) and Latin text stay as they are."""
    text = _SPACE_IN_CJK.sub("", text.strip())
    text = _BRACKETS.sub(r"（\1）", text)
    text = _AFTER_CJK.sub(lambda match: _FULL_WIDTH[match[1]], text)
    text = _DIGIT_BEFORE_END.sub(lambda match: _FULL_WIDTH[match[1]], text)
    return _SPACE_IN_CJK.sub("", re.sub(rf"([，。！？；：])\s+(?=[{_CJK}0-9A-Za-z])", r"\1", text))
