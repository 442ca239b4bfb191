# SPDX-License-Identifier: Apache-2.0
"""What the pages are told about a session: a summary for lists, and the whole for one session's page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from storage.database.models import Participant, Transcript
from web.casework import consent as rules
from web.casework.consent_text import CURRENT
from web.casework.moderation import OUT, check_may_take_over
from web.casework.progress import RecorderReport, recording_state, report_from_json, warning_code
from web.casework.refusal import Refused
from web.casework.sessions import RecordingOrder, SessionState
from web.casework.visibility import Viewer, check_may_join, check_may_lead, may_see
from web.sessions.marks import may_mark
from web.sessions.rows import SessionRows, person
from web.sessions.watch import Watch


def summary(rows: SessionRows, viewer: Viewer, watch: Watch) -> dict[str, Any]:
    """One line of the list."""
    session = rows.session
    return {
        "id": session.id,
        "title": session.title,
        "place": None if rows.place is None else {"id": rows.place.id, "name": rows.place.name},
        "state": session.state,
        "created_utc_ms": session.created_utc_ms,
        "started_utc_ms": session.started_utc_ms,
        "ended_utc_ms": session.ended_utc_ms,
        "people": people(rows),
        "duration_ms": _duration_ms(rows),
        "recording": recording(rows, watch),
        "transcript": None if rows.transcript is None else transcript(rows.transcript),
        "can": _can(rows, viewer),
        "caucus_of": session.caucus_of,
    }


def detail(rows: SessionRows, viewer: Viewer, watch: Watch) -> dict[str, Any]:
    """Everything for the session's page."""
    return {
        **summary(rows, viewer, watch),
        "language": rows.session.language,
        "participants": [_participant(rows, item, viewer) for item in rows.participants],
        "missing_consents": rules.missing_consents(rows.endpoints()),
        "consent_text_version": CURRENT.version,
        "moderation": _moderation(rows, viewer),
        "alarms": [asdict(alarm) for alarm in watch.sources],
        "marks": _marks(rows, viewer),
        "caucuses": _caucuses(rows, viewer),
        "events": [{"type": item.type, "data": item.data, "utc_ms": item.utc_ms} for item in rows.events],
    }


def people(rows: SessionRows) -> list[str]:
    """Names of everybody who was or is there, each once; an endpoint's own name when nobody was listed at it."""
    names: dict[str, None] = {}
    for participant in rows.participants:
        attendees = rows.attendees.get(participant.id, [])
        if participant.kind == "camera" or (not attendees and participant.joined_utc_ms is None):
            continue
        for name in [attendee.name for attendee in attendees] or [participant.name]:
            names[name] = None
    return list(names)


def recording(rows: SessionRows, watch: Watch) -> dict[str, Any]:
    """State of the recording as the server knows it; the page's red dot hangs on this and on nothing else."""
    session, order = rows.session, rows.order
    report = last_report(rows)
    started = session.recording_started_utc_ms is not None
    state = "sealed" if session.manifest_key else recording_state(order, started, report.state if report else None)
    if rows.expired_utc_ms is not None:
        state = "expired"
    under_way = state not in ("off", "sealed", "expired")
    warning = None
    if under_way:
        warning = "recorder_away" if watch.recorder_away else warning_code(report, watch.installation)
    return {
        "state": state,
        "since_utc_ms": rows.recording_since_utc_ms,
        "started_utc_ms": session.recording_started_utc_ms,
        "recorded_to_ms": report.recorded_to_ms if report else 0,
        "uploaded_to_ms": report.uploaded_to_ms if report else 0,
        "waiting_uploads": report.waiting_uploads if report else 0,
        "waiting_bytes": report.waiting_bytes if report else 0,
        "warning": warning,
        "complete": session.complete,
        "expired_utc_ms": rows.expired_utc_ms,
        "reason": session.recording_reason if order is RecordingOrder.PAUSED else "",
    }


def last_report(rows: SessionRows) -> RecorderReport | None:
    """The recorder's last word, None when there was none."""
    return None if rows.session.report is None else report_from_json(rows.session.report)


