# SPDX-License-Identifier: Apache-2.0
"""Inputs that are kept: each took the code somewhere that none before it did. Every run tries them first."""

from __future__ import annotations

import hashlib
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from tests.fuzz import mutation
from tests.fuzz.targets import TARGETS

FOLDER = Path(__file__).parent / "corpus"
LARGEST_BYTES = 1_500
KEPT_EACH = 30
"""Inputs of one target, and bytes of one input: a corpus in a repository stays small."""


def kept(name: str) -> Iterator[bytes]:
    """The kept inputs of one target."""
    for path in sorted((FOLDER / name).glob("*")):
        yield path.read_bytes()


def replay(name: str, data: bytes) -> None:
    """Give one input to a target. Raises what the target raises."""
    mutation.given = data
    try:
        TARGETS[name](random.Random(0))
    finally:
        mutation.given = None


class Lines:
    """Which lines of ours have run."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, int]] = set()
        self.fresh = False

    def trace(self, frame: FrameType, event: str, _: Any) -> Any:
        """For sys.settrace."""
        if "/mediaserver/" not in frame.f_code.co_filename and "/storage/" not in frame.f_code.co_filename:
            return None
        place = frame.f_code.co_filename, frame.f_lineno
        if place not in self.seen:
            self.seen.add(place)
            self.fresh = True
        return self.trace


def grow(name: str, inputs: int, seed: int) -> int:
    """Try inputs by chance and keep those that reach new lines; returns how many were added."""
    lines, added, count = Lines(), 0, 0
    for data in kept(name):
        count += 1
        _traced(lines, name, data)
    for number in range(inputs):
        if count + added >= KEPT_EACH:
            break
        made = TARGETS[name](random.Random(f"{seed}-{number}"))
        data = made.encode("utf-8", "surrogatepass") if isinstance(made, str) else made
        lines.fresh = False
        if len(data) <= LARGEST_BYTES and _traced(lines, name, data) and lines.fresh:
            (FOLDER / name).mkdir(parents=True, exist_ok=True)
            (FOLDER / name / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
            added += 1
    return added


def _traced(lines: Lines, name: str, data: bytes) -> bool:
    """False when the target does not take single inputs as they are."""
    sys.settrace(lines.trace)
    try:
        replay(name, data)
    except (UnicodeError, ValueError):
        return False
    finally:
        sys.settrace(None)
    return True
