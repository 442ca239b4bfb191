# SPDX-License-Identifier: Apache-2.0
"""The sound of one track on the session clock at 48 kHz, stretch by stretch, and all voices as one."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame

from storage.manifest import Epoch, Segment, Track
from transcribe.audio import ReadSegment, session_ms
from transcribe.derive.pictures import checked
from transcribe.faults import TranscriptFault

RATE_HZ = 48_000
Samples = npt.NDArray[np.float32]
_PREROLL_MS = 120
"""Opus needs 80 ms before it sounds right (RFC 7845 section 4.6)."""
_SLACK = RATE_HZ * 40 // 1000
"""A frame so near its place is put right after the one before."""
_KNEE = 0.8
"""Below this the sum of the voices is left as it is; above, it is bent so that it never reaches 1."""


class SoundTrack:
    """Sound of one track, anywhere in it."""

    def __init__(self, track: Track, read: ReadSegment) -> None:
        self._epochs = track.epochs
        self._read = read
        self._last_read = ("", b"")

    def read(self, from_ms: float, count: int) -> Samples:
        """`count` samples from there, silence where nothing was received. Raises TranscriptFault, StoreAwayFault."""
        samples = np.zeros(count, np.float32)
        to_ms = from_ms + count * 1000 / RATE_HZ
        for epoch in self._epochs:
            if epoch.end_ms > from_ms - _PREROLL_MS and epoch.start_ms < to_ms + _PREROLL_MS:
                self._read_epoch(epoch, from_ms, to_ms, samples)
        return samples

    def _read_epoch(self, epoch: Epoch, from_ms: float, to_ms: float, samples: Samples) -> None:
        decoder: AudioCodecContext | None = None
        place: int | None = None
        for segment in epoch.segments:
            if segment.end_ms <= from_ms - _PREROLL_MS or segment.start_ms >= to_ms + _PREROLL_MS:
                continue
            for packet, extradata in self._packets(segment):
                at_ms = session_ms(epoch, _at_ms(packet))
                if not from_ms - _PREROLL_MS <= at_ms < to_ms:
                    continue
                decoder = decoder or _decoder(epoch.codec, extradata)
                for frame in _decoded(decoder, packet):
                    wanted = round((at_ms - from_ms) * RATE_HZ / 1000)
                    place = wanted if place is None or abs(wanted - place) > _SLACK else place
                    place = _put(samples, place, _mono(frame))

    def _packets(self, segment: Segment) -> Iterator[tuple[av.Packet[Any], bytes | None]]:
        if self._last_read[0] != segment.key:
            self._last_read = (segment.key, checked(segment, self._read))
        try:
            with av.open(io.BytesIO(self._last_read[1]), mode="r") as container:
                stream = container.streams.audio[0]
                extradata = stream.codec_context.extradata
                for packet in container.demux(stream):
                    if packet.size and packet.pts is not None:
                        # Without the demuxer's wish to skip the codec's delay at the start of every file.
                        copy: av.Packet[Any] = av.Packet(bytes(packet))
                        copy.pts, copy.time_base = packet.pts, packet.time_base
                        yield copy, extradata
        except (av.error.FFmpegError, IndexError) as error:
            sentence = f"{segment.key} is not a readable recording: {error}."
            raise TranscriptFault("segment_unreadable", sentence) from error


def mixed(voices: Iterable[Samples], count: int) -> npt.NDArray[np.int16]:
    """All voices together as 16-bit samples; never clipped."""
    total = np.zeros(count, np.float32)
    for voice in voices:
        total += voice
    size = np.abs(total)
    bent = _KNEE + (1 - _KNEE) * np.tanh((size - _KNEE) / (1 - _KNEE))
    return (np.sign(total) * np.where(size > _KNEE, bent, size) * 32_767).astype(np.int16)


def _put(samples: Samples, place: int, sound: Samples) -> int:
    first, last = max(0, place), min(len(samples), place + len(sound))
    if last > first:
        samples[first:last] = sound[first - place : last - place]
    return place + len(sound)


def _mono(frame: AudioFrame) -> Samples:
    """One channel of numbers from -1 to 1 at 48 kHz, which is what Opus always decodes to."""
    if frame.sample_rate != RATE_HZ or frame.format.name not in ("fltp", "flt", "s16", "s16p"):
        frame.pts, frame.time_base = None, Fraction(1, frame.sample_rate)
        frame = av.AudioResampler("fltp", "mono", RATE_HZ).resample(frame)[0]
    values = frame.to_ndarray()
    if not frame.format.is_planar:
        values = values.reshape(-1, frame.layout.nb_channels).T
    scale = 32_768.0 if frame.format.name.startswith("s16") else 1.0
    mono: Samples = (values.astype(np.float32) / scale).mean(axis=0).astype(np.float32)
    return mono


def _at_ms(packet: av.Packet[Any]) -> float:
    assert packet.pts is not None and packet.time_base is not None, "both were copied"
    return float(packet.pts * packet.time_base * 1000)


def _decoded(decoder: AudioCodecContext, packet: av.Packet[Any]) -> list[AudioFrame]:
    try:
        return decoder.decode(packet)
    except av.error.FFmpegError:
        return []  # silence stands in its place


def _decoder(codec: str, extradata: bytes | None) -> AudioCodecContext:
    decoder = av.CodecContext.create(codec, "r")
    assert isinstance(decoder, AudioCodecContext)
    if extradata:
        decoder.extradata = extradata
    return decoder
