# SPDX-License-Identifier: Apache-2.0
"""The live state of every track of a session: what comes into the room, and how far it is recorded and uploaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from web.sessions.watch import SourceAlarm


def live_tracks(
    stats: Mapping[str, Any], recorded: Iterable[Mapping[str, Any]], alarms: Sequence[SourceAlarm]
) -> list[dict[str, Any]]:
    """JSON-ready, by peer and source. `stats` are the mediaserver's counters of the room (empty while it is away),
    `recorded` the recorder's word on each track."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for track in recorded:
        row = _row(found, str(track["peer_id"]), str(track["source"]), str(track["kind"]))
        row["recorded"] = {name: int(track[name] or 0) for name in ("bytes", "lost", "sealed_to_ms", "uploaded_to_ms")}
        row["last_packet_utc_ms"] = track["last_packet_utc_ms"]
    for producer in stats.get("producers", ()):
        row = _row(found, str(producer["peer_id"]), str(producer["source"]), str(producer["kind"]))
        silent_s = producer["silent_s"]
        row |= {
            "sent": "off" if producer["off"] else "on",
            "bytes": sum(int(layer["bytes"]) for layer in producer["layers"]),
            "kbps": sum(max(layer["bitrates_bps"], default=0) for layer in producer["layers"]) // 1000,
            "level_dbov": producer["level_dbov"],
        }
        if silent_s is not None:
            row["last_packet_utc_ms"] = int((stats["utc_s"] - silent_s) * 1000)
    for alarm in alarms:
        if (alarm.peer_id, alarm.source) in found:
            found[alarm.peer_id, alarm.source]["alarm"] = alarm.name
    return [found[key] for key in sorted(found)]


def _row(found: dict[tuple[str, str], dict[str, Any]], peer_id: str, source: str, kind: str) -> dict[str, Any]:
    nothing = {"sent": "ended", "bytes": 0, "kbps": 0, "level_dbov": None, "last_packet_utc_ms": None}
    about = {"peer_id": peer_id, "source": source, "kind": kind, "alarm": None, "recorded": None}
    return found.setdefault((peer_id, source), {**about, **nothing})
