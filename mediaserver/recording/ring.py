# SPDX-License-Identifier: Apache-2.0
"""The mediaserver's memory of what the recorder has not yet made durable.

Every record gets a place in one overall order and a number in its track. Packets older than 15 s, or beyond the byte
bound of their track, leave the memory; when the recorder had not acknowledged them, the loss is kept as a range and
told to it. Control records (orders, openings) are small and rare and stay until they are acknowledged.

`mediaserver/native` has the same ring in C (`ring.c`), into which the compiled plane puts packets without a call of
Python's; `make` gives the one that is in use.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from heapq import merge
from operator import attrgetter
from typing import Any

from mediaserver.recording.feed import CONTROL_TRACK, Overflow, encode_overflow, packet_head

KEEP_US = 15_000_000
"""Time that a recorder may stall or restart without losing a packet."""

KEEP_BYTES = 16 << 20
"""Bound of one track's memory: 15 s at 8 Mbit/s, more than any camera sends in a room."""

KEEP_CONTROL = 50_000
"""Bound of unacknowledged control records; days of meetings without a recorder."""


@dataclass(slots=True)
class Entry:
    """One kept record, ready to be written to the socket."""

    order: int
    track: _Track
    number: int
    data: bytes
    """The record, or what is in front of `packet`; empty once it is gone."""
    packet: bytes
    """Not copied: it is written as it came."""
    arrival_utc_us: int
    sequence: int
    """RTP sequence number, or -1 when the record is no packet."""


@dataclass(slots=True)
class _Track:
    name: int
    """Its number in the feed."""
    entries: deque[Entry] = field(default_factory=deque)
    size_bytes: int = 0
    last_number: int = 0
    acknowledged: int = 0
    lost: Overflow | None = None
    """Evicted and never acknowledged; told at the next connection or, when never sent, at once."""
    untold: bool = False
    closed: bool = False
    seen_number: int = 0
    seen_us: int = 0
    """The last record when `expire` looked, and since when it is the last, on the caller's steady clock."""


