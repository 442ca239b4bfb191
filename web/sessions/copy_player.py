# SPDX-License-Identifier: Apache-2.0
"""The player inside a copy: one page that needs no server, with the recording's description and the lines in it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from storage.copies import left_out
from storage.layout import segment_key, session_folder
from storage.manifest import Manifest
from web.documents.record import DocumentLine
from web.sessions.playback import Sealed, description_json, end_ms

PAGE: Final = Path("offline") / "player.html"
"""Within the built pages."""
_MARK: Final = "<!--record-->"


def player_html(
    ui_folder: Path,
    sealed: Sealed,
    keys: Iterable[str],
    title: str,
    duration_ms: int | None,
    lines: Sequence[DocumentLine],
    language: str,
) -> bytes | None:
    """The page, None where the pages were not built. Raises OSError."""
    try:
        page = (ui_folder / PAGE).read_text("utf-8")
    except FileNotFoundError:
        return None
    record = {
        "title": title,
        "language": language,
        "playback": described(sealed, set(keys), duration_ms),
        "lines": [asdict(line) for line in lines],
    }
    # Inside a script element only `<` could end it.
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    element = f'<script type="application/json" id="record">{text}</script>'
    before, mark, after = page.partition(_MARK)
    assert mark, "the built page has a place for the record"
    return f"{before}{element}{after}".encode()


def described(sealed: Sealed, keys: set[str], duration_ms: int | None) -> dict[str, Any]:
    """What the player needs to know, with only the segments that are in the copy, by their names there."""
    manifest = sealed.manifest
    made: dict[str, Any] = json.loads(description_json(sealed, manifest.session_id, duration_ms))
    prefix = session_folder(manifest.county, manifest.session_id)
    for track in made["tracks"]:
        for epoch in track["epochs"]:
            place = (manifest.county, manifest.session_id, track["track_id"], epoch["epoch"])
            for segment in epoch["segments"]:
                segment["url"] = segment_key(*place, segment["n"])
            epoch["segments"] = [segment for segment in epoch["segments"] if segment["url"] in keys]
            for segment in epoch["segments"]:
                segment["url"] = segment["url"].removeprefix(prefix)
        track["epochs"] = [epoch for epoch in track["epochs"] if epoch["segments"]]
    made["tracks"] = [track for track in made["tracks"] if track["epochs"]]
    made["gaps"] += _not_copied(manifest, keys, {track["track_id"] for track in made["tracks"]})
    return made


def _not_copied(manifest: Manifest, keys: set[str], shown: set[str]) -> list[dict[str, Any]]:
    """What the player calls an absence: of each track, and of all together before and after the copied span."""
    there = [segment for track in manifest.tracks for segment in track.segments() if segment.key in keys]
    first_ms, last_ms = min(segment.start_ms for segment in there), max(segment.end_ms for segment in there)
    found = [(out.track_id, out.from_ms, out.to_ms) for out in left_out(manifest, keys) if out.track_id in shown]
    spans: list[tuple[str | None, int, int]] = [*found]
    if any(from_ms < first_ms for _, from_ms, _ in found):
        spans.append((None, 0, first_ms))
    if any(to_ms > last_ms for _, _, to_ms in found):
        spans.append((None, last_ms, end_ms(manifest)))
    return [
        {"track_id": track_id, "from_ms": from_ms, "to_ms": to_ms, "cause": "not_copied", "packets": 0}
        for track_id, from_ms, to_ms in spans
    ]
