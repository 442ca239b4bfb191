# SPDX-License-Identifier: Apache-2.0
"""From a finished session's journal to its manifest: clocks fitted, segments chained, gaps and events listed. PURE."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mediaserver.recording import ledger
from mediaserver.recording.state import EpochState, SegmentState, SessionState, TrackState
from mediaserver.recording.timeline import Fit, Report, fit
from storage import manifest

MAX_OFFSET_MS = 5_000
"""A fit that moves an epoch further is not believed: a clock was set while reports were under way."""

KeyOf = Callable[[str, int, int], str]
"""Object key of (track id, epoch, segment)."""

_ORDER_EVENTS = {"paused": "recording_paused", "stopped": "recording_stopped"}


def build(state: SessionState, software: str, key_of: KeyOf) -> manifest.Manifest:
    """The manifest, not yet sealed. Every segment must have its digests."""
    tracks = tuple(
        _track(state, state.tracks[track_id], key_of)
        for track_id in sorted(state.tracks)
        if any(state.tracks[track_id].segments())
    )
    found = ledger.gaps(state, tracks)
    return manifest.Manifest(
        version=1,
        county=state.county,
        session_id=state.session_id,
        room=state.room,
        origin_utc_ms=state.origin_utc_ms or state.ended_utc_ms or 0,
        ended_utc_ms=state.ended_utc_ms,
        software=software,
        server_boots=tuple(state.boots),
        peers=tuple(manifest.Peer(peer_id, *state.peers[peer_id]) for peer_id in sorted(state.peers)),
        tracks=tracks,
        gaps=found,
        events=tuple(sorted(_events(state), key=lambda event: event.at_ms)),
        complete=ledger.complete(found),
    )


def duration_ms(made: manifest.Manifest) -> int:
    """Where the last recorded sound or picture ends on the session clock."""
    return max((epoch.end_ms for track in made.tracks for epoch in track.epochs), default=0)


def _track(state: SessionState, track: TrackState, key_of: KeyOf) -> manifest.Track:
    epochs, chain = [], ""
    for epoch in track.epochs:
        if not epoch.segments:
            continue
        made, chain = _epoch(state, track, epoch, chain, key_of)
        epochs.append(made)
    return manifest.Track(
        track.track_id,
        track.peer_id,
        track.source,  # type: ignore[arg-type]
        track.kind,  # type: ignore[arg-type]
        tuple(epochs),
    )


def _epoch(
    state: SessionState, track: TrackState, epoch: EpochState, chain: str, key_of: KeyOf
) -> tuple[manifest.Epoch, str]:
    clock = _clock(state, track, epoch)
    origin_ms = epoch.scale.origin_ms

    def final(pts_ms: int) -> int:
        return max(0, round(clock.session_ms(pts_ms, origin_ms)))

    segments = []
    for segment in epoch.segments:
        chain = manifest.next_chain(chain, segment.sha256)
        key = key_of(track.track_id, epoch.number, segment.number)
        segments.append(_segment(segment, key, chain, final))
    made = manifest.Epoch(
        epoch.number,
        epoch.codec,  # type: ignore[arg-type]
        epoch.scale.clock_rate,
        origin_ms,
        segments[0].start_ms,
        max(segment.end_ms for segment in segments),
        clock,
        tuple(segments),
    )
    return made, chain


def _segment(segment: SegmentState, key: str, chain: str, final: Callable[[int], int]) -> manifest.Segment:
    parts = tuple(manifest.Part(p.offset, p.bytes, final(p.start_ms), p.keyframe) for p in segment.parts)
    return manifest.Segment(
        key=key,
        segment=segment.number,
        start_ms=final(segment.start_ms),
        end_ms=final(segment.end_ms),
        bytes=segment.bytes,
        header_bytes=segment.header_bytes,
        sha256=segment.sha256,
        sm3=segment.sm3,
        chain=chain,
        parts=parts,
        packets=sum(part.packets for part in segment.parts),
        lost=sum(part.lost for part in segment.parts),
    )


def _clock(state: SessionState, track: TrackState, epoch: EpochState) -> manifest.Clock:
    found = fit(epoch.scale, epoch.reports, list(_peer_reports(state, track, epoch)))
    if abs(found.offset_ms) > MAX_OFFSET_MS:
        found = Fit()
    return manifest.Clock(found.offset_ms, found.rate_ppm, found.sender_reports)


def _peer_reports(state: SessionState, track: TrackState, epoch: EpochState) -> Iterator[Report]:
    """Reports of all the publisher's tracks while this epoch ran: they share one clock.

    From its first packet to its last, not between its own reports: sound has one in five seconds, and in an epoch of
    some seconds each track would otherwise go by another report's delay.
    """
    if not epoch.reports:
        return
    first = min(epoch.scale.origin_ms, epoch.reports[0].arrival_ms)
    last = max(epoch.end_ms, epoch.reports[-1].arrival_ms)
    for other in state.tracks.values():
        for beside in other.epochs if other.peer_id == track.peer_id else ():
            if beside.boot == epoch.boot:
                yield from (report for report in beside.reports if first <= report.arrival_ms <= last)


def _events(state: SessionState) -> Iterator[manifest.Event]:
    for event in state.events:
        at_ms = state.session_ms(event["utc_ms"])
        yield manifest.Event(at_ms, event["utc_ms"], event["type"], event["data"])
    before = "off"
    for order in state.orders:
        if order.recording != before:
            started = "recording_started" if before == "off" else "recording_resumed"
            kind = _ORDER_EVENTS.get(order.recording, started)
            data = {"reason": order.reason} if order.reason else {}
            yield manifest.Event(state.session_ms(order.utc_ms), order.utc_ms, kind, data)
        before = order.recording