class FeedRing:
    """Numbered records of all tracks. One connection at a time reads it in order through `take`."""

    def __init__(self, keep_us: int = KEEP_US, keep_bytes: int = KEEP_BYTES) -> None:
        self._keep_us = keep_us
        self._keep_bytes = keep_bytes
        self._order = 0
        self._tracks: dict[int, _Track] = {CONTROL_TRACK: _Track(CONTROL_TRACK)}
        self._unsent: deque[Entry] | None = None
        self.overflowed_packets = 0
        self.packets = 0
        """Packets that were kept."""

    def add_track(self, track: int) -> None:
        """Make room for a track's records; a number is added once."""
        self._tracks[track] = _Track(track)

    def close_track(self, track: int) -> None:
        """No more records will come; the track is forgotten once all of them are acknowledged."""
        self._tracks[track].closed = True
        self._forget(track)

    def next_number(self, track: int) -> int:
        """The number that the next record of the track must carry."""
        return self._tracks[track].last_number + 1

    def append(self, track: int, data: bytes, now_us: int, sequence: int = -1) -> None:
        """Keep one encoded record under the number that `next_number` told."""
        self._append(self._tracks[track], data, b"", now_us, sequence)

    def append_packet(self, track: int, packet: bytes, arrival_utc_us: int) -> None:
        """Keep one RTP packet as a record under the next number."""
        kept = self._tracks[track]
        head = packet_head(track, kept.last_number + 1, packet, arrival_utc_us)
        self._append(kept, head, packet, arrival_utc_us, packet[2] << 8 | packet[3])
        self.packets += 1

    def tape(self, track: int, recorded: set[int], offset_us: int) -> Any | None:
        """For the compiled plane: what takes the track's packets while `recorded` holds its number, with `offset_us`
        from the steady clock to UTC. None: packets come by `append_packet` only."""
        return None

    def _append(self, kept: _Track, data: bytes, packet: bytes, now_us: int, sequence: int) -> None:
        self._order += 1
        kept.last_number += 1
        entry = Entry(self._order, kept, kept.last_number, data, packet, now_us, sequence)
        kept.entries.append(entry)
        kept.size_bytes += len(data) + len(packet)
        if self._unsent is not None:
            self._unsent.append(entry)
        oldest = kept.entries[0].arrival_utc_us
        if kept.name == CONTROL_TRACK or oldest < now_us - self._keep_us or kept.size_bytes > self._keep_bytes:
            self._bound(kept, now_us)

    def expire(self, steady_us: int) -> None:
        """Let go what is too old, also in tracks that got no packet lately.

        Age counts from a track's newest packet, and on a steady clock from then on: arrival times are those of a room,
        and no memory may be emptied because somebody sets the server's clock.
        """
        for kept in list(self._tracks.values()):
            if kept.last_number != kept.seen_number:
                kept.seen_number, kept.seen_us = kept.last_number, steady_us
            if kept.entries:
                self._bound(kept, kept.entries[-1].arrival_utc_us + steady_us - kept.seen_us)
            self._forget(kept.name)

    def acknowledge(self, track: int, number: int) -> None:
        """The recorder has everything up to `number` on disk. Unknown tracks are ignored: they were forgotten."""
        kept = self._tracks.get(track)
        if kept is None or number <= kept.acknowledged:
            return
        kept.acknowledged = min(number, kept.last_number)
        entries = kept.entries
        freed = 0
        while entries and entries[0].number <= number:
            entry = entries.popleft()
            freed += len(entry.data) + len(entry.packet)
            entry.data = entry.packet = b""
        kept.size_bytes -= freed
        if kept.lost is not None and kept.lost.last_number <= number:
            kept.lost, kept.untold = None, False
        self._trim_unsent()
        self._forget(track)

    def connect(self, acknowledged: Mapping[int, int]) -> None:
        """A recorder came that has made `acknowledged` durable: everything later will be taken once more, in order."""
        for track, number in acknowledged.items():
            self.acknowledge(track, number)
        for kept in self._tracks.values():
            kept.untold = kept.lost is not None
        rings = [kept.entries for kept in self._tracks.values()]
        self._unsent = deque(merge(*rings, key=attrgetter("order")))

    def disconnect(self) -> None:
        """Nobody reads any more."""
        self._unsent = None

    def take(self, limit_bytes: int) -> bytes:
        """The next records for the connection, at least one if there is one, about `limit_bytes` together."""
        chunks: list[bytes] = []
        size = 0
        unsent = self._unsent
        while unsent and size < limit_bytes:
            entry = unsent.popleft()
            data, packet, kept = entry.data, entry.packet, entry.track
            if not data:
                continue
            if kept.untold and kept.lost is not None:
                kept.untold = False
                chunks.append(encode_overflow(kept.name, kept.lost))
            chunks += (data, packet)
            size += len(data) + len(packet)
        self._trim_unsent()
        if self._unsent is not None and not self._unsent:
            chunks += self._untold_losses()
        return b"".join(chunks)

    def _untold_losses(self) -> list[bytes]:
        """Losses of tracks that have no record left which would carry them along."""
        chunks = []
        for kept in self._tracks.values():
            if kept.untold and kept.lost is not None:
                kept.untold = False
                chunks.append(encode_overflow(kept.name, kept.lost))
        return chunks

    @property
    def kept_bytes(self) -> int:
        """Memory held by all tracks."""
        return sum(kept.size_bytes for kept in self._tracks.values())

    @property
    def has_unsent(self) -> bool:
        """Something waits for the connected recorder."""
        return bool(self._unsent)

    @property
    def unsent_records(self) -> int:
        """Records waiting for the connected recorder; 0 without one."""
        return sum(1 for entry in self._unsent or () if entry.data)

    def _bound(self, kept: _Track, now_us: int) -> None:
        if kept.name == CONTROL_TRACK:
            while len(kept.entries) > KEEP_CONTROL:
                self._evict(kept)
        else:
            oldest = now_us - self._keep_us
            while kept.entries and (kept.entries[0].arrival_utc_us < oldest or kept.size_bytes > self._keep_bytes):
                self._evict(kept)
        self._trim_unsent()

    def _evict(self, kept: _Track) -> None:
        entry = kept.entries[0]
        unsent = self._unsent is None or (len(self._unsent) > 0 and entry.order >= self._unsent[0].order)
        self._drop(kept)
        if entry.sequence < 0:
            return
        lost = kept.lost
        kept.lost = Overflow(
            entry.number if lost is None else lost.first_number,
            entry.number,
            entry.sequence if lost is None else lost.first_sequence,
            entry.sequence,
            entry.arrival_utc_us if lost is None else lost.first_utc_us,
            entry.arrival_utc_us,
            1 if lost is None else lost.packets + 1,
        )
        if unsent:
            kept.untold = True
            self.overflowed_packets += 1

    @staticmethod
    def _drop(kept: _Track) -> None:
        entry = kept.entries.popleft()
        kept.size_bytes -= len(entry.data) + len(entry.packet)
        entry.data = entry.packet = b""

    def _trim_unsent(self) -> None:
        while self._unsent and not self._unsent[0].data:
            self._unsent.popleft()

    def _forget(self, track: int) -> None:
        kept = self._tracks[track]
        if track != CONTROL_TRACK and kept.closed and not kept.entries and kept.lost is None:
            del self._tracks[track]


def _told(track: int, *facts: int) -> bytes:
    """For the ring in C: a loss as the recorder is told of it."""
    return encode_overflow(track, Overflow(*facts))


_ring: Any = FeedRing


def make(keep_us: int = KEEP_US, keep_bytes: int = KEEP_BYTES) -> FeedRing:
    """A ring of the plane that is in use. The compiled one is no FeedRing, but does the same."""
    made: FeedRing = _ring(keep_us=keep_us, keep_bytes=keep_bytes)
    return made


def use(module: Any | None) -> None:
    """Make rings of the compiled plane, or these for None. Raises AttributeError, TypeError for another build."""
    global _ring
    if module is not None:
        module.bind_ring(_told, KEEP_CONTROL)
    _ring = FeedRing if module is None else module.FeedRing
