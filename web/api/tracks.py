# SPDX-License-Identifier: Apache-2.0
"""The live state of a session's tracks, for whoever watches over the record."""

from __future__ import annotations

from typing import Literal

from aiohttp import web
from aiohttp_pydantic.oas.typing import r200

from web.api.core import SIGNED_IN, answer
from web.api.session_shapes import Exact, SessionId, UtcMs
from web.api.sessions import SessionApiView
from web.media.mediaserver_link import MediaAway, MediaRefused
from web.sessions.tracks import live_tracks


class RecordedShape(Exact):
    """What the recorder has of it. Times in ms on the session clock."""

    bytes: int
    lost: int
    sealed_to_ms: int
    uploaded_to_ms: int


class TrackShape(Exact):
    """One source of one endpoint."""

    peer_id: str
    source: str
    kind: Literal["audio", "video"]
    sent: Literal["on", "off", "ended"]
    """`off`: switched off by its owner or muted by the host; `ended`: nothing of it is in the room now."""
    bytes: int
    kbps: int
    level_dbov: int | None
    """Peak of the last moments, 0 (full scale) to -127; null for pictures and where the sender does not say."""
    last_packet_utc_ms: UtcMs | None
    alarm: Literal["track_stalled", "camera_black", "mic_silent", "mic_clipping"] | None
    recorded: RecordedShape | None


class TrackList(Exact):
    """All tracks; without the room's figures while the mediaserver is away."""

    tracks: list[TrackShape]


class TracksView(SessionApiView):
    """Asked again every few seconds while somebody looks."""

    ACCESS = {"GET": SIGNED_IN}

    async def get(self, session_id: SessionId, /) -> r200[TrackList]:
        """Bytes, newest packet and level of each track, and how far it is recorded, sealed and uploaded."""
        await self.rows(session_id)
        try:
            stats = (await self.running.media.room(session_id))["stats"]
        except (MediaAway, MediaRefused):
            stats = {}
        last = self.running.recorder.last
        entries = [] if last is None else [entry for entry in last.entries if entry.session_id == session_id]
        recorded = [track for entry in entries for track in entry.raw["tracks"]]
        return answer({"tracks": live_tracks(stats, recorded, self.running.alarms.watch(session_id).sources)})


def add_routes(app: web.Application) -> None:
    """/api/sessions/{session_id}/tracks."""
    app.router.add_view("/api/sessions/{session_id}/tracks", TracksView)
