# SPDX-License-Identifier: Apache-2.0
"""What stands in the picture."""

from __future__ import annotations

from typing import get_args
from zoneinfo import ZoneInfo

import pytest

from storage.manifest import Cause
from transcribe.derive.captions import Captions

ORIGIN_UTC_MS = 1_790_000_000_000  # 2026-09-21 14:13:20 UTC


def captions(language: str = "zh-CN", zone: str = "Asia/Shanghai") -> Captions:
    return Captions(language, ZoneInfo(zone), zone, ORIGIN_UTC_MS)


def test_the_clock_is_that_of_the_configured_zone() -> None:
    assert captions().clock(0) == "2026-09-21 22:13:20 Asia/Shanghai (UTC+08:00)"
    assert captions().clock(999) == "2026-09-21 22:13:20 Asia/Shanghai (UTC+08:00)"
    assert captions().clock(1_000).startswith("2026-09-21 22:13:21 ")
    assert captions(zone="America/St_Johns").clock(0) == "2026-09-21 11:43:20 America/St_Johns (UTC-02:30)"


@pytest.mark.parametrize(
    ("length_ms", "said"),
    [(0, "0 秒"), (13_000, "13 秒"), (60_000, "1 分"), (3_725_000, "1 小时2 分5 秒"), (7_200_000, "2 小时")],
)
def test_a_card_says_from_when_to_when(length_ms: int, said: str) -> None:
    why, when = captions().card("paused", 5_000, 5_000 + length_ms)
    assert why == "录音录像暂停"
    assert when.startswith("22:13:25 – ") and f"（{said}）" in when


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_every_cause_has_its_own_words(language: str) -> None:
    causes = [*get_args(Cause), "off", "no_camera", "nothing"]
    assert len({captions(language).note(cause) for cause in causes}) == len(causes)


def test_a_language_that_is_not_there_is_chinese() -> None:
    assert captions("fr").derived == captions("zh-CN").derived
