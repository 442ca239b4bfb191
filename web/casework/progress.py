# SPDX-License-Identifier: Apache-2.0
"""What the pages say about a recording, worked out from the order, the recorder's report and time. PURE."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from web.casework.sessions import RecordingOrder

TRANSCRIBED_KIND = "audio"


@dataclass(frozen=True, slots=True)
class RecorderReport:
    """The recorder's state of one session, checked (see its `/sessions`). Times in ms on the session clock."""

    state: str
    recorded_to_ms: int
    uploaded_to_ms: int
    waiting_uploads: int
    waiting_bytes: int
    store_ok: bool
    disk_state: str
    manifest_key: str | None
    complete: bool | None
    has_audio: bool


def report_from_json(entry: Mapping[str, Any]) -> RecorderReport:
    """Read one entry. Raises KeyError, TypeError or ValueError when the recorder speaks another version."""
    tracks = entry["tracks"]
    return RecorderReport(
        state=str(entry["state"]),
        recorded_to_ms=max((int(track["sealed_to_ms"] or 0) for track in tracks), default=0),
        uploaded_to_ms=uploaded_to_ms(tracks),
        waiting_uploads=int(entry["waiting_uploads"]),
        waiting_bytes=int(entry["waiting_bytes"]),
        store_ok=bool(entry["store_ok"]),
        disk_state=str(entry["disk_state"]),
        manifest_key=entry["manifest_key"],
        complete=entry["complete"],
        has_audio=any(track["kind"] == TRANSCRIBED_KIND for track in tracks),
    )


def uploaded_to_ms(tracks: Iterable[Mapping[str, Any]]) -> int:
    """Up to where everything that was recorded is in the store.

    A track whose recorded part is wholly uploaded does not hold the figure back: somebody who left after two minutes
    must not freeze the bar there.
    """
    reached: list[int] = []
    waiting: list[int] = []
    for track in tracks:
        sealed, uploaded = int(track["sealed_to_ms"] or 0), int(track["uploaded_to_ms"] or 0)
        reached.append(uploaded)
        if uploaded < sealed:
            waiting.append(uploaded)
    return min(waiting) if waiting else max(reached, default=0)


def recording_state(order: RecordingOrder, ever_started: bool, report: str | None) -> str:
    """State that the pages show: off, on, paused, stopped, uploading, sealed or error.

    `report` is the recorder's word for the session, None while it has not spoken of it. A recording that stopped
    stays `stopped` until the recorder speaks, and a session without a recording is `off` for good.
    """
    if not ever_started:
        return "off"
    if order is not RecordingOrder.STOPPED:
        return "error" if report == "error" else order.value
    if report in ("sealed", "error"):
        return report
    return "uploading" if report in ("finishing", "uploading") else "stopped"


WARNINGS = ("disk_full", "disk_failed", "store_away", "disk_low")
"""What the pages of a recorded session must say aloud; the worst comes first."""


def warning_code(report: RecorderReport | None, alarms: Collection[str] = ()) -> str | None:
    """The worst of WARNINGS that the recorder's last word or an alarm of the installation names, or nothing."""
    found = set(alarms)
    if report is not None:
        found.add({"full": "disk_full", "low": "disk_low"}.get(report.disk_state, ""))
        found.add("" if report.store_ok else "store_away")
    return next((name for name in WARNINGS if name in found), None)
