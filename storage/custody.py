# SPDX-License-Identifier: Apache-2.0
"""The chain of the audit: each row's digest covers the row and the digest before it, one chain for each county. PURE.

A row that was changed, taken out, put in or moved makes its own digest, or the next one, differ. What a chain alone
cannot show is a missing end: for that the newest number and digest are kept beside it, and printed on every paper that
leaves the system.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

FIRST = ""
"""What stands before a county's first row."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the audit."""

    county: str
    seq: int
    """1, 2, 3 … within the county."""
    id: str
    utc_ms: int
    by_kind: str
    by_id: str
    by_name: str
    action: str
    object_id: str
    data: dict[str, Any]
    address: str


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain: the newest row's number and digest."""

    seq: int
    digest: str


class ChainBroken(Exception):
    """The audit is not what was written. The text is one sentence that names the first row which shows it."""

    def __init__(self, text: str, seq: int) -> None:
        super().__init__(text)
        self.seq = seq


def digest_of(previous: str, entry: Entry) -> str:
    """SHA-256 (hex) of a row after `previous`. The form never changes: old rows are checked by it, too."""
    value = [
        previous,
        entry.county,
        entry.seq,
        entry.id,
        entry.utc_ms,
        entry.by_kind,
        entry.by_id,
        entry.by_name,
        entry.action,
        entry.object_id,
        entry.data,
        entry.address,
    ]
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def check(rows: Iterable[tuple[Entry, str]], head: Head | None = None, noted: Head | None = None) -> Head:
    """Go through all rows of a county in their order; returns where the chain ends. Raises ChainBroken.

    `head` is the end as the database keeps it, `noted` an earlier end that somebody wrote down outside.
    """
    end = Head(0, FIRST)
    seen = noted is None or noted == end
    for entry, digest in rows:
        if entry.seq != end.seq + 1:
            raise ChainBroken(f"Row {end.seq + 1} is missing: row {entry.seq} comes next.", end.seq + 1)
        if digest_of(end.digest, entry) != digest:
            raise ChainBroken(f"Row {entry.seq} is not what was written.", entry.seq)
        end = Head(entry.seq, digest)
        if noted is not None and noted.seq == end.seq:
            if noted.digest != end.digest:
                raise ChainBroken(f"Row {end.seq} has another digest than the one that was noted.", end.seq)
            seen = True
    if head is not None and head != end:
        raise ChainBroken(f"The audit ends with row {end.seq}, but row {head.seq} was written.", end.seq + 1)
    if noted is not None and not seen:
        raise ChainBroken(f"The audit ends with row {end.seq}, before the noted row {noted.seq}.", end.seq + 1)
    return end
