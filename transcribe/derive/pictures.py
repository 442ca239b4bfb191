# SPDX-License-Identifier: Apache-2.0
"""The pictures of one video track on the session clock, decoded as they are asked for."""

from __future__ import annotations

import hashlib
import io
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import av
import av.error
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from storage.manifest import Epoch, Segment, Track
from transcribe.audio import ReadSegment, session_ms
from transcribe.faults import TranscriptFault

_DECODERS = {"av1": "libdav1d"}
"""Codecs whose decoder has another name."""
_JUMP_MS = 3_000
"""A key frame that lies at least so far ahead, and not behind what is wanted, saves decoding what lies between."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One decoded picture; `number` tells it from all others of its track."""

    at_ms: float
    number: int
    frame: VideoFrame


@dataclass(frozen=True, slots=True)
class _Start:
    """A place where decoding can begin."""

    at_ms: int
    epoch: int
    segment: int
    offset: int
    """Of the cluster in the segment's file."""


class PictureTrack:
    """Gives the picture that is to be seen at a time. Going forward is cheap; going back decodes from a key frame."""

    def __init__(self, track: Track, read: ReadSegment) -> None:
        self._epochs = track.epochs
        self._read = read
        self._starts = _starts(track)
        self._last_read = ("", b"")
        self._number = 0
        self._now: Picture | None = None
        self._next: Picture | None = None
        self._coming: Iterator[Picture] = iter(())

    def at(self, time_ms: float) -> Picture | None:
        """The newest picture that is not later than `time_ms`. Raises TranscriptFault and StoreAwayFault."""
        self._perhaps_jump(time_ms)
        while self._next is not None and self._next.at_ms <= time_ms:
            self._now, self._next = self._next, next(self._coming, None)
        return self._now if self._now is not None and self._now.at_ms <= time_ms else None

    def _perhaps_jump(self, time_ms: float) -> None:
        n = bisect_right(self._starts, time_ms, key=lambda start: start.at_ms) - 1
        if n < 0:
            return
        start = self._starts[n]
        back = self._now is not None and time_ms < self._now.at_ms
        begun = self._now is not None or self._next is not None
        reached_ms = self._next.at_ms if self._next is not None else self._now.at_ms if self._now else -1e12
        if begun and not back and start.at_ms < reached_ms + _JUMP_MS:
            return
        self._now = None
        self._coming = self._decoded(start)
        self._next = next(self._coming, None)

    def _decoded(self, start: _Start) -> Iterator[Picture]:
        for e in range(start.epoch, len(self._epochs)):
            epoch = self._epochs[e]
            first = start.segment if e == start.epoch else 0
            decoder: VideoCodecContext | None = None
            for s in range(first, len(epoch.segments)):
                segment = epoch.segments[s]
                data = self._bytes(segment)
                if (e, s) == (start.epoch, start.segment):
                    data = data[: segment.header_bytes] + data[start.offset :]
                for packet, extradata in _packets(segment, data):
                    if decoder is None:
                        decoder = _decoder(epoch.codec, extradata)
                    yield from self._frames(epoch, decoder, packet)

    def _frames(self, epoch: Epoch, decoder: VideoCodecContext, packet: av.Packet[Any]) -> Iterator[Picture]:
        try:
            frames = decoder.decode(packet)
        except av.error.FFmpegError:
            return  # a picture that never came whole: the last one stays
        for frame in frames:
            if frame.pts is not None and frame.time_base is not None:
                self._number += 1
                yield Picture(session_ms(epoch, float(frame.pts * frame.time_base * 1000)), self._number, frame)

    def _bytes(self, segment: Segment) -> bytes:
        if self._last_read[0] != segment.key:
            self._last_read = (segment.key, checked(segment, self._read))
        return self._last_read[1]


def checked(segment: Segment, read: Callable[[str], bytes]) -> bytes:
    """The bytes of a segment, if they are those that were sealed."""
    data = read(segment.key)
    if hashlib.sha256(data).hexdigest() != segment.sha256:
        raise TranscriptFault("segment_damaged", f"The bytes of {segment.key} are not those that were sealed.")
    return data


def _starts(track: Track) -> list[_Start]:
    """All key frames, in order. An epoch whose list has none is begun at its beginning."""
    found = []
    for e, epoch in enumerate(track.epochs):
        keys = [
            _Start(part.start_ms, e, s, part.offset)
            for s, segment in enumerate(epoch.segments)
            for part in segment.parts
            if part.keyframe
        ]
        if not keys and epoch.segments:
            keys = [_Start(epoch.start_ms, e, 0, epoch.segments[0].header_bytes)]
        found += keys
    return sorted(found, key=lambda start: (start.epoch, start.at_ms))


def _packets(segment: Segment, data: bytes) -> Iterator[tuple[av.Packet[Any], bytes | None]]:
    try:
        with av.open(io.BytesIO(data), mode="r") as container:
            stream = container.streams.video[0]
            extradata = stream.codec_context.extradata
            for packet in container.demux(stream):
                if packet.size and packet.pts is not None:
                    yield packet, extradata
    except (av.error.FFmpegError, IndexError) as error:
        raise TranscriptFault("segment_unreadable", f"{segment.key} is not a readable recording: {error}.") from error


def _decoder(codec: str, extradata: bytes | None) -> VideoCodecContext:
    decoder = av.CodecContext.create(_DECODERS.get(codec, codec), "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.thread_count = 1  # no picture is held back, and calls keep their processors
    if extradata:
        decoder.extradata = extradata
    return decoder
