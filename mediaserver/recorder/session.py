# SPDX-License-Identifier: Apache-2.0
"""One session while the recorder runs: what is wanted now, the tracks that come in, and the steps not yet on disk.

Everything here happens in the event loop and awaits nothing; `Recorder` commits the steps in a thread and applies
what became durable.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import structlog

from mediaserver.recorder.spool import Committed, SessionSpool
from mediaserver.recording import state as journal
from mediaserver.recording.feed import Overflow, SessionOrder, SessionRef, TrackInfo, parse_track
from mediaserver.recording.intake import Intake, Step
from mediaserver.recording.state import EpochState, Line, SegmentState, SessionState, TrackState

log = structlog.get_logger(__name__)

BACKLOG_BYTES = 16 << 20
"""Media of one session that waits in memory while the disk takes none; beyond it the oldest part is given up."""
ABANDONED_S = 48 * 3600
"""A session that was spoken of but never recorded is forgotten after this time."""

SegmentName = tuple[str, int, int]
"""Track id, epoch, segment."""


class LiveSession:
    """Takes the feed's records of one session and turns them into steps."""

    def __init__(self, spool: SessionSpool, state: SessionState) -> None:
        self.spool = spool
        self.state = state
        self.wanted = state.recording
        self.version = max((order.version for order in state.orders), default=-1)
        self.suspended = state.suspended
        self.fault = ""
        """Code of what is wrong now: `disk_full`, `seal_failed`, `own_key_missing`, or empty."""
        self.seal_not_before = 0.0
        """Steady time before which sealing is not tried again."""
        self.boot = state.boot
        self.steps: list[Step] = []
        self.unsealed: set[SegmentName] = set()
        self.to_upload: set[SegmentName] = set()
        """Files with digests that are not yet in the upload queue."""
        self._stored: set[str] = set()
        """Keys that the store was seen to hold, of files that come after one that it does not hold yet."""
        self._stored_to_ms: dict[str, int] = {}
        self.intakes: dict[int, Intake] = {}
        self.origin_utc_ms = state.origin_utc_ms
        self._said = {_as_text(event) for event in state.events}
        self._control = state.control
        self._epochs: Counter[str] = Counter()
        self._recover()

    def _recover(self) -> None:
        state = self.state
        for track in state.tracks.values():
            self._epochs[track.track_id] = max((epoch.number for epoch in track.epochs), default=0)
            for epoch, segment in track.segments():
                name = (track.track_id, epoch.number, segment.number)
                if not segment.sha256:
                    self.unsealed.add(name)
                elif not self.spool.path(*name).exists():
                    self._stored.add(self.spool.key(*name))  # it only goes once the store was seen to hold it
                else:
                    self.to_upload.add(name)
        for number, feed in state.feed.items():
            if not feed.closed:
                self._take_in(number, parse_track(feed.info), feed.acknowledged, self._open_epoch(number))
        for track in state.tracks.values():
            self._let_go(track)
            for epoch in track.epochs:
                epoch.reports.clear()

    def _open_epoch(self, feed: int) -> EpochState | None:
        for track in self.state.tracks.values():
            for epoch in track.epochs:
                if epoch.feed == feed and not epoch.ended:
                    return epoch
        return None

    def _take_in(self, number: int, info: TrackInfo, acknowledged: int = 0, resume: EpochState | None = None) -> None:
        def new_epoch() -> int:
            self._epochs[info.track_id] += 1
            return self._epochs[info.track_id]

        self.intakes[number] = Intake(number, info, new_epoch, acknowledged=acknowledged, resume=resume)

    # What the mediaserver tells

    def begin(self, reference: SessionRef, boot: str, control: int) -> bool:
        """A control record is about to be taken. False when it is in the journal already."""
        if not self.state.session_id and not self.steps:
            names = {"county": reference.county, "session": reference.session_id, "room": reference.room}
            self._add(journal.SESSION, names)
        if boot != self.boot:
            self.boot, self._control = boot, 0
            self._add(journal.BOOT, {"boot": boot})
        if control <= self._control:
            return False
        self._control = control
        return True

    def order(self, order: SessionOrder, control: int, now_us: int, *, disk_full: bool) -> None:
        """What is wanted from now on. Older versions are ignored, and nothing follows a stop."""
        if order.version < self.version or self.wanted == "stopped":
            return
        if order.recording != "on":
            self.finish_tracks(now_us)
        first = order.recording == "on" and self.origin_utc_ms is None
        if first:
            self.origin_utc_ms = order.utc_ms
        self.wanted, self.version = order.recording, order.version
        facts = {"recording": order.recording, "version": order.version, "utc_ms": order.utc_ms}
        self._add(journal.ORDER, {"c": control, **facts, "reason": order.reason, "own_key": order.own_key})
        if first and disk_full:
            self.suspend(True, order.utc_ms)

    def event(self, control: int, body: dict[str, Any]) -> None:
        """Something for the record. What is told again, because a mediaserver died that had heard it, is there once."""
        facts = {"type": str(body.get("type", "")), "data": body.get("data") or {}, "utc_ms": int(body["utc_ms"])}
        said = _as_text(facts)
        if said not in self._said:
            self._said.add(said)
            self._add(journal.EVENT, {"c": control, **facts})

    def open_track(self, control: int, number: int, info: TrackInfo) -> None:
        """A stream begins."""
        self._take_in(number, info)
        body = {name: getattr(info, name) for name in info.__dataclass_fields__}
        self._add(journal.OPEN, {"c": control, "feed": number, "track": body})

    def close_track(self, control: int, number: int, now_us: int) -> None:
        """A stream ended."""
        intake = self.intakes.pop(number, None)
        if intake is not None:
            intake.finish(now_us)
            self.steps += intake.drain()
        self._add(journal.CLOSE, {"c": control, "feed": number})

    def packet(self, intake: Intake, number: int, packet: bytes, arrival_utc_us: int, now_us: int) -> bool:
        """One RTP packet of a track; passed over, and False, unless the session is recorded now."""
        origin_utc_ms = self.origin_utc_ms
        if self.wanted != "on" or self.suspended or origin_utc_ms is None:
            intake.skip(number)
            return False
        intake.origin_utc_ms = origin_utc_ms
        intake.arrived(number, packet, arrival_utc_us, now_us)
        return True

    def report(self, intake: Intake, number: int, pair: tuple[float, int], arrival_utc_us: int) -> None:
        """One Sender Report of a track."""
        if self.wanted != "on" or self.suspended or self.origin_utc_ms is None:
            intake.skip(number)
            return
        intake.report(number, *pair, arrival_utc_us / 1000 - self.origin_utc_ms)

    def overflow(self, intake: Intake, overflow: Overflow, cause: str, now_us: int) -> None:
        """Packets that the mediaserver could not keep until they were taken."""
        if self.origin_utc_ms is None:
            intake.skip(overflow.last_number)
            return
        span = [max(0, at_us // 1000 - self.origin_utc_ms) for at_us in (overflow.first_utc_us, overflow.last_utc_us)]
        intake.overflow(overflow, cause, span[0], span[1], now_us)

    def forget_boot(self, now_us: int) -> None:
        """That mediaserver is gone: its tracks end with what came of them."""
        self.finish_tracks(now_us)
        self.intakes.clear()

    def finish_tracks(self, now_us: int) -> None:
        """Write down everything that waits, and end the epochs; the streams may go on in new ones."""
        for intake in self.intakes.values():
            intake.finish(now_us)
            self.steps += intake.drain()

    def suspend(self, on: bool, utc_ms: int) -> None:
        """Refuse to record (the disk is full), or begin at last."""
        if on != self.suspended:
            self.suspended = on
            self._add(journal.SUSPEND, {"on": on, "utc_ms": utc_ms})

    def tick(self, now_us: int) -> None:
        """Close what has been open long enough, and collect the steps."""
        for intake in self.intakes.values():
            intake.tick(now_us)
            self.steps += intake.drain()

    # What became durable

    def committed(self, result: Committed, limit_bytes: int) -> None:
        """Take over what is on disk now; when it was not all, keep at most `limit_bytes` for the next attempt."""
        del self.steps[: result.steps]
        for line in result.lines:
            self.state.apply(line)
            if line.get("reports"):
                self.state.epoch(line["track"], line["epoch"]).reports.clear()
            if line["t"] not in (journal.PART, journal.SEALED):
                continue
            name = (line["track"], line["epoch"], line["segment"])
            if line["t"] == journal.PART:
                self.unsealed.add(name)
            else:
                self.unsealed.discard(name)
                self.to_upload.add(name)
                self.spool.sealed(*name)
        del self.state.holes[:-1]  # the next one may go on where the last one ends
        if result.fault is None:
            self.fault = "" if self.fault == "disk_full" else self.fault
            return
        if self.fault != "disk_full":
            log.error("spool_cannot_be_written", session=self.state.session_id, reason=str(result.fault))
        self.fault = "disk_full"
        self._give_up_oldest(min(BACKLOG_BYTES, limit_bytes))

    def _give_up_oldest(self, limit_bytes: int) -> None:
        """Keep no more media in memory than allowed; what goes is listed as a gap."""
        excess = sum(len(step.data) for step in self.steps) - limit_bytes
        for index, step in enumerate(self.steps):
            if excess <= 0:
                break
            if step.data:
                excess -= len(step.data)
                self.steps[index] = Step(_as_gap(step.line))
                intake = self.intakes.get(step.line["feed"])
                if intake is not None:
                    intake.frames_dropped()
        self.steps = _merged(self.steps)

    def sealable(self) -> list[tuple[SegmentName, Path]]:
        """Files that will not grow any more and have no digests yet."""
        found = []
        for name in sorted(self.unsealed):
            epoch = self.state.epoch(name[0], name[1])
            if epoch.ended or epoch.segments[-1].number != name[2]:
                found.append((name, self.spool.path(*name)))
        return found

    def add_seal(self, name: SegmentName, sha256: str, sm3: str) -> None:
        """The digests of a file."""
        facts = {"track": name[0], "epoch": name[1], "segment": name[2]}
        self._add(journal.SEALED, {**facts, "sha256": sha256, "sm3": sm3})

    def add_own_key(self, text: str) -> None:
        """The session's key was made. The journal holds it before anything goes to the store, so there is never a
        second one."""
        self._add(journal.OWN_KEY, {"text": text})

    @property
    def may_upload(self) -> bool:
        """True once the store was seen to hold the session's key, where it wants one: nothing goes there before."""
        return not self.state.wants_own_key or self.spool.own_key_key in self._stored

    def add_manifest(self, facts: Line) -> None:
        """The manifest is written."""
        self._add(journal.MANIFEST, facts)

    def add_done(self) -> None:
        """The manifest is in the store."""
        self._add(journal.DONE, {})

    @property
    def recorded_out(self) -> bool:
        """True when the recording has stopped and every file has its digests on disk and is in the upload queue."""
        return self.state.recording == "stopped" and not (self.steps or self.unsealed or self.to_upload)

    def stored(self, key: str) -> None:
        """The store was seen to hold this object of the session."""
        self._stored.add(key)
        for track in self.state.tracks.values():
            self._let_go(track)

    @property
    def manifest_stored(self) -> bool:
        """The store was seen to hold the manifest."""
        return self.spool.manifest_key in self._stored

    def uploaded_to_ms(self, track: TrackState) -> int:
        """Up to where every file of the track is in the store."""
        return self._stored_to_ms.get(track.track_id, 0)

    def _let_go(self, track: TrackState) -> None:
        """Forget the track's files up to the first that is not in the store.

        The seal reads the journal anew. What it alone asks for (these files, holes, Sender Reports) is not kept here:
        it would be 50 MB after three hours of 24 participants.
        """
        for epoch in track.epochs:
            while epoch.segments:
                key = self.spool.key(track.track_id, epoch.number, epoch.segments[0].number)
                if key not in self._stored:
                    return
                self._stored.discard(key)
                self._stored_to_ms[track.track_id] = epoch.segments.pop(0).end_ms
            if not epoch.ended:
                return

    def segment(self, name: SegmentName) -> SegmentState | None:
        """A file by its name."""
        return self.state.epoch(name[0], name[1]).segment(name[2])

    def _add(self, kind: str, facts: Line) -> None:
        self.steps.append(Step({"t": kind, **facts}))


def _as_text(event: Line) -> str:
    """The same for two events exactly when they are the same."""
    return json.dumps([event["type"], event["utc_ms"], event["data"]], sort_keys=True)


def _as_gap(part: Line) -> Line:
    kept = {name: part[name] for name in ("feed", "track", "epoch", "ack", "seq", "rtp")}
    span = {"from_ms": part["start_ms"], "to_ms": part["end_ms"], "rtp_from": part["first"], "rtp_to": part["seq"]}
    return {"t": journal.GAP, **kept, **span, "cause": "disk_full", "packets": part["packets"]}


def _merged(steps: list[Step]) -> list[Step]:
    """The steps with neighbouring gaps of one track as one, so that a long fault does not fill the memory."""
    merged: list[Step] = []
    last: dict[tuple[str, int], Line] = {}
    for step in steps:
        line = step.line
        name = (line.get("track", ""), line.get("epoch", 0))
        before = last.get(name) if line["t"] == journal.GAP and line.get("cause") == "disk_full" else None
        if before is not None and "seq" in line:
            after = {key: line[key] for key in ("ack", "seq", "rtp", "to_ms", "rtp_to")}
            before.update(after, packets=before["packets"] + line["packets"])
            continue
        merged.append(step)
        if line["t"] == journal.GAP and line.get("cause") == "disk_full":
            last[name] = line
        elif isinstance(line.get("track"), str):
            last.pop(name, None)
    return merged


__all__ = ["ABANDONED_S", "LiveSession", "SegmentName"]
