# SPDX-License-Identifier: Apache-2.0
"""Who may see the custody of a recording, and what counts as touching it. PURE."""

from __future__ import annotations

from typing import Final

READERS: Final = frozenset({"administrator", "clerk", "hq_officer"})
"""Of sessions that they may see; stations look after their calls, not after who looked at them."""

TOUCHES: Final = (
    "session.play",
    "transcript.view",
    "transcript.download",
    "transcript.queue",
    "custody.view",
    "custody.print",
    "export.ask",
    "export.approve",
    "export.refuse",
    "export.cancel",
    "export.retry",
    "export.ready",
    "export.fail",
    "export.download",
    "export.expire",
)
"""What is done with the record once it is there."""

STEPS: Final = (
    "session.create",
    "session.rename",
    "session.end",
    "session.marker",
    "session.section",
    "session.section_ended",
    "session.mark_labelled",
    "session.mark_removed",
    "recording.started",
    "recording.paused",
    "recording.resumed",
    "recording.stopped",
    "door.open",
    "door.close",
)
"""What is done while it comes into being and has a word of its own."""


def word_of(action: str) -> str:
    """Name of the action's text: `custody-action-…`, or the one for all others."""
    known = action in TOUCHES or action in STEPS
    return f"custody-action-{action.replace('.', '-').replace('_', '-') if known else 'other'}"