def transcript(row: Transcript) -> dict[str, Any]:
    """State of a transcription."""
    return {
        "id": row.id,
        "state": row.state,
        "progress": row.progress,
        "step": row.step,
        "error_code": row.error_code,
        "model": row.model,
    }


def _duration_ms(rows: SessionRows) -> int | None:
    session = rows.session
    if session.duration_ms is not None:
        return session.duration_ms
    if session.started_utc_ms is None or session.ended_utc_ms is None:
        return None
    return session.ended_utc_ms - session.started_utc_ms


def _can(rows: SessionRows, viewer: Viewer) -> dict[str, bool]:
    facts, session = rows.facts(viewer), rows.session
    join = _passes(lambda: check_may_join(viewer, facts))
    lead = join and _passes(lambda: check_may_lead(viewer, facts))
    mine = rows.own(viewer)
    me = None if mine is None else person(mine)
    running = session.caucus_id is not None
    return {
        "join": join,
        "lead": lead,
        "moderate": lead and rows.is_host(viewer),
        "take_over": lead
        and not running
        and _passes(
            lambda: check_may_take_over(me, host_present=rows.host_present(), waiting_room=session.waiting_room)
        ),
        "read": facts.state is SessionState.ENDED and may_see(viewer, facts),
    }


def _passes(check: Callable[[], None]) -> bool:
    try:
        check()
    except Refused:
        return False
    return True


def _moderation(rows: SessionRows, viewer: Viewer) -> dict[str, Any]:
    """What lasts of the moderation; what is so at this moment the call's own socket tells."""
    session = rows.session
    kept_out = [row for row in rows.participants if person(row).admission in OUT] if rows.is_host(viewer) else []
    return {
        "host_peer_id": session.host_peer_id,
        "host_present": rows.host_present(),
        "locked": session.locked,
        "waiting_room": session.waiting_room,
        "kept_out": [
            {"peer_id": row.id, "name": row.name, "place_name": row.place_name, "why": row.admission}
            for row in kept_out
        ],
    }


def _caucuses(rows: SessionRows, viewer: Viewer) -> list[dict[str, Any]]:
    """Private talks beside this session: from when to when, and for whom they exist, which session each is."""
    return [
        {
            "from_utc_ms": talk.session.created_utc_ms,
            "to_utc_ms": talk.session.ended_utc_ms,
            "session_id": talk.session.id if may_see(viewer, talk.facts(viewer)) else None,
        }
        for talk in rows.caucuses
    ]


def _marks(rows: SessionRows, viewer: Viewer) -> dict[str, Any]:
    """Markers and sections as they stand."""
    found = rows.marks()
    return {
        "may_mark": may_mark(rows, viewer),
        "markers": [
            {
                "id": marker.id,
                "label": marker.label,
                "utc_ms": marker.at_ms,
                "by_name": marker.by_name,
                "mine": (marker.by_kind, marker.by_id) == (viewer.kind, viewer.id),
            }
            for marker in found.markers
        ],
        "sections": [
            {
                "id": section.id,
                "label": section.label,
                "from_utc_ms": section.from_ms,
                "to_utc_ms": section.to_ms,
                "by_name": section.by_name,
            }
            for section in found.sections
        ],
    }


def _participant(rows: SessionRows, item: Participant, viewer: Viewer) -> dict[str, Any]:
    return {
        "peer_id": item.id,
        "kind": item.kind,
        "name": item.name,
        "place_name": item.place_name,
        "role": item.role,
        "present": item.present,
        "me": item.kind == viewer.kind and item.subject_id == viewer.id,
        "joined_utc_ms": item.joined_utc_ms,
        "left_utc_ms": item.left_utc_ms,
        "attendees": [
            {
                "id": attendee.id,
                "name": attendee.name,
                "kind": attendee.kind,
                "agreed": attendee.agreed,
                "agreed_utc_ms": rows.consents[attendee.id].utc_ms if attendee.id in rows.consents else None,
            }
            for attendee in rows.attendees.get(item.id, [])
        ],
    }
