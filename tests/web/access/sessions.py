# SPDX-License-Identifier: Apache-2.0
"""Sessions, signalling, changes, playback, transcripts, status."""

from __future__ import annotations

from tests.web.access import ADMINISTRATOR, NO_ID, SIGNED_IN, Row

JOINING = frozenset({"station_officer", "hq_officer", "set"})
CUSTODY = frozenset({"administrator", "clerk", "hq_officer"})
ASKERS = frozenset({"clerk", "hq_officer"})
DECIDERS = frozenset({"administrator", "hq_officer"})
SESSION = "/api/sessions/{session_id}"

ROWS = [
    Row("GET", "/api/sessions", SIGNED_IN),
    Row("POST", "/api/sessions", JOINING, body={"title": "田埂纠纷"}),
    Row("GET", SESSION, SIGNED_IN, status=404),
    Row("PATCH", SESSION, SIGNED_IN, status=404, body={"title": "x"}),
    Row("PUT", f"{SESSION}/attendees", JOINING, status=404, body={"people": [{"name": "甲", "kind": "party"}]}),
    Row(
        "POST",
        f"{SESSION}/consents",
        JOINING,
        status=404,
        body={"attendee_id": NO_ID, "agreed": True, "text_version": "x"},
    ),
    Row("GET", "/api/consent-text", SIGNED_IN),
    Row("POST", "/api/device-faults", SIGNED_IN, body={"device": "cam", "fault": "busy"}),
    Row("POST", f"{SESSION}/join", JOINING, status=404),
    Row("GET", f"{SESSION}/ws", JOINING, status=400),  # no upgrade asked for
    Row("POST", f"{SESSION}/recording", JOINING, status=404, body={"step": "pause"}),
    Row("GET", f"{SESSION}/moderation", SIGNED_IN, status=404),
    Row("POST", f"{SESSION}/moderation", JOINING, status=404, body={"action": "lock"}),
    Row("POST", f"{SESSION}/caucus", JOINING, status=404, body={"peer_ids": [NO_ID]}),
    Row("POST", f"{SESSION}/marks", JOINING, status=404, body={"kind": "marker"}),
    Row("DELETE", f"{SESSION}/marks/section", JOINING, status=404),
    Row("PATCH", f"{SESSION}/marks/{{mark_id}}", JOINING, status=404, body={"label": "x"}),
    Row("DELETE", f"{SESSION}/marks/{{mark_id}}", JOINING, status=404),
    Row("POST", f"{SESSION}/end", JOINING, status=404),
    Row("GET", "/api/events", SIGNED_IN, query="?session=" + NO_ID, status=404),
    Row("GET", f"{SESSION}/tracks", SIGNED_IN, status=404),
    Row("GET", f"{SESSION}/playback", SIGNED_IN, status=404),
    Row(
        "GET",
        f"{SESSION}/segments/{{track_id}}/{{epoch}}/{{segment}}",
        SIGNED_IN,
        status=404,
        path={"track_id": "p-mic", "epoch": "1", "segment": "0"},
    ),
    Row("GET", f"{SESSION}/certificate", SIGNED_IN, status=404),
    Row("GET", f"{SESSION}/certificate.docx", SIGNED_IN, status=404),
    Row("GET", f"{SESSION}/certificate.txt", SIGNED_IN, status=404),
    Row("GET", f"{SESSION}/transcript", SIGNED_IN, status=404),
    Row("POST", f"{SESSION}/transcript", SIGNED_IN, status=404),
    Row("GET", f"{SESSION}/transcript.docx", SIGNED_IN, status=404),
    Row("GET", f"{SESSION}/transcript.srt", SIGNED_IN, status=404),
    Row("GET", f"{SESSION}/transcript.json", SIGNED_IN, status=404),
    Row("GET", f"{SESSION}/custody", CUSTODY, status=404),
    Row("GET", f"{SESSION}/custody.pdf", CUSTODY, status=404),
    Row("GET", f"{SESSION}/composite", SIGNED_IN, status=404),
    Row("POST", f"{SESSION}/composite", SIGNED_IN, status=404),
    Row("DELETE", f"{SESSION}/composite", SIGNED_IN, status=404),
    Row("GET", f"{SESSION}/composite.mp4", SIGNED_IN, status=404),
    Row("GET", f"{SESSION}/overview", SIGNED_IN, status=404),
    Row("GET", f"{SESSION}/overview/{{sheet}}.jpg", SIGNED_IN, status=404, path={"sheet": "0"}),
    Row("GET", "/api/copies", CUSTODY),
    Row("POST", f"{SESSION}/copies", ASKERS, status=404, body={"purpose": "备案", "recipient": "法院"}),
    Row("POST", "/api/copies/{copy_id}/decision", DECIDERS, status=404, body={"approve": True}),
    Row("POST", "/api/copies/{copy_id}/cancel", ASKERS, status=404),
    Row("POST", "/api/copies/{copy_id}/retry", ASKERS, status=404),
    Row("GET", "/api/copies/{copy_id}/file", ASKERS, status=404),
    Row("GET", "/api/status", ADMINISTRATOR),
]
