# SPDX-License-Identifier: Apache-2.0
"""Private talks (caucus, 背靠背): the mediator with one side, while the others wait. PURE.

A private talk is a session of its own beside the main one, with people, consents, recording and access of its own.
While it lasts the main room rests: nobody in it is heard, seen or recorded. So neither a camera on the wall nor a
second microphone at the same table can carry the talk to those who wait, and what the pages do does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from web.casework.moderation import OUT, Admission
from web.casework.refusal import Refused
from web.casework.sessions import EMPTY_GRACE_MS, LOST_GRACE_MS, SessionState

STARTED: Final = "caucus_started"
ENDED: Final = "caucus_ended"
EVENTS: Final = (STARTED, ENDED)
"""What the main record is told: that a private talk began and ended, nothing else."""
WITH_PEOPLE: Final = frozenset({"account", "set"})
"""Kinds of endpoints that can be asked in: a device's door opens to one room only."""


KeysFor = Literal["talks", "all", "off"]
"""The setting `recording_keys`."""


@dataclass(frozen=True, slots=True)
class Guest:
    """An endpoint of the main session that shall come into the private talk."""

    kind: str
    present: bool
    admission: Admission


@dataclass(frozen=True, slots=True)
class Side:
    """One endpoint of a private talk, as time sees it. `left_utc_ms` None: it has never left."""

    present: bool
    ever_in: bool
    left_utc_ms: int | None


def gets_own_key(keys: KeysFor, *, is_talk: bool) -> bool:
    """Whether a recording is encrypted with a key of its own."""
    return keys == "all" or (keys == "talks" and is_talk)


def check_none_runs(running: bool) -> None:
    """Of what cannot be done meanwhile. Raises Refused `caucus_running`."""
    if running:
        raise Refused("caucus_running")


def check_may_start(state: SessionState, *, is_private: bool, is_host: bool, running: bool, host_here: bool) -> None:
    """Only the host, from within the running session, one at a time.

    Raises Refused `session_ended`, `not_host`, `caucus_running`, `peer_not_in_room`.
    """
    if state is SessionState.ENDED:
        raise Refused("session_ended")
    if is_private:
        raise Refused("caucus_running")
    if not is_host:
        raise Refused("not_host")
    check_none_runs(running)
    if state is not SessionState.LIVE or not host_here:
        raise Refused("peer_not_in_room")


def check_guests(guests: Sequence[Guest]) -> None:
    """At least one beside the host, all of them there. Raises Refused `peer_needed`, `peer_not_in_room`."""
    if not guests:
        raise Refused("peer_needed")
    for guest in guests:
        if guest.kind not in WITH_PEOPLE or not guest.present or guest.admission in OUT:
            raise Refused("peer_not_in_room")


def ends_by_itself(mediator: Side, others: Iterable[Side], started_utc_ms: int, now_utc_ms: int, *, lost: bool) -> bool:
    """True when one side of it has been away for too long: nobody waits in the main room for an empty one.

    `lost`: the mediaserver was lost, which gives everybody more time, as it has everybody who has not come in yet.
    """
    return _is_away([mediator], started_utc_ms, now_utc_ms, lost) or _is_away(
        list(others), started_utc_ms, now_utc_ms, lost
    )


def _is_away(side: Sequence[Side], started_utc_ms: int, now_utc_ms: int, lost: bool) -> bool:
    if any(one.present for one in side):
        return False
    since_ms = max([started_utc_ms, *(one.left_utc_ms for one in side if one.left_utc_ms is not None)])
    never = not any(one.ever_in for one in side)
    return now_utc_ms - since_ms >= (LOST_GRACE_MS if lost or never else EMPTY_GRACE_MS)
