# SPDX-License-Identifier: Apache-2.0
"""Copies of recordings: who may ask for one, who decides, and what may follow what. PURE.

Nobody decides over a copy that they asked for themselves. Only who asked takes it away.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from web.casework.refusal import Refused

ASKERS: Final = frozenset({"clerk", "hq_officer"})
DECIDERS: Final = frozenset({"administrator", "hq_officer"})
CONCERNED: Final = ASKERS | DECIDERS
"""Who sees that copies were asked for, of sessions that they may see."""

KEPT_MS: Final = 24 * 3_600_000
"""So long a finished copy can be fetched; then it is deleted."""


class CopyState(StrEnum):
    """How far a copy is. `approved`: it is being made."""

    ASKED = "asked"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    APPROVED = "approved"
    READY = "ready"
    FAILED = "failed"
    EXPIRED = "expired"


OPEN: Final = frozenset({CopyState.ASKED, CopyState.APPROVED, CopyState.READY, CopyState.FAILED})


def may_decide(role: str, state: CopyState, asked_by: str, decider: str) -> bool:
    """True for another person with the right role, as long as nothing was decided."""
    return role in DECIDERS and state is CopyState.ASKED and asked_by != decider


def check_decision(state: CopyState, asked_by: str, decider: str, *, approve: bool, reason: str) -> CopyState:
    """The state after the decision. Raises Refused `copy_own`, `copy_decided`, `copy_reason_needed`."""
    if asked_by == decider:
        raise Refused("copy_own")
    if state is not CopyState.ASKED:
        raise Refused("copy_decided")
    if not approve and not reason:
        raise Refused("copy_reason_needed")
    return CopyState.APPROVED if approve else CopyState.REFUSED


def may_cancel(state: CopyState, asked_by: str, who: str) -> bool:
    """True for whoever asked, as long as there is something to cancel."""
    return state in OPEN and asked_by == who


def check_cancel(state: CopyState, asked_by: str, who: str) -> None:
    """Raises Refused `copy_not_own`, `copy_over`."""
    if asked_by != who:
        raise Refused("copy_not_own")
    if state not in OPEN:
        raise Refused("copy_over")


def check_retry(state: CopyState, asked_by: str, who: str) -> None:
    """The approval still stands when only the making failed. Raises Refused `copy_not_own`, `copy_over`."""
    if asked_by != who:
        raise Refused("copy_not_own")
    if state is not CopyState.FAILED:
        raise Refused("copy_over")


def may_fetch(state: CopyState, asked_by: str, who: str, expires_utc_ms: int | None, now_ms: int) -> bool:
    """True for whoever asked, until it expires."""
    return state is CopyState.READY and asked_by == who and expires_utc_ms is not None and now_ms < expires_utc_ms


def check_span(from_ms: int | None, to_ms: int | None) -> None:
    """Raises Refused `copy_span_empty`."""
    if from_ms is not None and to_ms is not None and to_ms <= from_ms:
        raise Refused("copy_span_empty")
