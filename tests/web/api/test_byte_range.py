# SPDX-License-Identifier: Apache-2.0
"""One range of bytes, at its edges (RFC 9110 §14)."""

from __future__ import annotations

import pytest

from web.api.byte_range import Unsatisfiable, chosen


@pytest.mark.parametrize(
    ("header", "total", "part"),
    [
        (None, 100, None),
        ("bytes=0-0", 100, (0, 1)),
        ("bytes=0-99", 100, (0, 100)),
        ("bytes=10-", 100, (10, 90)),
        ("bytes=99-", 100, (99, 1)),
        ("bytes=90-1000", 100, (90, 10)),
        ("bytes=-1", 100, (99, 1)),
        ("bytes=-100", 100, (0, 100)),
        ("bytes=-1000", 100, (0, 100)),
        ("bytes= 5-9 ", 100, (5, 5)),
        # Not exactly one range of bytes: the whole is sent.
        ("bytes=0-0,5-9", 100, None),
        ("bytes=9-5", 100, None),
        ("bytes=-", 100, None),
        ("bytes=a-b", 100, None),
        ("items=0-5", 100, None),
        ("bytes=--5", 100, None),
        ("bytes=0-" + "9" * 400, 100, None),
    ],
)
def test_what_is_sent(header: str | None, total: int, part: tuple[int, int] | None) -> None:
    assert chosen(header, total) == part


@pytest.mark.parametrize(
    ("header", "total"),
    [("bytes=100-", 100), ("bytes=100-200", 100), ("bytes=-0", 100), ("bytes=0-", 0), ("bytes=-5", 0)],
)
def test_what_lies_behind_the_end(header: str, total: int) -> None:
    with pytest.raises(Unsatisfiable):
        chosen(header, total)
