# SPDX-License-Identifier: Apache-2.0
"""Marks lines that the model may have invented. PURE. Nothing is ever deleted: a person decides.

Flags (stable names; they stand in rows and in the result):
`loop` one phrase over and over; `credit` a phrase from film credits; `prompt` the prompt spoken back; `glossary`
nothing but terms of the glossary; `rate` more than anybody can say in that time; `echo` the same words at the same time
on another track, where they were clearer; `unsure` the decoder itself gave it a poor score.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from transcribe.credit_phrases import CREDIT_PHRASES
from transcribe.lines import Line

MOST_CJK_PER_SECOND = 12.0
"""Quick Mandarin is about 6 to 8 syllables a second."""
MOST_LETTERS_PER_SECOND = 35.0
POOR_LOGPROB = -1.0
"""Mean log probability under which the decoder distrusts its own text (its own threshold)."""
_ECHO_SLACK_MS = 700
_ECHO_LIKENESS = 0.8
_SHORTEST_ECHO = 5
_SAME_LINES = 3
# (longest unit, repeats that make a loop): "对对对对" is how people talk, a clause said three times running is not.
_LOOP_RULES = ((1, 9), (2, 6), (3, 5), (6, 4), (40, 3))


@dataclass(frozen=True, slots=True)
class GuardContext:
    """What the engine was told, which it must not tell back."""

    prompt: str = ""
    glossary: tuple[str, ...] = field(default=())


def plain(text: str) -> str:
    """Letters and digits only, NFKC, lower case: what is compared."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).lower() if unicodedata.category(c)[0] in "LN")


def flag_track(lines: Sequence[Line], context: GuardContext) -> list[set[str]]:
    """A set of flags for each line of one track."""
    flags = [_line_flags(line, context) for line in lines]
    _flag_same_lines(lines, flags)
    return flags


def _line_flags(line: Line, context: GuardContext) -> set[str]:
    text = plain(line.text)
    found = {
        "loop": is_loop(text),
        "credit": any(phrase in text for phrase in CREDIT_PHRASES),
        "prompt": is_prompt(text, plain(context.prompt)),
        "glossary": is_glossary_only(text, context.glossary),
        "rate": is_too_fast(text, line.end_ms - line.start_ms),
        "unsure": line.metrics.avg_logprob < POOR_LOGPROB,
    }
    return {name for name, hit in found.items() if hit}


def is_loop(text: str) -> bool:
    """True when a unit repeats running more often than speech does. `text` as `plain` leaves it."""
    for unit in range(1, min(40, len(text) // 3) + 1):
        needed = next(count for longest, count in _LOOP_RULES if unit <= longest)
        same = 0  # characters equal to the one `unit` places before, running
        for index in range(unit, len(text)):
            same = same + 1 if text[index] == text[index - unit] else 0
            if same >= unit * (needed - 1):
                return True
    return False


def is_prompt(text: str, prompt: str) -> bool:
    """True when the line is the prompt, holds it, or is most of it. Both as `plain` leaves them."""
    if len(prompt) < 4 or len(text) < 4:
        return False
    return prompt in text or (len(text) * 2 >= len(prompt) and text in prompt)


def is_glossary_only(text: str, glossary: Sequence[str]) -> bool:
    """True when two or more terms of the glossary and nothing else make up the line.

    One term alone is a common answer ("Where do you live?"), so it is not marked.
    """
    terms = sorted({plain(term) for term in glossary} - {""}, key=len, reverse=True)
    rest, count = text, 0
    while rest:
        term = next((term for term in terms if rest.startswith(term)), None)
        if term is None:
            return False
        rest, count = rest[len(term) :], count + 1
    return count >= 2


def is_too_fast(text: str, length_ms: int) -> bool:
    """True when nobody could say `text` in that time."""
    cjk = sum(1 for c in text if "\u3400" <= c <= "\u9fff")
    least_s = cjk / MOST_CJK_PER_SECOND + (len(text) - cjk) / MOST_LETTERS_PER_SECOND
    return len(text) >= 6 and least_s * 1000 > max(length_ms, 1)


def _flag_same_lines(lines: Sequence[Line], flags: list[set[str]]) -> None:
    """The same line three times running is a loop that the split into lines has cut up."""
    texts = [plain(line.text) for line in lines]
    for start in range(len(lines) - _SAME_LINES + 1):
        window = texts[start : start + _SAME_LINES]
        if len(window[0]) >= 4 and len(set(window)) == 1:
            for index in range(start, start + _SAME_LINES):
                flags[index].add("loop")


def flag_echoes(tracks: Sequence[Sequence[Line]], flags: Sequence[list[set[str]]]) -> None:
    """Adds `echo` where two tracks carry the same words at the same time: one microphone heard the other's speaker.

    The line that the engine was less sure of is marked. `flags` is changed in place.
    """
    for left in range(len(tracks)):
        for right in range(left + 1, len(tracks)):
            _flag_pair(tracks[left], tracks[right], flags[left], flags[right])


def _flag_pair(
    left: Sequence[Line], right: Sequence[Line], left_flags: list[set[str]], right_flags: list[set[str]]
) -> None:
    first = 0
    for index, line in enumerate(left):
        while first < len(right) and right[first].end_ms < line.start_ms - _ECHO_SLACK_MS:
            first += 1
        for other in range(first, len(right)):
            if right[other].start_ms > line.end_ms + _ECHO_SLACK_MS:
                break
            if _same_words(line, right[other]):
                weaker = left_flags[index] if line.probability < right[other].probability else right_flags[other]
                weaker.add("echo")


def _same_words(one: Line, two: Line) -> bool:
    a, b = plain(one.text), plain(two.text)
    if min(len(a), len(b)) < _SHORTEST_ECHO:
        return False
    if (a in b or b in a) and min(len(a), len(b)) * 3 >= max(len(a), len(b)):
        return True
    return SequenceMatcher(None, a, b, autojunk=False).ratio() >= _ECHO_LIKENESS
