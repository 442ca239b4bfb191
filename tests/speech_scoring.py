# SPDX-License-Identifier: Apache-2.0
"""Scores a transcript against a reference: character error rate, and whether turns were found where they were spoken.

Normalisation: NFKC, simplified script, lower case, letters and digits only, numerals read out (the better of "as a
number" and "digit by digit", since a reference may have either), 两 as 二 and 幺 as 一.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import cn2an

from transcribe.script import simplified

_NUMERALS = "零一二三四五六七八九"


def readings(text: str) -> set[str]:
    """The ways in which `text` may be read out, as plain characters."""
    text = simplified(unicodedata.normalize("NFKC", text)).lower()
    text = re.sub(r"(\d+(?:\.\d+)?)%", r"百分之\1", text)
    by_digit = re.sub(r"\d", lambda match: _NUMERALS[int(match[0])], text)
    years = re.sub(r"\d{4}(?=年)", lambda match: "".join(_NUMERALS[int(c)] for c in match[0]), text)
    as_number = re.sub(r"\d+(?:\.\d+)?", lambda match: _numeral(match[0]), years)
    return {_letters(form).replace("两", "二").replace("幺", "一") for form in (by_digit, as_number)}


def _numeral(digits: str) -> str:
    if len(digits) > 6:  # a telephone or identity number
        return "".join(_NUMERALS[int(c)] if c.isdigit() else c for c in digits)
    return str(cn2an.an2cn(digits, "low"))


def _letters(text: str) -> str:
    return "".join(c for c in text if unicodedata.category(c)[0] in "LN")


def edit_distance(one: Sequence[object], two: Sequence[object]) -> int:
    """Least number of insertions, deletions and substitutions."""
    row = list(range(len(two) + 1))
    for i, a in enumerate(one, 1):
        diagonal, row[0] = row[0], i
        for j, b in enumerate(two, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (a != b))
    return row[-1]


def character_error_rate(reference: str, hypothesis: str) -> float:
    """Errors for each character of the reference, in the reading that fits best."""
    return min(
        edit_distance(wanted, heard) / max(1, len(wanted))
        for wanted in readings(reference)
        for heard in readings(hypothesis)
    )


@dataclass(frozen=True)
class Span:
    """A stretch of one track in seconds."""

    start_s: float
    end_s: float

    def shared_s(self, other: Span) -> float:
        """Seconds that both cover."""
        return max(0.0, min(self.end_s, other.end_s) - max(self.start_s, other.start_s))


def start_errors_s(turns: Iterable[Span], lines: Sequence[Span]) -> list[float | None]:
    """For each turn the distance between its start and that of the first line that touches it; None: no line does."""
    errors: list[float | None] = []
    for turn in turns:
        touching = [line for line in lines if line.shared_s(turn) > 0]
        errors.append(abs(min(line.start_s for line in touching) - turn.start_s) if touching else None)
    return errors


def spanning(lines: Iterable[Span], turns: Sequence[Span], least_s: float = 0.3) -> list[Span]:
    """Lines that cover at least `least_s` of more than one turn of the same track."""
    return [line for line in lines if sum(line.shared_s(turn) >= least_s for turn in turns) > 1]


def percentile(values: Sequence[float], share: float) -> float:
    """The value under which `share` (0 to 1) of the values lie, nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


_STRANGE = 3
"""So many characters in a row that no turn gave: something else was spoken there and misheard."""


@dataclass(frozen=True)
class Owner:
    """Which turns gave the words of a line. `head` and `tail`: it begins or ends with words that none of them gave."""

    turns: list[int]
    head: bool
    tail: bool


def turns_of_lines(turns: Sequence[str], lines: Sequence[str]) -> list[Owner]:
    """For each line the turns whose words it holds, by aligning all text of a track; empty: no word in common.

    Both lists are in the order of time. Only the text decides, so a line at a wrong time is still found. Two people at
    one microphone without a pause between them make one line of two turns; three characters of it, or a fifth, count.
    """
    owners = [(char, number) for number, text in enumerate(turns) for char in min(readings(text), key=len)]
    heard = [(char, number) for number, text in enumerate(lines) for char in min(readings(text), key=len)]
    given: list[int | None] = [None] * len(heard)
    matcher = SequenceMatcher(None, [c for c, _ in owners], [c for c, _ in heard], autojunk=False)
    for block in matcher.get_matching_blocks():
        for offset in range(block.size):
            given[block.b + offset] = owners[block.a + offset][1]
    found = []
    for number in range(len(lines)):
        own = [turn for turn, (_, line) in zip(given, heard, strict=True) if line == number]
        matched = [turn for turn in own if turn is not None]
        counted = sorted(turn for turn in set(matched) if matched.count(turn) >= min(_STRANGE, len(matched) / 5))
        found.append(Owner(counted, _nobody(own[:_STRANGE]), _nobody(own[-_STRANGE:])))
    return found


def _nobody(given: Sequence[int | None]) -> bool:
    return all(turn is None for turn in given)


def misplaced_s(line: Span, turn: Span) -> float:
    """Seconds by which a line reaches out of the time in which its words were spoken; 0 when it lies within."""
    return max(0.0, turn.start_s - line.start_s, line.end_s - turn.end_s)
