# SPDX-License-Identifier: Apache-2.0
"""Who is to be seen when, and how long each moment is shown: the plan of a composite video. PURE.

The plan comes from the manifest alone. Session time is cut wherever somebody comes or goes, or a picture begins or
ends. Stretches in which nobody has anything (a pause, a program that was down) become cards of at most `CARD_MS`: the
times on a card and the clock in the picture say what was left out. All else is shown in full, frame by frame.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from storage.manifest import Gap, Manifest, Track

CARD_MS = 3_000
SHORTEST_CARD_MS = 1_000
"""A shorter hole is a still moment."""
STAY_MS = 10_000
"""Whoever has neither sound nor picture for less keeps the place in the grid."""
SHOWN_GAP_MS = 1_000
"""A camera that is away for less keeps its last picture."""
_JOIN_MS = 120
"""Neighbouring segments that lie closer than this belong together: their times are rounded."""

Span = tuple[int, int]
"""Half-open stretch of session time, ms."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One place in the grid."""

    peer_id: str
    name: str
    screen: bool
    track_id: str | None
    """Whose picture is shown; None when there is none now."""
    note: str = ""
    """Why there is none: a cause of the manifest, `off`, or `no_camera`."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A stretch that looks the same all along. `cause` empty: its tiles are shown; else it is a card."""

    from_ms: int
    to_ms: int
    first_frame: int
    frames: int
    tiles: tuple[Tile, ...] = ()
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole film."""

    frames_per_second: int
    scenes: tuple[Scene, ...]

    @property
    def frames(self) -> int:
        """Length of the film."""
        return self.scenes[-1].first_frame + self.scenes[-1].frames if self.scenes else 0

    def scene_at(self, frame: int) -> Scene:
        """The scene that this frame is part of."""
        return self.scenes[bisect_right(self.scenes, frame, key=lambda scene: scene.first_frame) - 1]

    def session_ms(self, frame: int) -> float:
        """Session time that this frame shows; on a card, where it begins."""
        scene = self.scene_at(frame)
        if scene.cause:
            return float(scene.from_ms)
        return scene.from_ms + (frame - scene.first_frame) * 1000 / self.frames_per_second


def plan(manifest: Manifest, frames_per_second: int) -> Plan:
    """The film of a recording; without frames when nothing was recorded."""
    house = _House(manifest)
    scenes: list[Scene] = []
    shown_ms = 0
    for (from_ms, to_ms), tiles, cause in house.stretches():
        first = round(shown_ms * frames_per_second / 1000)
        shown_ms += min(to_ms - from_ms, CARD_MS) if cause else to_ms - from_ms
        frames = round(shown_ms * frames_per_second / 1000) - first
        if frames:
            scenes.append(Scene(from_ms, to_ms, first, frames, tiles, cause))
    return Plan(frames_per_second, tuple(scenes))


def coverage(track: Track) -> list[Span]:
    """Where a track has media, in order."""
    return joined(((item.start_ms, item.end_ms) for item in track.segments()), _JOIN_MS)


def joined(spans: Iterable[Span], within_ms: int = 0) -> list[Span]:
    """The same stretches, in order, those that lie close together as one."""
    found: list[Span] = []
    for from_ms, to_ms in sorted(spans):
        if found and from_ms <= found[-1][1] + within_ms:
            found[-1] = (found[-1][0], max(found[-1][1], to_ms))
        elif to_ms > from_ms:
            found.append((from_ms, to_ms))
    return found


class _House:
    """Everybody's comings and goings."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._covered = {track.track_id: coverage(track) for track in manifest.tracks}
        self._shown = {track_id: joined(spans, SHOWN_GAP_MS) for track_id, spans in self._covered.items()}
        """Without the holes that are too short to be noticed."""
        self._end_ms = max((spans[-1][1] for spans in self._covered.values() if spans), default=0)
        self._names = {peer.peer_id: peer.name for peer in manifest.peers}
        self._order = [peer.peer_id for peer in manifest.peers]
        self._order += [track.peer_id for track in manifest.tracks if track.peer_id not in self._names]
        self._order = list(dict.fromkeys(self._order))
        self._present = {peer_id: self._presence(peer_id) for peer_id in self._order}
        self._gaps = {track_id: self._stated(track_id) for track_id in self._covered}

    def stretches(self) -> list[tuple[Span, tuple[Tile, ...], str]]:
        """All of the session in order, with what is to be seen."""
        found: list[tuple[Span, tuple[Tile, ...], str]] = []
        somebody = joined(span for spans in self._covered.values() for span in spans)
        cards = [span for span in _holes(somebody, self._end_ms) if span[1] - span[0] >= SHORTEST_CARD_MS]
        edges = {0, self._end_ms, *(edge for span in cards for edge in span)}
        changes = (*self._shown.values(), *self._present.values())
        edges |= {edge for spans in changes for span in spans for edge in span}
        edges |= {edge for gaps in self._gaps.values() for gap in gaps for edge in (gap.from_ms, gap.to_ms)}
        for from_ms, to_ms in pairwise(sorted(edge for edge in edges if 0 <= edge <= self._end_ms)):
            middle = (from_ms + to_ms) / 2
            tiles: tuple[Tile, ...] = ()
            cause = ""
            if _inside(cards, middle):
                cause = self._card_cause(from_ms, to_ms)
            else:
                tiles = self._tiles(middle)
            if found and found[-1][1:] == (tiles, cause):
                found[-1] = ((found[-1][0][0], to_ms), tiles, cause)
            else:
                found.append(((from_ms, to_ms), tiles, cause))
        return found

    def _tiles(self, at_ms: float) -> tuple[Tile, ...]:
        screens: list[Tile] = []
        people: list[Tile] = []
        for peer_id in self._order:
            tracks = [track for track in self._manifest.tracks if track.peer_id == peer_id and track.kind == "video"]
            name = self._names.get(peer_id, peer_id)
            screens += [
                Tile(peer_id, name, True, track.track_id)
                for track in tracks
                if track.source == "screen" and _inside(self._shown[track.track_id], at_ms)
            ]
            if not _inside(self._present[peer_id], at_ms):
                continue
            cameras = [track.track_id for track in tracks if track.source != "screen"]
            if not cameras:
                people.append(Tile(peer_id, name, False, None, "no_camera"))
            for track_id in cameras:
                note = self._note(track_id, at_ms)
                people.append(Tile(peer_id, name, False, None if note else track_id, note))
        return (*screens, *people)

    def _note(self, track_id: str, at_ms: float) -> str:
        if _inside(self._shown[track_id], at_ms):
            return ""
        return next((gap.cause for gap in self._gaps[track_id] if gap.from_ms <= at_ms < gap.to_ms), "off")

    def _presence(self, peer_id: str) -> list[Span]:
        spans = [
            span
            for track in self._manifest.tracks
            if track.peer_id == peer_id and track.source in ("mic", "cam")
            for span in self._covered[track.track_id]
        ]
        if not spans:
            return []
        came_ms: int | None = None
        for event in self._manifest.events:
            if event.data.get("peer_id") != peer_id:
                continue
            if event.type in ("peer_joined", "peer_resumed") and came_ms is None:
                came_ms = max(0, event.at_ms)
            elif event.type == "peer_left" and came_ms is not None:
                spans.append((came_ms, min(event.at_ms, self._end_ms)))
                came_ms = None
        if came_ms is not None:
            spans.append((came_ms, self._end_ms))
        return joined(spans, STAY_MS)

    def _stated(self, track_id: str) -> list[Gap]:
        """Noticeable gaps of a track, its own before everybody's."""
        gaps = [gap for gap in self._manifest.gaps if gap.track_id in (None, track_id)]
        noticed = [gap for gap in gaps if gap.to_ms - gap.from_ms >= SHOWN_GAP_MS]
        return sorted(noticed, key=lambda gap: gap.track_id is None)

    def _card_cause(self, from_ms: int, to_ms: int) -> str:
        """The cause that covers most of it, one for everybody before one track's."""
        best, cause = (False, 0), "nothing"
        for gap in self._manifest.gaps:
            shared_ms = min(gap.to_ms, to_ms) - max(gap.from_ms, from_ms)
            if shared_ms > 0 and (gap.track_id is None, shared_ms) > best:
                best, cause = (gap.track_id is None, shared_ms), gap.cause
        return cause


def _holes(spans: Sequence[Span], end_ms: int) -> list[Span]:
    """What lies between the stretches, from 0 to `end_ms`."""
    edges = [0, *(edge for span in spans for edge in span), end_ms]
    return [(edges[n], edges[n + 1]) for n in range(0, len(edges), 2) if edges[n + 1] > edges[n]]


def _inside(spans: Sequence[Span], at_ms: float) -> bool:
    at = bisect_right(spans, at_ms, key=lambda span: span[0]) - 1
    return at >= 0 and at_ms < spans[at][1]
