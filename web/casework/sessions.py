# SPDX-License-Identifier: Apache-2.0
"""States of a session and of its recording, and which step leads where. PURE.

A session is `open` (made, nobody in it yet), `live` (somebody is or was in it) or `ended` (for good).
The recording order is what the mediaserver is told; what became of the files is the recorder's report.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from web.casework.refusal import Refused


class SessionState(StrEnum):
    """Life of one session."""

    OPEN = "open"
    LIVE = "live"
    ENDED = "ended"


class SessionStep(StrEnum):
    """What can happen to a session."""

    SOMEBODY_JOINED = "somebody_joined"
    END = "end"


class RecordingOrder(StrEnum):
    """What the mediaserver is told to do with the media of the room."""

    OFF = "off"
    ON = "on"
    PAUSED = "paused"
    STOPPED = "stopped"


class RecordingStep(StrEnum):
    """What a person, or a rule, asks of the recording."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"


SESSION_TABLE: Final[dict[tuple[SessionState, SessionStep], SessionState]] = {
    (SessionState.OPEN, SessionStep.SOMEBODY_JOINED): SessionState.LIVE,
    (SessionState.LIVE, SessionStep.SOMEBODY_JOINED): SessionState.LIVE,
    (SessionState.OPEN, SessionStep.END): SessionState.ENDED,
    (SessionState.LIVE, SessionStep.END): SessionState.ENDED,
}
"""Every allowed step. A session that ended never comes back: its record is being sealed."""

RECORDING_TABLE: Final[dict[tuple[RecordingOrder, RecordingStep], RecordingOrder]] = {
    (RecordingOrder.OFF, RecordingStep.START): RecordingOrder.ON,
    (RecordingOrder.ON, RecordingStep.PAUSE): RecordingOrder.PAUSED,
    (RecordingOrder.PAUSED, RecordingStep.RESUME): RecordingOrder.ON,
    # Starting a paused recording again means resuming it: one record a session, never a second beginning.
    (RecordingOrder.PAUSED, RecordingStep.START): RecordingOrder.ON,
    (RecordingOrder.OFF, RecordingStep.STOP): RecordingOrder.STOPPED,
    (RecordingOrder.ON, RecordingStep.STOP): RecordingOrder.STOPPED,
    (RecordingOrder.PAUSED, RecordingStep.STOP): RecordingOrder.STOPPED,
}
"""Every allowed step. Only the end of the session stops a recording; a pause always leaves a trace."""

_ALREADY: Final[dict[tuple[RecordingOrder, RecordingStep], RecordingOrder]] = {
    (RecordingOrder.ON, RecordingStep.START): RecordingOrder.ON,
    (RecordingOrder.ON, RecordingStep.RESUME): RecordingOrder.ON,
    (RecordingOrder.PAUSED, RecordingStep.PAUSE): RecordingOrder.PAUSED,
    (RecordingOrder.STOPPED, RecordingStep.STOP): RecordingOrder.STOPPED,
}
"""Two people press the same button: the second press changes nothing and is no fault."""


def next_session_state(state: SessionState, step: SessionStep) -> SessionState:
    """State after the step. Raises Refused `session_ended`."""
    found = SESSION_TABLE.get((state, step))
    if found is None:
        raise Refused("session_ended")
    return found


def next_recording_order(order: RecordingOrder, step: RecordingStep) -> RecordingOrder:
    """Order after the step; the same order where nothing changes.

    Raises Refused `recording_not_on` (nothing to pause or resume) or `session_ended` (the recording is closed).
    """
    found = RECORDING_TABLE.get((order, step)) or _ALREADY.get((order, step))
    if found is not None:
        return found
    raise Refused("session_ended" if order is RecordingOrder.STOPPED else "recording_not_on")


def was_recorded(order: RecordingOrder, started_utc_ms: int | None) -> bool:
    """True once recording was ever ordered on, also while it is paused or after it stopped."""
    return order in (RecordingOrder.ON, RecordingOrder.PAUSED) or started_utc_ms is not None


EMPTY_GRACE_MS: Final = 20_000
"""How long a live session may stand empty after everybody left by themselves before it ends."""

LOST_GRACE_MS: Final = 90_000
"""How long people may be away after the mediaserver was lost: it restarts in seconds, pages return within 10 s."""


OPEN_FOR_MS: Final = 24 * 3_600_000
"""How long a session may wait for its first visitor before it ends by itself."""


def ends_by_itself(
    state: SessionState, present: int, last_left_utc_ms: int | None, now_utc_ms: int, grace_ms: int = EMPTY_GRACE_MS
) -> bool:
    """True when a live session has stood empty for the grace time, so that its record can be sealed."""
    if state is not SessionState.LIVE or present > 0 or last_left_utc_ms is None:
        return False
    return now_utc_ms - last_left_utc_ms >= grace_ms


def was_never_entered(state: SessionState, created_utc_ms: int, now_utc_ms: int) -> bool:
    """True when an open session has waited for so long that nobody will come any more."""
    return state is SessionState.OPEN and now_utc_ms - created_utc_ms >= OPEN_FOR_MS
