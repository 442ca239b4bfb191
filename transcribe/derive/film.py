# SPDX-License-Identifier: Apache-2.0
"""The composite video: chunks of a minute, each encoded by itself, then joined without a second encoding of pictures.

A chunk is a Matroska file of H.264 and lossless sound: losing one costs a minute of work, and sound that is encoded
once, at the joining, has no seams. All chunks of a film have the same encoder's header, which joining checks.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from storage.manifest import Manifest
from transcribe.audio import ReadSegment
from transcribe.derive.captions import Captions
from transcribe.derive.composer import Composer, Style, Tell
from transcribe.derive.pictures import PictureTrack
from transcribe.derive.scenes import Plan, plan
from transcribe.derive.sound import RATE_HZ, SoundTrack, mixed
from transcribe.faults import TranscriptFault

FRAMES_PER_SECOND = 15
CHUNK_S = 60
AUDIO_BIT_RATE = 64_000
X264 = {"preset": "veryfast", "crf": "25", "bf": "0", "threads": "1", "profile": "high"}
"""One thread: calls go first. No B-frames: pictures are stored in the order in which they are shown."""
_SAMPLES = RATE_HZ // FRAMES_PER_SECOND
_AAC_SAMPLES = 1024
_TELL_EVERY_FRAMES = 15


def options() -> dict[str, Any]:
    """Everything that shapes the film, for its recipe."""
    style = Style()
    return {
        "width": style.width,
        "height": style.height,
        "frames_per_second": FRAMES_PER_SECOND,
        "x264": dict(X264),
        "aac_bit_rate": AUDIO_BIT_RATE,
        "chunk_s": CHUNK_S,
    }


class Film:
    """The film of one recording."""

    def __init__(self, manifest: Manifest, captions: Captions, read: ReadSegment) -> None:
        """Raises TranscriptFault `nothing_recorded`."""
        self.plan: Plan = plan(manifest, FRAMES_PER_SECOND)
        if not self.plan.frames:
            raise TranscriptFault("nothing_recorded", "Nothing was recorded in this session.")
        videos = [track for track in manifest.tracks if track.kind == "video" and track.segments()]
        sounds = [track for track in manifest.tracks if track.kind == "audio" and track.segments()]
        self._sounds = [SoundTrack(track, read) for track in sounds]
        pictures = {track.track_id: PictureTrack(track, read) for track in videos}
        self._composer = Composer(Style(), captions, pictures)

    @property
    def chunks(self) -> int:
        """How many chunks the film has."""
        return -(-self.plan.frames // (CHUNK_S * FRAMES_PER_SECOND))

    def make(self, number: int, path: Path, tell: Tell) -> None:
        """Write one chunk. Raises TranscriptFault, StoreAwayFault, OSError."""
        first = number * CHUNK_S * FRAMES_PER_SECOND
        last = min(first + CHUNK_S * FRAMES_PER_SECOND, self.plan.frames)
        with av.open(str(path), "w", format="matroska") as box:
            video, audio = _video_stream(box), box.add_stream("flac", rate=RATE_HZ, layout="mono")
            for frame in range(first, last):
                scene = self.plan.scene_at(frame)
                picture = self._composer.draw(scene, self.plan.session_ms(frame)).frame()
                picture.pts, picture.time_base = frame - first, Fraction(1, FRAMES_PER_SECOND)
                box.mux(video.encode(picture))
                if (frame - first) % FRAMES_PER_SECOND == 0:
                    count = min(FRAMES_PER_SECOND, last - frame)
                    sound = _sound_frame(self._heard(frame, count), (frame - first) * _SAMPLES)
                    box.mux(audio.encode(sound))
                    if (frame - first) % _TELL_EVERY_FRAMES == 0:
                        tell((frame - first) / (last - first))
            box.mux(video.encode(None))
            box.mux(audio.encode(None))

    def _heard(self, first: int, count: int) -> np.ndarray[Any, np.dtype[np.int16]]:
        """The sound of so many frames."""
        found = np.zeros(count * _SAMPLES, np.int16)
        at = first
        while at < first + count:
            scene = self.plan.scene_at(at)
            until = min(first + count, scene.first_frame + scene.frames)
            if not scene.cause:
                samples = (until - at) * _SAMPLES
                voices = (sound.read(self.plan.session_ms(at), samples) for sound in self._sounds)
                start = (at - first) * _SAMPLES
                found[start : start + samples] = mixed(voices, samples)
            at = until
        return found


def join(chunks: Sequence[Path], path: Path, metadata: dict[str, str], tell: Tell) -> int:
    """One MP4 of all chunks, its index in front; returns the number of pictures. Raises TranscriptFault, OSError."""
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as box:
        box.metadata.update(metadata)
        with av.open(str(chunks[0])) as first:
            header = first.streams.video[0].codec_context.extradata
            video = box.add_stream_from_template(first.streams.video[0])
        video.time_base = Fraction(1, FRAMES_PER_SECOND)
        audio = box.add_stream("aac", rate=RATE_HZ, layout="mono")
        audio.bit_rate = AUDIO_BIT_RATE
        frames, sound = 0, _Sound(audio)
        for number, chunk in enumerate(chunks):
            tell(number / len(chunks))
            with av.open(str(chunk)) as source:
                if source.streams.video[0].codec_context.extradata != header:
                    raise TranscriptFault("chunks_differ", f"{chunk.name} was not encoded like the chunks before it.")
                for packet in source.demux(source.streams.video[0], source.streams.audio[0]):
                    if packet.stream.type == "video":
                        if packet.size:
                            packet.time_base = Fraction(1, FRAMES_PER_SECOND)
                            packet.pts = packet.dts = frames
                            packet.duration, packet.stream = 1, video
                            frames += 1
                            box.mux(packet)
                    else:
                        for decoded in packet.decode():
                            box.mux(sound.encode(decoded))
        box.mux(sound.end())
    return frames


class _Sound:
    """Sound of all chunks through one encoder, in the pieces that it wants."""

    def __init__(self, stream: AudioStream) -> None:
        self._stream = stream
        self._fifo = av.AudioFifo()
        self._written = 0

    def encode(self, frame: Any) -> list[av.Packet[Any]]:
        frame.pts = None
        self._fifo.write(frame)
        return self._encoded(self._fifo.read_many(_AAC_SAMPLES))

    def end(self) -> list[av.Packet[Any]]:
        rest = self._fifo.read(partial=True)
        return [*self._encoded([rest] if rest is not None else []), *self._stream.encode(None)]

    def _encoded(self, frames: list[Any]) -> list[av.Packet[Any]]:
        found: list[av.Packet[Any]] = []
        for frame in frames:
            frame.pts, frame.time_base = self._written, Fraction(1, RATE_HZ)
            self._written += frame.samples
            found += self._stream.encode(frame)
        return found


def _video_stream(box: av.container.OutputContainer) -> VideoStream:
    style = Style()
    video = box.add_stream("libx264", rate=FRAMES_PER_SECOND)
    video.width, video.height, video.pix_fmt = style.width, style.height, "yuv420p"
    video.codec_context.time_base = Fraction(1, FRAMES_PER_SECOND)
    video.codec_context.thread_count = 1
    video.options = {**X264, "g": str(FRAMES_PER_SECOND * 4)}
    return video


def _sound_frame(samples: np.ndarray[Any, np.dtype[np.int16]], at: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(samples[None, :], "s16", "mono")
    frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, at, Fraction(1, RATE_HZ)
    return frame
