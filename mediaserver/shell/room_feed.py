# SPDX-License-Identifier: Apache-2.0
"""What one room gives to the recorder: its tracks open and close as the room says, and each packet under its own."""

from __future__ import annotations

from mediaserver.recording.feed import SessionRef, TrackInfo
from mediaserver.sfu import events
from mediaserver.sfu.room import Room
from mediaserver.shell.feed_server import FeedServer


class RoomFeed:
    """`utc_offset_us` leads from the room's steady clock to the time that the recorder is told."""

    def __init__(self, feed: FeedServer, reference: SessionRef, room: Room, utc_offset_us: int) -> None:
        self._feed, self._reference, self._room = feed, reference, room
        self._utc_offset_us = utc_offset_us
        self._tracks: dict[str, int] = {}
        """By producer, the number of its open track."""

    def utc_us(self, monotonic_s: float) -> int:
        """What the recorder is told of a moment."""
        return int(monotonic_s * 1e6) + self._utc_offset_us

    def take(self, event: events.Event) -> bool:
        """Hand one of the room's events on; False when it is not for the recorder."""
        match event:
            case events.RecordedPacket():
                if (track := self._tracks.get(event.producer_id)) is not None:
                    self._feed.packet(track, event.packet, self.utc_us(event.arrival))
            case events.RecordedReport():
                if (track := self._tracks.get(event.producer_id)) is not None:
                    arrival_us = self.utc_us(event.arrival)
                    self._feed.sender_report(track, event.ntp_seconds, event.rtp_timestamp, arrival_us)
            case events.RecordedTrackOpened():
                track = self._tracks[event.producer_id] = self._feed.open_track(
                    self._reference, _track_info(event.facts)
                )
                self._room.tape(event.producer_id, self._feed.tape(track, self._utc_offset_us))
            case events.RecordedTrackClosed():
                self._room.tape(event.producer_id, None)
                if (track := self._tracks.pop(event.producer_id, None)) is not None:
                    self._feed.close_track(track)
            case _:
                return False
        return True

    def producer_of(self, track: int) -> str | None:
        """Who sends an open track; None when it is none of this room."""
        return next((producer_id for producer_id, number in self._tracks.items() if number == track), None)


def _track_info(facts: events.TrackFacts) -> TrackInfo:
    return TrackInfo(
        track_id=f"{facts.peer_id}-{facts.source}",
        peer_id=facts.peer_id,
        peer_name=facts.peer_name,
        place=facts.place,
        source=facts.source,
        kind=facts.kind,
        codec=facts.codec,  # type: ignore[arg-type]
        clock_rate=facts.clock_rate,
        payload_type=facts.payload_type,
        ssrc=facts.ssrc,
        cname=facts.peer_id,
        extensions=facts.header_extension_ids,
    )
