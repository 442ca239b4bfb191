# SPDX-License-Identifier: Apache-2.0
"""One stream of the feed becomes steps for the journal: parts to write, holes found, numbers dealt with. PURE.

Time comes from outside: `now_us` is the recorder's steady clock, by which is waited; `at_ms` the packet's arrival on
the session clock, from which an epoch takes its origin.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mediaserver.recording import state as journal
from mediaserver.recording import webm
from mediaserver.recording.feed import Overflow, TrackInfo
from mediaserver.recording.frames import Frame, FrameAssembler, Hole, sound_frame
from mediaserver.recording.segments import Cutter, Part
from mediaserver.recording.state import EpochState, Line
from mediaserver.recording.timeline import EpochScale, Report
from mediaserver.rtp import packet as rtp
from mediaserver.rtp.seqnum import unwrap16, unwrap32

QUIET_US = 1_200_000
"""An open part is closed after this time although no frame came that would close it."""
JUMP_MS = 10_000
"""RTP times that leave the arrival times by more belong to a new epoch: the publisher's clock was set anew."""
FIRST_KEYFRAME_MS = 3_000
"""A picture that begins later than this after its first packet has a gap in front."""
KEYFRAME_EVERY_US = 60_000_000
_ASK_AGAIN_US = 1_000_000
_LIVELY_US = 2_000_000


@dataclass(slots=True)
class Step:
    """One journal line and, for a part, the bytes that must be in the segment's file before it."""

    line: Line
    header: bytes = b""
    data: bytes = b""


