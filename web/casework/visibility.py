# SPDX-License-Identifier: Apache-2.0
"""Who may see, join and lead a session. PURE. Deny unless a line here allows.

Someone else's session does not exist for you: callers answer `session_not_found`, as for an id that never was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from web.casework.moderation import Admission, check_not_out
from web.casework.refusal import Refused
from web.casework.sessions import SessionState

JOINING_ROLES: Final = frozenset({"station_officer", "hq_officer", "set"})
"""Who can stand before a camera. Administrators look after machines, clerks after the record."""

READING_ROLES: Final = frozenset({"administrator", "clerk"})
"""Who sees all sessions of the county."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks. `role` is the account's role, or `set` for an enrolled browser."""

    kind: str
    id: str
    role: str
    county: str
    place_id: str | None


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """What the rules need of a session. `took_part`: the viewer has a participant row in it and was not denied."""

    county: str
    place_id: str | None
    created_by: str
    state: SessionState
    took_part: bool
    admission: Admission = Admission.NONE
    let_in: bool = True
    """The viewer's endpoint does not wait for the host's word."""
    private: bool = False
    """It is a private talk (`web.casework.caucus`)."""


def may_see(viewer: Viewer, session: SessionFacts) -> bool:
    """True when the session exists for this viewer."""
    if viewer.county != session.county:
        return False
    if session.private:
        return _may_see_private(viewer, session)
    if viewer.role in READING_ROLES:
        return True
    if viewer.role not in JOINING_ROLES:
        return False
    if session.took_part or session.created_by == viewer.id:
        return True
    if viewer.place_id is not None and viewer.place_id == session.place_id:
        return True
    # Headquarters is the expert on the screen: it finds every session that is waiting or running, not past ones.
    return viewer.role == "hq_officer" and session.state is not SessionState.ENDED


def _may_see_private(viewer: Viewer, session: SessionFacts) -> bool:
    """Who is in it, while it lasts; its record is the mediator's alone. Neither place, office nor keeping of records
    opens it."""
    if viewer.role not in JOINING_ROLES:
        return False
    return session.created_by == viewer.id or (session.took_part and session.state is not SessionState.ENDED)


def check_may_join(viewer: Viewer, session: SessionFacts) -> None:
    """Raises Refused `session_not_found`, `forbidden`, `session_ended`, `removed_from_session`, `entry_denied`."""
    if not may_see(viewer, session):
        raise Refused("session_not_found")
    if viewer.role not in JOINING_ROLES:
        raise Refused("forbidden")
    if session.state is SessionState.ENDED:
        raise Refused("session_ended")
    check_not_out(session.admission)


def may_lead(viewer: Viewer, session: SessionFacts) -> bool:
    """True for who took part and was let in, or made it; a private talk is led by who made it alone."""
    if session.private:
        return viewer.role in JOINING_ROLES and session.created_by == viewer.id
    took_part = session.took_part and session.let_in
    return viewer.role in JOINING_ROLES and (took_part or session.created_by == viewer.id)


def check_may_lead(viewer: Viewer, session: SessionFacts) -> None:
    """Who took part, or made it, presses its buttons; not while they wait or once they are out.

    Raises Refused `session_not_found`, `forbidden`, `removed_from_session`, `entry_denied`.
    """
    if not may_see(viewer, session):
        raise Refused("session_not_found")
    if viewer.role in JOINING_ROLES:
        check_not_out(session.admission)
    if not may_lead(viewer, session):
        raise Refused("forbidden")
