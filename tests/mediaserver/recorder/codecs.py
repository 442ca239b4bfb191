# SPDX-License-Identifier: Apache-2.0
"""Sealed recordings of cameras of each wanted codec and of a microphone, made from RTP by the recorder's own code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from mediaserver.recording import feed
from mediaserver.rtp import packet as rtp
from storage.manifest import Manifest
from tests.faults.recording import COUNTY, SESSION, UTC_MS, Clock, Script, assert_green, begun, finish, settings_of
from tests.faults.recording import surroundings as surroundings_of
from tests.faults.store import FolderStore
from tests.video import encode, payloads

FRAMES_PER_S = 30
SOUND_MS = 20
_STEP_MS = 100
"""So much of all media comes between two looks at the disk."""
Due = tuple[float, bytes]
"""When a packet arrives, in ms from the start, and the packet."""


@dataclass(frozen=True)
class _Source:
    """One stream: its track, and what of it comes from `begins_ms` on."""

    track_id: str
    codec: str
    due: list[Due]
    begins_ms: int = 0


async def recorded(
    folder: Path, codecs: Sequence[str], frames: int, size: tuple[int, int], *, key_every: int = 15, sound: bool = False
) -> tuple[Manifest, FolderStore]:
    """So many pictures of each camera, each with a bar that grows by nine pixels. The store is the folder `objects`."""
    sources = [
        _Source(f"{codec}-cam", codec, list(_pictures(number, codec, frames, size, key_every)))
        for number, codec in enumerate(codecs, 1)
    ]
    if sound:
        due = list(_sound(len(sources) + 1, frames * 1_000 // FRAMES_PER_S))
        sources.append(_Source("voice-mic", "opus", due))
    return await _record(folder, sources)


async def one_after_another(
    folder: Path, codecs: Sequence[str], frames: int, size: tuple[int, int]
) -> tuple[Manifest, FolderStore]:
    """One camera that sends so many pictures of each codec in turn, as a page does that publishes anew."""
    length_ms = frames * 1_000 // FRAMES_PER_S
    return await _record(
        folder,
        [
            _Source("p-cam", codec, list(_pictures(number, codec, frames, size, 15)), (number - 1) * length_ms)
            for number, codec in enumerate(codecs, 1)
        ],
    )


async def _record(folder: Path, sources: Sequence[_Source]) -> tuple[Manifest, FolderStore]:
    clock, store = Clock(), FolderStore(folder / "objects")
    with surroundings_of(store, clock):
        recorder = begun(settings_of(folder))
        script = Script(recorder, clock, None)
        script.order("on")
        sent = dict.fromkeys(range(1, len(sources) + 1), -1)
        while any(sent[number] < len(source.due) for number, source in enumerate(sources, 1)):
            clock.ms += _STEP_MS
            for number, source in enumerate(sources, 1):
                sent[number] = _send(script, number, source, sent[number], clock.ms)
            await recorder.commit()
        script.order("stopped")
        await finish(recorder, clock)
        await recorder.close()
    return assert_green(folder, store), store


def _send(script: Script, number: int, source: _Source, sent: int, until_ms: int) -> int:
    """What is due until then, after so many packets; -1: its track is not open yet. Returns how many are sent now."""
    if sent < 0:
        if source.begins_ms >= until_ms:
            return sent
        _open(script, number, source.track_id, source.codec)
        sent = 0
    before = sent
    while sent < len(source.due) and source.begins_ms + source.due[sent][0] < until_ms:
        at_ms, packet = source.due[sent]
        sent += 1
        arrival_us = (UTC_MS + source.begins_ms) * 1_000 + int(at_ms * 1_000)
        script.take(feed.encode_packet(number, sent, packet, arrival_us))
    if before < sent == len(source.due):
        body = {"number": number, "utc_ms": UTC_MS + until_ms}
        script.take(feed.encode_json(feed.Kind.CLOSE, feed.CONTROL_TRACK, next(script.control), body))
    return sent


def _open(script: Script, number: int, track_id: str, codec: str) -> None:
    peer, source = track_id.rsplit("-", 1)
    kind, rate, payload_type = ("audio", 48_000, 111) if codec == "opus" else ("video", 90_000, 96)
    track = {
        "track_id": track_id, "peer_id": peer, "peer_name": peer, "place": "室", "source": source, "kind": kind,
        "codec": codec, "clock_rate": rate, "payload_type": payload_type, "ssrc": number, "cname": "", "extensions": {},
    }  # fmt: skip
    body = {"session": feed.session_json(feed.SessionRef(COUNTY, SESSION, SESSION)), "number": number, "track": track}
    script.take(feed.encode_json(feed.Kind.OPEN, feed.CONTROL_TRACK, next(script.control), body))


def _pictures(ssrc: int, codec: str, frames: int, size: tuple[int, int], key_every: int) -> Iterator[Due]:
    sequence = 0
    for index, frame in enumerate(encode(codec, frames, *size, key_every=key_every)):
        parts = payloads(codec, frame, index % key_every == 0)
        for part, payload in enumerate(parts):
            sequence += 1
            packet = rtp.build(
                payload_type=96, sequence_number=sequence, timestamp=index * 90_000 // FRAMES_PER_S, ssrc=ssrc,
                payload=payload, marker=part == len(parts) - 1,
            )  # fmt: skip
            yield index * 1_000 / FRAMES_PER_S, bytes(packet)


def _sound(ssrc: int, length_ms: int) -> Iterator[Due]:
    """A tone of 440 Hz."""
    context = av.CodecContext.create("libopus", "w")
    assert isinstance(context, av.AudioCodecContext)
    context.sample_rate, context.layout, context.format = 48_000, "mono", "s16"
    context.options = {"frame_duration": str(SOUND_MS)}
    context.time_base = Fraction(1, 48_000)
    size, index = 48 * SOUND_MS, 0
    for place in range(length_ms // SOUND_MS):
        wave = np.sin(2 * np.pi * 440 * (np.arange(size) + place * size) / 48_000)
        frame = av.AudioFrame.from_ndarray((wave * 8_000).astype(np.int16)[None, :], format="s16", layout="mono")
        frame.sample_rate, frame.pts = 48_000, place * size
        for found in context.encode(frame):
            packet = rtp.build(
                payload_type=111, sequence_number=index, timestamp=index * size, ssrc=ssrc, payload=bytes(found)
            )
            yield float(index * SOUND_MS), bytes(packet)
            index += 1