class Intake:
    """Takes the records of one feed track in order of their numbers. `drain` gives the steps that came of them.

    `new_epoch` numbers the epochs of the track. `resume` is the epoch that a restart of the recorder found open.
    """

    __slots__ = (
        "_acknowledged", "_asked_us", "_assembler", "_at_ms", "_awaiting", "_begun", "_cutter", "_emitted_us", "_epoch",
        "_first", "_heard_us", "_holes", "_keyframe_due", "_keyframe_us", "_last", "_last_pts_ms", "_media",
        "_new_epoch", "_pending", "_reports", "_scale", "_start_ms", "_steps", "_utc_ms", "feed", "highest", "info",
        "origin_utc_ms",
    )  # fmt: skip

    def __init__(
        self,
        feed: int,
        info: TrackInfo,
        new_epoch: Callable[[], int],
        *,
        acknowledged: int = 0,
        resume: EpochState | None = None,
    ) -> None:
        self.feed = feed
        self.info = info
        self.highest = acknowledged
        """Number of the last record taken."""
        self.origin_utc_ms = 0
        """Where the session's clock begins; told before the first packet `arrived`."""
        self._new_epoch = new_epoch
        self._acknowledged = acknowledged
        self._steps: list[Step] = []
        self._pending: list[tuple[int, int]] = []
        self._assembler: FrameAssembler | None = None
        self._utc_ms = 0
        self._at_ms = 0.0
        self._heard_us = 0
        self._asked_us: int | None = None
        self._keyframe_us = 0
        self._keyframe_due = False
        self._emitted_us = 0
        self._reset()
        if resume is not None:
            self._resume(resume)

    @property
    def open(self) -> bool:
        """True while packets of an epoch were taken that has not ended."""
        return self._assembler is not None

    def drain(self) -> list[Step]:
        """Steps since the last call, in the order in which they must become durable."""
        steps, self._steps = self._steps, []
        return steps

    def packet(self, number: int, packet: bytes, at_ms: float, utc_ms: int, now_us: int) -> None:
        """Take one RTP packet. Records that were taken before are ignored."""
        assembler = self._assembler
        following = assembler.follows(packet) if assembler is not None and number > self.highest else None
        if assembler is None or following is None or self._jumps(following.rtp_time, at_ms):
            self._packet(number, packet, at_ms, utc_ms, now_us)
            return
        self.highest, self._utc_ms, self._at_ms, self._heard_us = number, utc_ms, at_ms, now_us
        sequence, frame = assembler.follow(packet, following)
        self._pending.append((number, sequence))
        if frame is not None:
            self._frame(frame, now_us)

    def arrived(self, number: int, packet: bytes, arrival_utc_us: int, now_us: int) -> None:
        """As `packet`, with the arrival as the feed tells it; the session's origin must be known."""
        self.packet(number, packet, arrival_utc_us / 1000 - self.origin_utc_ms, arrival_utc_us // 1000, now_us)

    def sound(self, payload: bytes, rtp_time: int, sequence: int, now_us: int) -> None:
        """From the compiled plane: the sound of a packet that it took."""
        self._frame(sound_frame(payload, rtp_time, sequence), now_us)

    def picture_ended(self, sequence: int, now_us: int) -> None:
        """From the compiled plane: this packet, which it took, ended a frame."""
        assert self._assembler is not None
        frame = self._assembler.whole(sequence)
        if frame is not None:
            self._frame(frame, now_us)

    def _packet(self, number: int, packet: bytes, at_ms: float, utc_ms: int, now_us: int) -> None:
        """As `packet`, whatever came before and behind."""
        header = rtp.read_header(packet)
        if number <= self.highest or header is None:
            self.skip(number)
            return
        if self._assembler is not None:
            rtp_time = unwrap32(header.timestamp, self._assembler.rtp_time)
            if self._jumps(rtp_time, at_ms):
                self.finish(now_us)
        self.highest, self._utc_ms, self._at_ms, self._heard_us = number, utc_ms, at_ms, now_us
        if self._assembler is None:
            self._assembler, self._keyframe_us = FrameAssembler(self.info.codec), now_us
            self._start(header.sequence_number + 0x10000, header.timestamp + (1 << 32), at_ms)
        sequence = self._assembler.add(packet, now_us, header)
        if sequence is not None:
            self._pending.append((number, sequence))
        self._advance(now_us)

    def report(self, number: int, ntp_seconds: float, rtp_timestamp: int, at_ms: float) -> None:
        """Take a Sender Report; one outside an epoch is of no use."""
        if number <= self.highest:
            return
        self.highest = number
        if self._assembler is not None:
            rtp_time = unwrap32(rtp_timestamp, self._assembler.rtp_time)
            self._reports.append(Report(ntp_seconds * 1000, rtp_time, at_ms))

    def skip(self, number: int) -> None:
        """Pass a record over: the session is not recorded now."""
        self.highest = max(self.highest, number)

    def overflow(self, overflow: Overflow, cause: str, from_ms: int, to_ms: int, now_us: int) -> None:
        """Records that will never come. What follows is another epoch, because numbers may have wrapped unseen."""
        if overflow.last_number <= self.highest:
            return
        expected = self._last[0] + 1 if self._last[0] else 0x10000
        self.finish(now_us)
        self.highest = overflow.last_number
        first = unwrap16(overflow.first_sequence, expected)
        last = unwrap16(overflow.last_sequence, first + overflow.packets - 1)
        span = {"from_ms": from_ms, "to_ms": max(from_ms, to_ms), "rtp_from": first, "rtp_to": last}
        self._add(journal.GAP, {**span, "cause": cause, "packets": overflow.packets, "ack": self.highest})

    def tick(self, now_us: int) -> None:
        """Give up waiting for what is too late, and close parts and notes that have been open long enough."""
        if self._assembler is not None:
            self._advance(now_us)
        part = self._cutter.part
        if part is not None and now_us - part.opened_us >= QUIET_US:
            self._part(self._cutter.close(), now_us)
        if part is None and now_us - self._emitted_us >= QUIET_US:
            self._note(now_us)

    def finish(self, now_us: int) -> None:
        """End the epoch (the track closed, the recording pauses or stops): write down all there is."""
        if self._assembler is None:
            self._note(now_us)
            return
        self._advance(now_us, everything=True)
        self._part(self._cutter.close(), now_us)
        self._pending.clear()
        if self._begun:
            self._add(journal.END, {**self._finding(everything=True), "ack": self.highest})
            self._acknowledged = self.highest
        else:
            self._missing_start(self._at_ms)
            self._note(now_us)
        self._reset()

    def flush(self, now_us: int) -> None:
        """Close the open part: the recorder stops, and its next start will go on with this epoch."""
        self._part(self._cutter.close(), now_us)
        self._note(now_us)

    def wants_keyframe(self, now_us: int) -> bool:
        """True when the publisher should be asked now: at the start, after a hole, and once in a minute."""
        if self.info.kind != "video" or self._assembler is None or now_us - self._heard_us > _LIVELY_US:
            return False
        overdue = now_us - self._keyframe_us >= KEYFRAME_EVERY_US
        if not (self._awaiting or self._keyframe_due or overdue):
            return False
        if self._asked_us is not None and now_us - self._asked_us < _ASK_AGAIN_US:
            return False
        self._asked_us = now_us
        return True

    def frames_dropped(self) -> None:
        """What was given out could not be written: a picture is needed that does not lean on it."""
        self._keyframe_due = True

    def _reset(self) -> None:
        self._assembler = None
        self._epoch = 0
        self._begun = False
        self._awaiting = self.info.kind == "video"
        self._media: webm.Sound | webm.Picture | None = None
        self._scale = EpochScale(0, 0, self.info.clock_rate)
        self._start_ms = 0.0
        self._first = 0
        self._last = (0, 0)
        """Extended number and RTP time of the last packet that is dealt with."""
        self._last_pts_ms = -1
        self._cutter = Cutter()
        self._reports: list[Report] = []
        self._holes: list[list[int]] = []

    def _resume(self, epoch: EpochState) -> None:
        self._assembler = FrameAssembler(epoch.codec, after=(epoch.last_sequence, epoch.last_rtp))
        self._epoch, self._begun, self._awaiting = epoch.number, True, False
        self._scale, self._first = epoch.scale, epoch.first_sequence
        self._start_ms = epoch.scale.origin_ms
        self._last = (epoch.last_sequence, epoch.last_rtp)
        self._last_pts_ms = epoch.scale.pts_ms(epoch.last_rtp)
        width, height = epoch.size
        private = bytes.fromhex(epoch.private)
        video = self.info.kind == "video"
        self._media = webm.Picture(width, height, epoch.codec, private) if video else webm.Sound(width)
        if epoch.segments:
            segment = epoch.segments[-1]
            self._cutter = Cutter(segment.number, segment.start_ms, self._last_pts_ms)

    def _jumps(self, rtp_time: int, at_ms: float) -> bool:
        return abs(self._scale.exact_ms(rtp_time) - at_ms) > JUMP_MS

    def _start(self, sequence: int, rtp_time: int, at_ms: float) -> None:
        self._scale = EpochScale(max(0, round(at_ms)), rtp_time, self.info.clock_rate)
        self._start_ms = at_ms
        self._first, self._last = sequence, (sequence - 1, rtp_time)
        self._last_pts_ms = -1

    def _advance(self, now_us: int, *, everything: bool = False) -> None:
        assert self._assembler is not None
        for item in self._assembler.take(now_us, everything=everything):
            if isinstance(item, Hole):
                span = [round(self._scale.exact_ms(item.before_rtp)), round(self._scale.exact_ms(item.after_rtp))]
                self._holes.append([item.first, item.last, *span])
                self._keyframe_due = True
            else:
                self._frame(item, now_us)

    def _frame(self, frame: Frame, now_us: int) -> None:
        pts_ms = max(self._last_pts_ms, self._scale.pts_ms(frame.rtp_time))  # a file's times never run backwards
        if frame.keyframe and self.info.kind == "video":
            self._keyframe(frame, pts_ms, now_us)
        if self._awaiting and self._media is None and self.info.kind == "video":
            self._last = (frame.last_sequence, frame.rtp_time)
            return
        if self._media is None:
            self._media = webm.Sound(2 if frame.data[0] & 4 else 1)
        self._awaiting = False
        self._last_pts_ms = pts_ms
        ended = self._cutter.add(frame, pts_ms, now_us)
        if ended is not None:
            self._part(ended, now_us)

    def _keyframe(self, frame: Frame, pts_ms: int, now_us: int) -> None:
        size = frame.size
        if size is None:
            return
        if self._awaiting:
            self._missing_start(pts_ms)
        self._media = webm.Picture(*size, self.info.codec, frame.private)
        self._keyframe_us, self._keyframe_due = now_us, False

    def _missing_start(self, until_ms: float) -> None:
        if self._awaiting and until_ms - self._start_ms > FIRST_KEYFRAME_MS:
            span = {"from_ms": round(self._start_ms), "to_ms": round(until_ms)}
            self._add(journal.GAP, {**span, "cause": "loss", "packets": 0})

    def _part(self, part: Part | None, now_us: int) -> None:
        if part is None or self._media is None:
            return
        video = self._media if isinstance(self._media, webm.Picture) else None
        size = [self._media.channels, 0] if isinstance(self._media, webm.Sound) else [*self._media[:2]]
        if not self._begun:
            self._begun, self._epoch = True, self._new_epoch()
            facts = {"origin_ms": self._scale.origin_ms, "rtp_origin": self._scale.rtp_origin, "size": size}
            codec = {"codec": self.info.codec, "clock_rate": self.info.clock_rate, "first": self._first}
            private = {"private": video.private.hex()} if video is not None and video.private else {}
            self._add(journal.EPOCH, {**facts, **codec, **private})
        self._last = (part.last_sequence, part.last_rtp)
        self._acknowledged = self._settled()
        line = {
            "segment": part.segment,
            "start_ms": part.start_ms,
            "end_ms": part.end_ms,
            "key": part.keyframe,
            "packets": part.packets,
            "first": part.first_sequence,
            "size": size,
            **self._finding(),
            "ack": self._acknowledged,
        }
        self._add(journal.PART, line, webm.header(self._media), webm.cluster(part.start_ms, part.blocks))
        self._emitted_us = now_us

    def _note(self, now_us: int) -> None:
        """Write down what is known besides parts, if anything is."""
        settled = self._settled()
        if self._begun and self._reports:
            self._add(journal.NOTE, {**self._finding(), "ack": settled})
        elif settled > self._acknowledged:
            self._add(journal.ACK, {"ack": settled})
        else:
            return
        self._acknowledged = max(self._acknowledged, settled)
        self._emitted_us = now_us

    def _finding(self, *, everything: bool = False) -> dict[str, Any]:
        """What is known besides frames. A hole behind the last frame waits: a restart would find it once more."""
        holes = [hole for hole in self._holes if everything or hole[1] <= self._last[0]]
        found = {
            "seq": self._last[0],
            "rtp": self._last[1],
            "utc_ms": self._utc_ms,
            "holes": holes,
            "reports": [list(report) for report in self._reports],
        }
        self._holes, self._reports = self._holes[len(holes) :], []
        return found

    def _settled(self) -> int:
        """The highest number up to which every packet is either given out or of no use."""
        kept = [entry for entry in self._pending if entry[1] > self._last[0]]
        self._pending = kept
        return kept[0][0] - 1 if kept else self.highest

    def _add(self, kind: str, facts: dict[str, Any], header: bytes = b"", data: bytes = b"") -> None:
        name = {"t": kind, "feed": self.feed, "track": self.info.track_id, "epoch": self._epoch}
        self._steps.append(Step({**name, **facts}, header, data))
