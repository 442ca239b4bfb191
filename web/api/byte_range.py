# SPDX-License-Identifier: Apache-2.0
"""The Range header of RFC 9110 §14, as far as a player uses it: one range of bytes. PURE."""

from __future__ import annotations

import re
from typing import Final

_ONE_RANGE: Final = re.compile(r"^bytes=\s*(\d{0,15})-(\d{0,15})\s*$")


class Unsatisfiable(Exception):
    """The range lies behind the end (416)."""


def chosen(header: str | None, total_bytes: int) -> tuple[int, int] | None:
    """(first byte, length) that the header asks for; None for the whole. Raises Unsatisfiable.

    What is not exactly one range of bytes is ignored, as §14.2 allows: the whole is always a right answer.
    """
    found = _ONE_RANGE.match(header) if header else None
    if found is None:
        return None
    first, last = found.groups()
    if not first and not last:
        return None
    if not first:
        length = min(int(last), total_bytes)
        if length == 0:
            raise Unsatisfiable
        return total_bytes - length, length
    start = int(first)
    if last and int(last) < start:
        return None  # §14.1.1: such a range is invalid, not unsatisfiable
    if start >= total_bytes:
        raise Unsatisfiable
    end = min(int(last), total_bytes - 1) if last else total_bytes - 1
    return start, end - start + 1
