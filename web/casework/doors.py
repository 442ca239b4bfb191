# SPDX-License-Identifier: Apache-2.0
"""Programs and devices in a session by the standard doors (WHIP, WHEP): who lets them in. PURE.

One that publishes is an endpoint like any other: people are before its camera, and they are asked for consent. One
that only watches appears in no record, so nobody is asked; but everybody in the room sees that it is there, and it
keeps no session alive.
"""

from __future__ import annotations

from typing import Final

from web.casework.refusal import Refused
from web.casework.sessions import SessionState
from web.casework.visibility import SessionFacts, Viewer, check_may_lead, may_see

DOOR: Final = "door"
"""Kind of a participant that publishes by WHIP."""
WATCHER: Final = "watcher"
"""Kind of a participant that watches by WHEP."""
KINDS: Final = {"publish": DOOR, "watch": WATCHER}
MAX_OPEN: Final = 16
"""Doors of one session that are not closed."""


def check_may_open(viewer: Viewer, session: SessionFacts) -> None:
    """Whoever leads the session, or an administrator (who looks after the devices). Never into a private talk.

    Raises Refused `session_not_found`, `forbidden` or `session_ended`.
    """
    if viewer.role != "administrator" or not may_see(viewer, session):
        check_may_lead(viewer, session)
    if session.private:
        raise Refused("forbidden")
    if session.state is SessionState.ENDED:
        raise Refused("session_ended")
