# SPDX-License-Identifier: Apache-2.0
"""What the engine hears: words with times, and how sure it was of the stretch that they stand in. PURE.

All times are milliseconds on the session clock (0 = the moment when recording was first ordered on).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Word:
    """One word as the engine gave it; in Chinese one or a few characters, punctuation attached."""

    start_ms: int
    end_ms: int
    text: str
    probability: float
    segment: int
    """Index of the decoded segment of this track that the word came from."""


@dataclass(frozen=True, slots=True)
class SegmentMetrics:
    """How the decoder judged one segment. Its times are worthless after VAD, so they are not kept."""

    avg_logprob: float
    compression_ratio: float
    temperature: float
    no_speech_probability: float


@dataclass(frozen=True, slots=True)
class Heard:
    """Everything heard in one stretch of one track."""

    words: tuple[Word, ...]
    segments: tuple[SegmentMetrics, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"words": [asdict(word) for word in self.words], "segments": [asdict(item) for item in self.segments]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Heard:
        """The inverse of `to_json`."""
        return cls(
            tuple(Word(**word) for word in data["words"]),
            tuple(SegmentMetrics(**item) for item in data["segments"]),
        )


def joined(stretches: Sequence[Heard]) -> Heard:
    """Stretches of one track, in order, as one; segment indices are counted on."""
    words: list[Word] = []
    segments: list[SegmentMetrics] = []
    for heard in stretches:
        base = len(segments)
        words += [Word(w.start_ms, w.end_ms, w.text, w.probability, w.segment + base) for w in heard.words]
        segments += heard.segments
    return Heard(tuple(words), tuple(segments))
