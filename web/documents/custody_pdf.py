# SPDX-License-Identifier: Apache-2.0
"""The custody of one recording as a paper: who saw, played and took out what, when, and where the chain ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from web.documents.pdf import Paper
from web.documents.record import local_time

Words = Callable[..., str]


@dataclass(frozen=True, slots=True)
class CustodyLine:
    """One row of the audit, in words."""

    seq: int
    utc_ms: int
    who: str
    what: str
    address: str
    digest: str


@dataclass(frozen=True, slots=True)
class CustodySheet:
    """What the paper says."""

    session_id: str
    title: str
    lines: Sequence[CustodyLine]
    printed_by: str
    printed_utc_ms: int
    end: str
    """Number and digest of the newest row of the whole audit."""


def custody_pdf(sheet: CustodySheet, words: Words, zone: tzinfo) -> bytes:
    """The finished file; dates are told in `zone`."""
    paper = Paper(words("custody-title"), f"{sheet.session_id}")
    printed = local_time(sheet.printed_utc_ms, zone)
    paper.facts(
        [
            (words("document-session"), sheet.title),
            (words("document-number"), sheet.session_id),
            (words("custody-printed"), f"{printed:%Y-%m-%d %H:%M:%S %z} · {sheet.printed_by}"),
            (words("custody-end"), sheet.end),
        ]
    )
    paper.text(words("custody-end-lead"))
    if not sheet.lines:
        paper.text(words("custody-empty"))
        return paper.finished()
    head = [words(f"custody-{name}") for name in ("number", "when", "who", "what", "address", "digest")]
    rows = [
        (
            str(line.seq),
            f"{local_time(line.utc_ms, zone):%Y-%m-%d %H:%M:%S}",
            line.who,
            line.what,
            line.address,
            line.digest[:12],
        )
        for line in sheet.lines
    ]
    paper.table(head, rows, (12, 34, 28, 40, 26, 25))
    return paper.finished()
