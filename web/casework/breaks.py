# SPDX-License-Identifier: Apache-2.0
"""Breaks of a recording: why each was made, and from when to when, as the events tell it. PURE.

A reason is either a word from the lists below, which every reader sees in their own language (`break-reason-WORD`), or
what somebody wrote, which is shown as it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

USUAL: Final = ("rest", "papers", "enquiry", "equipment")
"""What people choose from with one touch."""
CONSENT_MISSING: Final = "consent_missing"
WITHDRAWN: Final = "consent_withdrawn"
CAUCUS: Final = "caucus"
BY_RULE: Final = (CONSENT_MISSING, WITHDRAWN, CAUCUS)
"""Given by the rules of consent and of private talks alone; nobody may write them."""

LONGEST_REASON: Final = 100
"""Characters of a reason that somebody writes."""

PAUSED: Final = "recording_paused"
RESUMED: Final = "recording_resumed"
STOPPED: Final = "recording_stopped"
EVENTS: Final = (PAUSED, RESUMED, STOPPED)
"""Types of the events that `told` reads."""

Event = tuple[str, Mapping[str, Any], int]
"""Type, data, and its time in ms; the times of the answer are of the same clock."""


@dataclass(frozen=True, slots=True)
class Break:
    """One stretch in which nothing was recorded because somebody, or a rule, said so."""

    from_ms: int
    to_ms: int | None
    """None: up to now, or to the end of what the events tell."""
    reason: str
    """Empty where none was given."""


def told(events: Iterable[Event]) -> list[Break]:
    """The breaks in the order of time. Other events are passed over; the order in which they come does not matter."""
    found: list[Break] = []
    for kind, data, at_ms in sorted((event for event in events if event[0] in EVENTS), key=lambda event: event[2]):
        running = bool(found) and found[-1].to_ms is None
        if kind == PAUSED and not running:
            found.append(Break(at_ms, None, str(data.get("reason", ""))))
        elif kind != PAUSED and running:
            found[-1] = Break(found[-1].from_ms, at_ms, found[-1].reason)
    return found


def word_of(reason: str) -> str | None:
    """The locale id of a reason from the lists; None for one that is to be shown as it stands."""
    return f"break-reason-{reason.replace('_', '-')}" if reason in (*USUAL, *BY_RULE) else None
