# SPDX-License-Identifier: Apache-2.0
"""What is known at this moment beside the database."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SourceAlarm:
    """Something is wrong with one source of one peer."""

    name: str
    peer_id: str
    source: str
    since_utc_ms: int


@dataclass(frozen=True, slots=True)
class Watch:
    """What is known at this moment beside the database, for the page of one session."""

    recorder_away: bool = False
    installation: frozenset[str] = frozenset()
    sources: tuple[SourceAlarm, ...] = ()
