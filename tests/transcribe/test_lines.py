# SPDX-License-Identifier: Apache-2.0
"""Lines from word times: where they split, and what their text looks like."""

from __future__ import annotations

import pytest

from transcribe.lines import LONG_RUN_MS, LONGEST_LINE_MS, build_lines, punctuated
from transcribe.script import simplified
from transcribe.words import Heard, SegmentMetrics, Word, joined

GOOD = SegmentMetrics(-0.3, 1.1, 0.0, 0.01)


def heard(*words: tuple[int, int, str]) -> Heard:
    return Heard(tuple(Word(start, end, text, 0.9, 0) for start, end, text in words), (GOOD,))


@pytest.mark.parametrize(
    ("gap_ms", "lines"),
    [(0, 1), (300, 1), (800, 1), (801, 2), (60_000, 2)],
)
def test_a_silence_longer_than_800_ms_starts_a_line(gap_ms: int, lines: int) -> None:
    assert len(build_lines(heard((0, 500, "你好"), (500 + gap_ms, 1500 + gap_ms, "谢谢")), str)) == lines


@pytest.mark.parametrize(
    ("mark", "length_ms", "lines"),
    [
        ("。", LONG_RUN_MS + 100, 2),
        ("？", LONG_RUN_MS + 100, 2),
        ("。", LONG_RUN_MS - 100, 1),
        ("，", LONG_RUN_MS + 100, 1),
        ("，", LONGEST_LINE_MS + 100, 2),
        ("", LONGEST_LINE_MS + 100, 1),
        ("", 2 * LONGEST_LINE_MS + 100, 2),
    ],
)
def test_long_runs_end_at_a_sentence(mark: str, length_ms: int, lines: int) -> None:
    words = heard((0, length_ms, "说了很久" + mark), (length_ms, length_ms + 500, "再说"))
    assert len(build_lines(words, str)) == lines


def test_times_are_those_of_the_first_and_last_word() -> None:
    (line,) = build_lines(heard((2130, 2400, "大"), (2400, 2700, "家"), (2700, 3000, "好")), str)
    assert (line.start_ms, line.end_ms, line.text) == (2130, 3000, "大家好")


def test_raw_text_is_kept_beside_the_simplified_one() -> None:
    (line,) = build_lines(heard((0, 500, "調解"), (500, 900, "協議,")), simplified)
    assert (line.raw, line.text) == ("調解協議,", "调解协议，")


def test_punctuation_alone_makes_no_line() -> None:
    assert build_lines(heard((0, 500, "……")), str) == []


def test_a_line_carries_the_scores_of_the_segment_that_gave_most_of_it() -> None:
    poor = SegmentMetrics(-1.4, 2.0, 0.8, 0.5)
    words = (Word(0, 100, "一", 0.5, 0), Word(100, 200, "二", 0.7, 1), Word(200, 300, "三", 0.9, 1))
    (line,) = build_lines(Heard(words, (GOOD, poor)), str)
    assert line.metrics == poor
    assert line.probability == 0.7


def test_stretches_join_with_segments_counted_on() -> None:
    one = heard((0, 100, "一"))
    whole = joined([one, one])
    assert [word.segment for word in whole.words] == [0, 1]
    assert len(whole.segments) == 2
    assert Heard.from_json(whole.to_json()) == whole


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("你好,我是周敏.", "你好，我是周敏。"),
        ("为什么?好!", "为什么？好！"),
        ("一共是4400块,行", "一共是4400块，行"),
        ("每年4月1号,付", "每年4月1号，付"),
        ("10:30开会", "10:30开会"),
        ("面积3.5亩", "面积3.5亩"),
        ("共 三 亩", "共三亩"),
        ("他说, 不行", "他说，不行"),
        ("合同(第四条)", "合同（第四条）"),
        ("I said, fine.", "I said, fine."),
        ("用WiFi, 可以", "用WiFi，可以"),
        ("时间:九点", "时间：九点"),
    ],
)
def test_punctuation_becomes_full_width_in_chinese_only(written: str, wanted: str) -> None:
    assert punctuated(written) == wanted
