# SPDX-License-Identifier: Apache-2.0
"""What the journal of one session says: everything durable, rebuilt by applying its lines in order. PURE.

The recorder applies a line only after it was fsynced, so this state is always what a restart would find. Lines are
JSON objects; `t` names their kind, the constants below. Times `*_ms` lie on the session clock.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from mediaserver.recording.timeline import EpochScale, Report

Line = dict[str, Any]

SESSION, BOOT, ORDER, EVENT = "session", "boot", "order", "event"
OPEN, CLOSE, EPOCH, END = "open", "close", "epoch", "end"
PART, NOTE, GAP, CUT, SEALED = "part", "note", "gap", "cut", "sealed"
ACK, SUSPEND, OWN_KEY, MANIFEST, DONE = "ack", "suspend", "own_key", "manifest", "done"

_DIGEST_BYTES = 32
"""Of SHA-256 and of SM3."""
MAX_REPORTS = 2_048
"""Sender Reports kept of one epoch; beyond it every other one goes, which a regression does not notice."""


class JournalFault(Exception):
    """A journal does not hold what this version writes."""


@dataclass(slots=True)
class PartState:
    """One durable part."""

    offset: int
    bytes: int
    start_ms: int
    end_ms: int
    keyframe: bool
    packets: int
    lost: int


_PACKED = struct.Struct("<QIQQ?II")
"""A PartState, field by field."""


class SegmentState:
    """One file. Once it has its digests its parts will not change any more, and are kept packed: three hours of 24
    participants are half a million parts, which took 230 MB as objects."""

    __slots__ = ("_digests", "_packed", "_parts", "bytes", "header_bytes", "number")

    def __init__(self, number: int, header_bytes: int, size_bytes: int) -> None:
        self.number, self.header_bytes, self.bytes = number, header_bytes, size_bytes
        self._parts: list[PartState] | None = []
        self._packed = self._digests = b""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SegmentState):
            return NotImplemented
        own, its = ((s.number, s.header_bytes, s.bytes, s._digests) for s in (self, other))
        return own == its and self.parts == other.parts

    @property
    def parts(self) -> list[PartState]:
        """In order. Of a file with digests they are copies."""
        if self._parts is not None:
            return self._parts
        return [PartState(*fields) for fields in _PACKED.iter_unpack(self._packed)]

    @parts.setter
    def parts(self, parts: list[PartState]) -> None:
        self._parts, self._packed = parts, b""

    @property
    def sha256(self) -> str:
        """In hexadecimal; empty before `sealed`."""
        return self._digests[:_DIGEST_BYTES].hex()

    @property
    def sm3(self) -> str:
        """In hexadecimal; empty before `sealed`."""
        return self._digests[_DIGEST_BYTES:].hex()

    def sealed(self, sha256: str, sm3: str) -> None:
        """The file is whole and has these digests. Raises ValueError when they are none."""
        digests = bytes.fromhex(sha256) + bytes.fromhex(sm3)
        if len(digests) != 2 * _DIGEST_BYTES:
            raise ValueError("a digest has the wrong length")
        self._digests = digests
        if self._parts is not None:
            self._packed = b"".join(
                _PACKED.pack(p.offset, p.bytes, p.start_ms, p.end_ms, p.keyframe, p.packets, p.lost)
                for p in self._parts
            )
            self._parts = None

    @property
    def start_ms(self) -> int:
        return self.parts[0].start_ms

    @property
    def end_ms(self) -> int:
        return max(part.end_ms for part in self.parts)


@dataclass(slots=True)
class EpochState:
    """One uninterrupted stream of a track."""

    number: int
    feed: int
    boot: str
    codec: str
    scale: EpochScale
    first_sequence: int
    size: tuple[int, int]
    """Pixels of the picture, or (channels, 0) of sound."""
    last_sequence: int
    last_rtp: int
    end_ms: int
    ended: bool = False
    private: str = ""
    """The codec's own header as the file's header holds it, in hexadecimal."""
    segments: list[SegmentState] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)

    def segment(self, number: int) -> SegmentState | None:
        return next((segment for segment in reversed(self.segments) if segment.number == number), None)


@dataclass(slots=True)
class TrackState:
    """Everything one peer published from one source."""

    track_id: str
    peer_id: str
    source: str
    kind: str
    epochs: list[EpochState] = field(default_factory=list)
    packets: int = 0
    lost: int = 0
    bytes: int = 0
    durable_ms: int = 0
    last_packet_utc_ms: int | None = None

    def segments(self) -> Iterator[tuple[EpochState, SegmentState]]:
        """All files in the order they were recorded."""
        for epoch in self.epochs:
            for segment in epoch.segments:
                yield epoch, segment


@dataclass(slots=True)
class FeedTrack:
    """How far one numbered stream of the mediaserver is durable."""

    info: Line
    acknowledged: int = 0
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Hole:
    """A stretch of one track that is not there, as found while recording. Numbers are those of `FrameAssembler`."""

    track_id: str
    epoch: int
    from_ms: int
    to_ms: int
    cause: str
    rtp_from: int | None
    rtp_to: int | None
    packets: int


@dataclass(frozen=True, slots=True)
class OrderState:
    """One change of what is wanted."""

    recording: str
    version: int
    utc_ms: int
    boot: str
    reason: str


class SessionState:
    """All of one session that is on disk."""

    def __init__(self) -> None:
        self.county = self.session_id = self.room = ""
        self.boot = ""
        self.boots: list[str] = []
        """Mediaserver runs that spoke of this session, in order."""
        self.control = 0
        """Last control record of the present boot that is in the journal."""
        self.orders: list[OrderState] = []
        self.origin_utc_ms: int | None = None
        self.ended_utc_ms: int | None = None
        self.events: list[Line] = []
        self.peers: dict[str, tuple[str, str]] = {}
        self.tracks: dict[str, TrackState] = {}
        self.feed: dict[int, FeedTrack] = {}
        self.holes: list[Hole] = []
        self.suspensions: list[tuple[int, int | None]] = []
        self.wants_own_key = False
        """The first order asked for a key of its own; later ones change nothing in it."""
        self.own_key = ""
        """The text of own-key.json; empty before it was made."""
        self.manifest: Line | None = None
        self.done = False

    @property
    def recording(self) -> str:
        """The last order: off, on, paused or stopped."""
        return self.orders[-1].recording if self.orders else "off"

    @property
    def suspended(self) -> bool:
        """True while the recording was refused because the disk is full."""
        return bool(self.suspensions) and self.suspensions[-1][1] is None

    def session_ms(self, utc_ms: int) -> int:
        """A time on the session clock; 0 before the recording began."""
        return 0 if self.origin_utc_ms is None else utc_ms - self.origin_utc_ms

    def epoch(self, track_id: str, number: int) -> EpochState:
        """One epoch. Raises JournalFault when it was never begun."""
        track = self.tracks.get(track_id)
        for epoch in reversed(track.epochs if track else []):
            if epoch.number == number:
                return epoch
        raise JournalFault(f"epoch {number} of {track_id} was never begun")

    def apply(self, line: Line) -> None:
        """Take over one line. Raises JournalFault."""
        handler = _HANDLERS.get(line.get("t", ""))
        if handler is None:
            raise JournalFault(f"{line.get('t')!r} is no kind of journal line")
        try:
            if "c" in line:
                self.control = max(self.control, int(line["c"]))
            handler(self, line)
            self._acknowledge(line)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise JournalFault(f"a {line['t']} line lacks or garbles {error}") from error

    def _acknowledge(self, line: Line) -> None:
        feed = self.feed.get(line.get("feed", -1))
        if feed is not None and "ack" in line:
            feed.acknowledged = max(feed.acknowledged, line["ack"])

    def _session(self, line: Line) -> None:
        self.county, self.session_id, self.room = line["county"], line["session"], line["room"]

    def _boot(self, line: Line) -> None:
        self.boot, self.control, self.feed = line["boot"], 0, {}
        self.boots.append(line["boot"])
        for track in self.tracks.values():
            for epoch in track.epochs:
                epoch.ended = True

    def _order(self, line: Line) -> None:
        order = OrderState(line["recording"], line["version"], line["utc_ms"], self.boot, line["reason"])
        if not self.orders:
            self.wants_own_key = line.get("own_key", False)
        self.orders.append(order)
        if order.recording == "on" and self.origin_utc_ms is None:
            self.origin_utc_ms = order.utc_ms
        if order.recording == "stopped" and self.ended_utc_ms is None:
            self.ended_utc_ms = order.utc_ms

    def _event(self, line: Line) -> None:
        self.events.append({"type": line["type"], "data": line["data"], "utc_ms": line["utc_ms"]})
        data = line["data"]
        if line["type"] == "peer_joined" and {"peer_id", "name", "place"} <= data.keys():
            self.peers[str(data["peer_id"])] = (str(data["name"]), str(data["place"]))

    def _open(self, line: Line) -> None:
        info = line["track"]
        self.feed[line["feed"]] = FeedTrack(info)
        self.peers[info["peer_id"]] = (info["peer_name"], info["place"])
        if info["track_id"] not in self.tracks:
            self.tracks[info["track_id"]] = TrackState(info["track_id"], info["peer_id"], info["source"], info["kind"])

    def _close(self, line: Line) -> None:
        if line["feed"] in self.feed:
            self.feed[line["feed"]].closed = True

    def _epoch(self, line: Line) -> None:
        scale = EpochScale(line["origin_ms"], line["rtp_origin"], line["clock_rate"])
        track = self.tracks[line["track"]]
        track.epochs.append(
            EpochState(
                line["epoch"],
                line["feed"],
                self.boot,
                line["codec"],
                scale,
                line["first"],
                (line["size"][0], line["size"][1]),
                line["first"] - 1,
                line["rtp_origin"],
                line["origin_ms"],
                private=line.get("private", ""),
            )
        )

    def _end(self, line: Line) -> None:
        self._note(line)
        self.epoch(line["track"], line["epoch"]).ended = True

    def _note(self, line: Line) -> None:
        """What is known besides a part: holes and Sender Reports, and how far the numbers are dealt with."""
        track, epoch = self.tracks[line["track"]], self.epoch(line["track"], line["epoch"])
        for first, last, from_ms, to_ms in line.get("holes", ()):
            count = last - first + 1
            self.holes.append(Hole(track.track_id, epoch.number, from_ms, to_ms, "loss", first, last, count))
            track.lost += count
        for ntp_ms, rtp_time, arrival_ms in line.get("reports", ()):
            epoch.reports.append(Report(ntp_ms, rtp_time, arrival_ms))
        if len(epoch.reports) > MAX_REPORTS:
            del epoch.reports[1::2]
        if "utc_ms" in line:
            track.last_packet_utc_ms = line["utc_ms"]
        if "seq" in line:
            epoch.last_sequence, epoch.last_rtp = line["seq"], line["rtp"]

    def _part(self, line: Line) -> None:
        self._note(line)
        track, epoch = self.tracks[line["track"]], self.epoch(line["track"], line["epoch"])
        lost = sum(last - first + 1 for first, last, _, _ in line.get("holes", ()))
        segment = epoch.segment(line["segment"])
        if segment is None:
            segment = SegmentState(line["segment"], line["header"], line["header"])
            epoch.segments.append(segment)
            track.bytes += line["header"]
        part = PartState(
            line["offset"], line["bytes"], line["start_ms"], line["end_ms"], line["key"], line["packets"], lost
        )
        segment.parts = [*segment.parts, part]
        segment.bytes = part.offset + part.bytes
        epoch.size = (line["size"][0], line["size"][1])
        epoch.end_ms = max(epoch.end_ms, part.end_ms)
        track.packets += part.packets
        track.bytes += part.bytes
        track.durable_ms = max(track.durable_ms, part.end_ms)

    def _gap(self, line: Line) -> None:
        track_id, first, last = line["track"], line.get("rtp_from"), line.get("rtp_to")
        packets = line["packets"]
        hole = Hole(track_id, line["epoch"], line["from_ms"], line["to_ms"], line["cause"], first, last, packets)
        before = self.holes[-1] if self.holes else None
        if before is not None and before.cause == hole.cause == "disk_full" and _follows(before, hole):
            whole = before.packets + packets
            hole = replace(hole, from_ms=before.from_ms, rtp_from=before.rtp_from, packets=whole)
            self.holes.pop()
        self.holes.append(hole)
        self.tracks[track_id].lost += packets
        if "seq" in line:
            epoch = self.epoch(track_id, line["epoch"])
            epoch.last_sequence, epoch.last_rtp = line["seq"], line["rtp"]

    def _cut(self, line: Line) -> None:
        """A file was found shorter than the journal promised: its last parts are gone."""
        track, epoch = self.tracks[line["track"]], self.epoch(line["track"], line["epoch"])
        segment = epoch.segment(line["segment"])
        if segment is None:
            return
        gone = [part for part in segment.parts if part.offset + part.bytes > line["bytes"]]
        segment.parts = [part for part in segment.parts if part not in gone]
        segment.bytes = segment.parts[-1].offset + segment.parts[-1].bytes if segment.parts else 0
        for part in gone:
            track.packets, track.lost = track.packets - part.packets, track.lost + part.packets
            track.bytes -= part.bytes
        if gone:
            span = (gone[0].start_ms, gone[-1].end_ms)
            packets = sum(part.packets for part in gone)
            self.holes.append(Hole(track.track_id, epoch.number, *span, "recorder_down", None, None, packets))
        if not segment.parts:
            epoch.segments.remove(segment)

    def _ack(self, line: Line) -> None:
        """Packets that are not to be kept were taken."""

    def _sealed(self, line: Line) -> None:
        segment = self.epoch(line["track"], line["epoch"]).segment(line["segment"])
        if segment is not None:
            segment.sealed(line["sha256"], line["sm3"])

    def _suspend(self, line: Line) -> None:
        if line["on"] and not self.suspended:
            self.suspensions.append((line["utc_ms"], None))
        elif not line["on"] and self.suspended:
            self.suspensions[-1] = (self.suspensions[-1][0], line["utc_ms"])

    def _own_key(self, line: Line) -> None:
        self.own_key = line["text"]

    def _manifest(self, line: Line) -> None:
        self.manifest = line

    def _done(self, line: Line) -> None:
        self.done = True


def _follows(before: Hole, after: Hole) -> bool:
    same_epoch = (before.track_id, before.epoch) == (after.track_id, after.epoch)
    return same_epoch and before.rtp_to is not None and before.rtp_to + 1 == after.rtp_from


_HANDLERS = {
    SESSION: SessionState._session,
    BOOT: SessionState._boot,
    ORDER: SessionState._order,
    EVENT: SessionState._event,
    OPEN: SessionState._open,
    CLOSE: SessionState._close,
    EPOCH: SessionState._epoch,
    END: SessionState._end,
    PART: SessionState._part,
    NOTE: SessionState._note,
    GAP: SessionState._gap,
    CUT: SessionState._cut,
    SEALED: SessionState._sealed,
    ACK: SessionState._ack,
    SUSPEND: SessionState._suspend,
    OWN_KEY: SessionState._own_key,
    MANIFEST: SessionState._manifest,
    DONE: SessionState._done,
}
