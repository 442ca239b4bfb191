# SPDX-License-Identifier: Apache-2.0
"""Puts the lines of all tracks on one time line and groups them into turns. PURE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from transcribe.guards import GuardContext, flag_echoes, flag_track
from transcribe.lines import Line


@dataclass(frozen=True, slots=True)
class TrackLines:
    """All lines of one track and whose they are."""

    track_id: str
    peer_id: str
    speaker: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class SpokenLine:
    """One line of the transcript; `n` counts from 0 in order of time, `turn` rises when the speaker changes."""

    n: int
    turn: int
    track_id: str
    peer_id: str
    speaker: str
    flags: tuple[str, ...]
    line: Line


def assemble(tracks: Sequence[TrackLines], context: GuardContext) -> list[SpokenLine]:
    """Flags, sorts and numbers the lines of a whole session."""
    flags = [flag_track(track.lines, context) for track in tracks]
    flag_echoes([track.lines for track in tracks], flags)
    everything = [
        (line, track, marks)
        for track, track_flags in zip(tracks, flags, strict=True)
        for line, marks in zip(track.lines, track_flags, strict=True)
    ]
    everything.sort(key=lambda item: (item[0].start_ms, item[0].end_ms, item[1].track_id))
    spoken: list[SpokenLine] = []
    turn = 0
    for n, (line, track, marks) in enumerate(everything):
        if spoken and spoken[-1].peer_id != track.peer_id:
            turn += 1
        spoken.append(SpokenLine(n, turn, track.track_id, track.peer_id, track.speaker, tuple(sorted(marks)), line))
    return spoken
