# SPDX-License-Identifier: Apache-2.0
"""The transcript as JSON: everything that the other formats show, and how it was made. Names are stable."""

from __future__ import annotations

import json
from dataclasses import asdict

from web.documents.record import RecordDocument

MEDIA_TYPE = "application/json"
VERSION = 1


def json_bytes(document: RecordDocument) -> bytes:
    """UTF-8, two spaces of indentation, so that a person can read it, too."""
    making = document.making
    value = {
        "format": "videohome-transcript",
        "version": VERSION,
        "session": {
            "id": document.session_id,
            "county": document.county,
            "title": document.title,
            "place": document.place_name,
            "language": document.language,
            "origin_utc_ms": document.origin_utc_ms,
            "ended_utc_ms": document.ended_utc_ms,
            "duration_ms": document.duration_ms,
            "recording_complete": document.complete,
            "manifest_sha256": making.manifest_sha256,
        },
        "endpoints": [asdict(endpoint) for endpoint in document.endpoints],
        "transcript": {
            "id": making.transcript_id,
            "state": "machine_draft",
            "model": making.model,
            "model_sha256": making.model_digest,
            "options": dict(making.options),
            "libraries": dict(making.libraries),
        },
        "sections": [asdict(section) for section in document.sections],
        "markers": [asdict(marker) for marker in document.markers],
        "breaks": [asdict(pause) for pause in document.breaks],
        "lines": [asdict(line) for line in document.lines],
        "printed_utc_ms": document.printed_utc_ms,
    }
    return (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode()
