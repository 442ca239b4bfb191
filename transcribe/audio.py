# SPDX-License-Identifier: Apache-2.0
"""Recorded segments to 16 kHz mono samples on the session clock, with silence where nothing was received.

The samples go to a sparse file that starts at 0 ms of the session clock, so a place in the file is a time and hours of
silence cost no disk. Epoch by epoch, segment by segment: memory does not grow with the length of the session.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import av
import av.error
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame

from storage.manifest import Epoch, Segment, Track
from transcribe.faults import TranscriptFault

RATE_HZ = 16_000
_SLACK_MS = 40.0
"""A frame so near its place is put right after the one before: jitter of the timestamps must not cut the sound."""
_JOIN_RANGES_MS = 30_000
"""Stretches nearer than this are one range; the engine sees the silence between them."""

ReadSegment = Callable[[str], bytes]
"""Bytes of the object with that key. Raises TranscriptFault (segment_missing) or StoreAwayFault."""


@dataclass(slots=True)
class TrackAudio:
    """A decoded track: `path` holds 16-bit little-endian samples from 0 ms, `ranges_ms` says where there is sound."""

    path: Path
    ranges_ms: list[tuple[int, int]] = field(default_factory=list)
    packets: int = 0
    packets_bad: int = 0
    """Packets that the codec refused; silence stands in their place."""


def session_ms(epoch: Epoch, pts_ms: float) -> float:
    """A segment's timestamp on the session clock, with the clock fit that was found at the seal."""
    clock = epoch.clock
    if clock is None:
        return pts_ms
    return pts_ms + clock.offset_ms + clock.rate_ppm * 1e-6 * (pts_ms - epoch.origin_ms)


def decode_track(track: Track, read: ReadSegment, path: Path) -> TrackAudio:
    """Decodes all epochs of an audio track into `path`.

    Raises TranscriptFault: segment_missing, segment_damaged (digest differs from the manifest), segment_unreadable.
    """
    audio = TrackAudio(path)
    with path.open("wb") as target:
        line = _TimeLine(target, audio)
        for epoch in track.epochs:
            _decode_epoch(epoch, read, line)
            line.end_run()
    return audio


def _decode_epoch(epoch: Epoch, read: ReadSegment, line: _TimeLine) -> None:
    decoder: AudioCodecContext | None = None
    for segment in epoch.segments:
        good = 0
        total = 0
        for packet, extradata in _packets(segment, _checked(segment, read)):
            if decoder is None:
                decoder = _decoder(epoch.codec, extradata)
            total += 1
            try:
                frames = decoder.decode(packet)
            except av.error.FFmpegError:
                continue
            good += 1
            for frame in frames:
                _place(epoch, frame, line)
        line.audio.packets += total
        line.audio.packets_bad += total - good
        if total and not good:
            raise TranscriptFault("segment_unreadable", f"No packet of {segment.key} can be decoded.")


def _place(epoch: Epoch, frame: AudioFrame, line: _TimeLine) -> None:
    if frame.pts is not None and frame.time_base is not None:
        line.put(frame, session_ms(epoch, float(frame.pts * frame.time_base * 1000)))


def _checked(segment: Segment, read: ReadSegment) -> bytes:
    data = read(segment.key)
    if hashlib.sha256(data).hexdigest() != segment.sha256:
        raise TranscriptFault("segment_damaged", f"The bytes of {segment.key} are not those that were sealed.")
    return data


def _packets(segment: Segment, data: bytes) -> Iterator[tuple[av.Packet[Any], bytes | None]]:
    try:
        with av.open(io.BytesIO(data), mode="r") as container:
            stream = container.streams.audio[0]
            extradata = stream.codec_context.extradata
            for packet in container.demux(stream):
                if packet.size and packet.pts is not None:
                    # A packet of its own: the demuxer's asks the decoder to skip the codec's delay at the start of
                    # each file, but the segments of an epoch are one stream.
                    copy: av.Packet[Any] = av.Packet(bytes(packet))
                    copy.pts, copy.time_base = packet.pts, packet.time_base
                    yield copy, extradata
    except (av.error.FFmpegError, IndexError) as error:
        raise TranscriptFault("segment_unreadable", f"{segment.key} is not a readable recording: {error}.") from error


def _decoder(codec: str, extradata: bytes | None) -> AudioCodecContext:
    decoder = av.CodecContext.create(codec, "r")
    assert isinstance(decoder, AudioCodecContext)
    if extradata:
        decoder.extradata = extradata
    return decoder


class _TimeLine:
    """Writes frames where they belong; a run is a stretch without a gap and has one resampler."""

    def __init__(self, target: IO[bytes], audio: TrackAudio) -> None:
        self.audio = audio
        self._target = target
        self._resampler: av.AudioResampler | None = None
        self._next_ms = 0.0
        self._run_start_ms = 0
        self._position = 0  # samples in the file

    def put(self, frame: AudioFrame, at_ms: float) -> None:
        """Appends `frame` to the run, or starts a new one at `at_ms`; what comes twice is dropped."""
        length_ms = frame.samples * 1000 / frame.sample_rate
        if self._resampler is not None and at_ms < self._next_ms - _SLACK_MS:
            return
        if self._resampler is None or at_ms > self._next_ms + _SLACK_MS:
            self.end_run()
            self._start_run(at_ms)
        assert self._resampler is not None
        self._next_ms += length_ms
        frame.pts, frame.time_base = None, Fraction(1, frame.sample_rate)
        self._write(self._resampler.resample(frame))

    def end_run(self) -> None:
        """Writes what the resampler still holds."""
        if self._resampler is not None:
            self._write(self._resampler.resample(None))
            self._resampler = None
            self._extend_ranges()

    def _start_run(self, at_ms: float) -> None:
        start = max(round(at_ms * RATE_HZ / 1000), self._position, 0)
        self._position = start
        self._next_ms = at_ms
        self._run_start_ms = start * 1000 // RATE_HZ
        self._target.seek(start * 2)
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)

    def _write(self, frames: list[AudioFrame]) -> None:
        for frame in frames:
            samples = frame.to_ndarray()[0].astype(np.dtype("<i2"))
            self._target.write(samples.tobytes())
            self._position += len(samples)

    def _extend_ranges(self) -> None:
        ranges, end_ms = self.audio.ranges_ms, -(-self._position * 1000 // RATE_HZ)
        if ranges and self._run_start_ms - ranges[-1][1] < _JOIN_RANGES_MS:
            ranges[-1] = (ranges[-1][0], end_ms)
        else:
            ranges.append((self._run_start_ms, end_ms))
