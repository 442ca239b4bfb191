# SPDX-License-Identifier: Apache-2.0
"""Guards mark what the model may have invented, and leave alone what people say."""

from __future__ import annotations

import pytest

from transcribe.credit_phrases import CREDIT_PHRASES
from transcribe.guards import GuardContext, flag_track, plain
from transcribe.lines import Line
from transcribe.turns import TrackLines, assemble
from transcribe.words import SegmentMetrics

PROMPT = "以下是普通话的句子。"
CONTEXT = GuardContext(PROMPT, ("王德福", "鱼塘沟村", "李建国"))


def line(
    text: str, start_ms: int = 0, end_ms: int | None = None, probability: float = 0.9, score: float = -0.3
) -> Line:
    end_ms = start_ms + 400 * max(1, len(text)) if end_ms is None else end_ms
    return Line(start_ms, end_ms, text, text, probability, SegmentMetrics(score, 1.1, 0.0, 0.0), ())


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("同意。", set()),
        ("不同意。", set()),
        ("谢谢大家。", set()),
        ("对对对对对。", set()),
        ("好的好的好的。", set()),
        ("行，行，行，我明白了。", set()),
        ("王德福。", set()),
        ("我叫王德福，是鱼塘沟村的。", set()),
        ("他欠我五千二百块，五千二百块呢！", set()),
        ("13800138000", set()),
        ("啊啊啊啊啊啊啊啊啊啊啊啊", {"loop"}),
        ("好的好的好的好的好的好的好的", {"loop"}),
        ("我不知道我不知道我不知道我不知道", {"loop"}),
        ("今天天气不错，我们走吧，我们走吧，我们走吧，我们走吧，我们走吧", {"loop"}),
        ("请大家把材料交上来请大家把材料交上来请大家把材料交上来", {"loop"}),
        ("请不吝点赞 订阅 转发 打赏支持明镜与点点栏目", {"credit"}),
        ("谢谢观看", {"credit"}),
        ("感谢您的观看，我们下期再见", {"credit"}),
        ("字幕by索兰娅", {"credit"}),
        ("Thank you for watching.", {"credit"}),
        ("以下是普通话的句子", {"prompt"}),
        ("以下是普通话的句子。以下是普通话的句子。", {"prompt"}),
        ("是普通话的句子", {"prompt"}),
        ("王德福、李建国", {"glossary"}),
        ("王德福鱼塘沟村李建国王德福", {"glossary"}),
    ],
)
def test_each_text_gets_its_flags(text: str, flags: set[str]) -> None:
    assert flag_track([line(text)], CONTEXT) == [flags]


@pytest.mark.parametrize(
    ("text", "length_ms", "fast"),
    [
        ("我同意这个方案", 1200, False),
        ("我同意这个方案", 500, True),
        ("我同意", 10, False),
        ("thirty letters without a pause", 1000, False),
        ("thirty letters without a pause", 500, True),
    ],
)
def test_an_impossible_rate_is_marked(text: str, length_ms: int, fast: bool) -> None:
    assert ("rate" in flag_track([line(text, 0, length_ms)], CONTEXT)[0]) is fast


def test_a_poor_score_is_marked() -> None:
    assert flag_track([line("听不清楚", score=-1.2)], CONTEXT) == [{"unsure"}]


def test_the_same_line_three_times_running_is_a_loop() -> None:
    lines = [line("我先走了。", at * 5000) for at in range(3)] + [line("好。", 20_000)]
    assert flag_track(lines, CONTEXT) == [{"loop"}, {"loop"}, {"loop"}, set()]
    assert flag_track(lines[1:], CONTEXT) == [set(), set(), set()]


@pytest.mark.parametrize(
    ("other", "start_ms", "marked"),
    [
        ("我把六亩水田租给了李建国", 300, True),
        ("我把六亩水田租给李建国", 300, True),
        ("把六亩水田租给", 600, True),
        ("我把六亩水田租给了李建国", 30_000, False),
        ("先把事情的经过慢慢说一遍", 300, False),
        ("好", 300, False),
    ],
)
def test_the_same_words_on_two_tracks_at_once_mark_the_less_sure_one(other: str, start_ms: int, marked: bool) -> None:
    clear = TrackLines("a-mic", "a", "王", (line("我把六亩水田租给了李建国。", 0),))
    faint = TrackLines("b-mic", "b", "周", (line(other, start_ms, probability=0.4),))
    flags = {item.peer_id: item.flags for item in assemble([clear, faint], CONTEXT)}
    assert flags == {"a": (), "b": ("echo",) if marked else ()}


def test_nothing_is_deleted_and_turns_follow_the_clock() -> None:
    a = TrackLines("a-mic", "a", "王", (line("一号", 0), line("谢谢观看", 2000), line("四号", 9000)))
    b = TrackLines("b-mic", "b", "周", (line("三号", 5000),))
    spoken = assemble([a, b], CONTEXT)
    assert [(item.n, item.turn, item.line.text) for item in spoken] == [
        (0, 0, "一号"),
        (1, 0, "谢谢观看"),
        (2, 1, "三号"),
        (3, 2, "四号"),
    ]


def test_credit_phrases_are_in_the_form_that_is_compared() -> None:
    assert [phrase for phrase in CREDIT_PHRASES if plain(phrase) != phrase] == []
