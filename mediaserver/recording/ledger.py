# SPDX-License-Identifier: Apache-2.0
"""The gap ledger: every stretch of a session that is not recorded, and why. PURE.

What was found while recording (lost packets, overflow, a full disk) stands in the journal. What only the whole
session shows is worked out here: pauses, the time a mediaserver was dead, publishers that went away and came back.
"""

from __future__ import annotations

from collections.abc import Iterator

from mediaserver.recording.state import SessionState, TrackState
from storage.manifest import EXCUSED, Cause, Epoch, Gap, Track

AWAY_MS = 200
"""A shorter stretch between two epochs of one mediaserver's run is a matter of frames, not of absence."""
FRAME_MS = 50
"""About a mediaserver's death nothing is taken for a matter of frames that is longer than one."""

Span = tuple[int, int]


def gaps(state: SessionState, tracks: tuple[Track, ...]) -> tuple[Gap, ...]:
    """All gaps in order of time. `tracks` are those of the manifest, whose times are final."""
    found = [*_orders(state, tracks), *_suspensions(state), *_holes(state, tracks)]
    for track in tracks:
        known = [(gap.from_ms, gap.to_ms) for gap in found if gap.track_id in (None, track.track_id)]
        found += _between(state.tracks[track.track_id], track, known)
    return tuple(sorted(found, key=lambda gap: (gap.from_ms, gap.to_ms, gap.track_id or "", gap.rtp_from or 0)))


def complete(found: tuple[Gap, ...]) -> bool:
    """True when nothing is missing that should have been recorded."""
    return all(gap.cause in EXCUSED for gap in found)


def _orders(state: SessionState, tracks: tuple[Track, ...]) -> Iterator[Gap]:
    """Pauses, and the time between a mediaserver's last packet and its successor's first order."""
    before = None
    paused_ms: int | None = None
    for order in state.orders:
        at_ms = max(0, state.session_ms(order.utc_ms))
        if before is not None and before.boot != order.boot and before.recording == "on":
            from_ms = max(_last_ms(state, tracks, before.boot), max(0, state.session_ms(before.utc_ms)))
            if from_ms < at_ms:
                yield Gap(None, from_ms, at_ms, "mediaserver_down")
        if order.recording == "paused" and paused_ms is None:
            paused_ms = at_ms
        elif order.recording in ("on", "stopped") and paused_ms is not None:
            if at_ms > paused_ms:
                yield Gap(None, paused_ms, at_ms, "paused")
            paused_ms = None
        before = order


def _suspensions(state: SessionState) -> Iterator[Gap]:
    for from_utc_ms, to_utc_ms in state.suspensions:
        end_utc_ms = to_utc_ms or state.ended_utc_ms or from_utc_ms
        from_ms, to_ms = max(0, state.session_ms(from_utc_ms)), max(0, state.session_ms(end_utc_ms))
        yield Gap(None, from_ms, max(from_ms, to_ms), "disk_full")


def _holes(state: SessionState, tracks: tuple[Track, ...]) -> Iterator[Gap]:
    epochs = {(track.track_id, epoch.epoch): epoch for track in tracks for epoch in track.epochs}
    for hole in state.holes:
        epoch = epochs.get((hole.track_id, hole.epoch))
        from_ms, to_ms = (_final_ms(epoch, ms) for ms in (hole.from_ms, hole.to_ms))
        first, last = (None if number is None else number - 0x10000 for number in (hole.rtp_from, hole.rtp_to))
        cause: Cause = hole.cause  # type: ignore[assignment]
        yield Gap(hole.track_id, from_ms, max(from_ms, to_ms), cause, first, last, hole.packets)


def _final_ms(epoch: Epoch | None, ms: int) -> int:
    return max(0, ms if epoch is None else round(epoch.clock.session_ms(ms, epoch.origin_ms)))


def _between(recorded: TrackState, track: Track, known: list[Span]) -> Iterator[Gap]:
    """What lies between the epochs of one track and is not explained by a gap that is already listed."""
    boots = {epoch.number: epoch.boot for epoch in recorded.epochs}
    for before, after in zip(track.epochs, track.epochs[1:], strict=False):
        same_boot = boots[before.epoch] == boots[after.epoch]
        cause: Cause = "publisher_away" if same_boot else "mediaserver_down"
        shortest_ms = AWAY_MS if same_boot else FRAME_MS
        for from_ms, to_ms in _without((before.end_ms, after.start_ms), known):
            if to_ms - from_ms >= shortest_ms:
                yield Gap(track.track_id, from_ms, to_ms, cause)


def _without(span: Span, known: list[Span]) -> list[Span]:
    """The pieces of `span` that no known span covers."""
    pieces = [span] if span[0] < span[1] else []
    for from_ms, to_ms in known:
        cut: list[Span] = []
        for start, end in pieces:
            cut += [(start, min(end, from_ms)), (max(start, to_ms), end)]
        pieces = [piece for piece in cut if piece[0] < piece[1]]
    return pieces


def _last_ms(state: SessionState, tracks: tuple[Track, ...], boot: str) -> int:
    """End of the last media that was recorded from one run of the mediaserver; 0 when there was none."""
    ends = [0]
    for track in tracks:
        boots = {epoch.number: epoch.boot for epoch in state.tracks[track.track_id].epochs}
        ends += [epoch.end_ms for epoch in track.epochs if boots[epoch.epoch] == boot]
    return max(ends)
