# SPDX-License-Identifier: Apache-2.0
"""Sealed recordings in a real store, as the recorder leaves them, made from sound files without transcoding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av

from mediaserver.recording.segments import PART_MS, SEGMENT_MS, Block
from mediaserver.recording.webm import Sound as WebmSound
from mediaserver.recording.webm import cluster, header
from storage import layout, manifest
from storage.files import digests_of_bytes
from storage.objects import ObjectStore
from storage.seal import load_key, seal
from storage.settings import Settings

ORIGIN_UTC_MS = 1_780_000_000_000


@dataclass(frozen=True)
class Sound:
    """What one peer's microphone heard: an Ogg Opus file that starts at `start_ms` of the session clock."""

    peer_id: str
    name: str
    path: Path
    start_ms: int = 0
    limit_ms: int | None = None
    """Only so much from the beginning of the file."""
    file_ahead_ms: float = 0.0
    """How far the time stamps in the files run ahead of the session clock, as the sealed clock fit says."""


@dataclass(frozen=True)
class _Packet:
    data: bytes
    at_ms: int


def opus_packets(path: Path) -> tuple[list[_Packet], int]:
    """All packets of an Ogg Opus file with their place from its start, and the length in ms."""
    packets: list[_Packet] = []
    at = 0
    with av.open(str(path)) as box:
        for packet in box.demux(box.streams.audio[0]):
            if packet.size:
                packets.append(_Packet(bytes(packet), at * 1000 // 48_000))
                at += packet.duration or 960
    return packets, at * 1000 // 48_000


def webm(packets: Sequence[_Packet], add_ms: int) -> tuple[bytes, tuple[manifest.Part, ...]]:
    """One segment with the packets at their times, each `add_ms` later, and its parts as the recorder cuts them."""
    data = header(WebmSound(1))
    parts: list[manifest.Part] = []
    for start, piece in _seconds(packets):
        written = cluster(start + add_ms, [Block(item.at_ms + add_ms, True, item.data) for item in piece])
        parts.append(manifest.Part(len(data), len(written), start + add_ms, True))
        data += written
    return data, tuple(parts)


def _seconds(packets: Sequence[_Packet]) -> Iterator[tuple[int, list[_Packet]]]:
    piece: list[_Packet] = []
    for item in packets:
        if piece and item.at_ms - piece[0].at_ms >= PART_MS:
            yield piece[0].at_ms, piece
            piece = []
        piece.append(item)
    if piece:
        yield piece[0].at_ms, piece


def put_recording(
    settings: Settings, store: ObjectStore, session_id: str, sounds: Sequence[Sound]
) -> manifest.Manifest:
    """Writes the segments of all sounds and the sealed manifest. Returns the manifest."""
    tracks = tuple(_track(settings, store, session_id, sound) for sound in sounds)
    end_ms = max((epoch.end_ms for track in tracks for epoch in track.epochs), default=0)
    unsealed = manifest.Manifest(
        version=1,
        county=settings.county,
        session_id=session_id,
        room=session_id,
        origin_utc_ms=ORIGIN_UTC_MS,
        ended_utc_ms=ORIGIN_UTC_MS + end_ms,
        software="tests",
        server_boots=("boot",),
        peers=tuple(manifest.Peer(sound.peer_id, sound.name, "") for sound in sounds),
        tracks=tracks,
        gaps=(),
        events=(),
        complete=True,
    )
    sealed = seal(unsealed, load_key(settings.secrets_dir), ORIGIN_UTC_MS + end_ms)
    store.put_bytes(layout.manifest_key(settings.county, session_id), sealed.to_bytes(), "application/json")
    return sealed


def _track(settings: Settings, store: ObjectStore, session_id: str, sound: Sound) -> manifest.Track:
    packets, length_ms = opus_packets(sound.path)
    if sound.limit_ms is not None:
        packets, length_ms = [item for item in packets if item.at_ms < sound.limit_ms], sound.limit_ms
    track_id = layout.track_id(sound.peer_id, "mic")
    segments = []
    chain = ""
    for number, piece in enumerate(_pieces(packets)):
        data, parts = webm(piece, sound.start_ms + round(sound.file_ahead_ms))
        key = layout.segment_key(settings.county, session_id, track_id, 1, number)
        store.put_bytes(key, data, "video/webm")
        digests = digests_of_bytes(data)
        chain = manifest.next_chain(chain, digests.sha256)
        start_ms = sound.start_ms + piece[0].at_ms
        place = (key, number, start_ms, sound.start_ms + piece[-1].at_ms + 20, len(data), parts[0].offset)
        segments.append(manifest.Segment(*place, digests.sha256, digests.sm3, chain, parts, len(piece), 0))
    clock = manifest.Clock(offset_ms=-sound.file_ahead_ms, sender_reports=5)
    epoch = manifest.Epoch(
        1, "opus", 48_000, sound.start_ms, sound.start_ms, sound.start_ms + length_ms, clock, tuple(segments)
    )
    return manifest.Track(track_id, sound.peer_id, "mic", "audio", (epoch,))


def _pieces(packets: Sequence[_Packet]) -> Iterator[list[_Packet]]:
    piece: list[_Packet] = []
    for item in packets:
        if piece and item.at_ms - piece[0].at_ms >= SEGMENT_MS:
            yield piece
            piece = []
        piece.append(item)
    if piece:
        yield piece


def write_silence(path: Path, length_ms: int) -> None:
    """An Ogg Opus file of digital silence, as a muted microphone sends it."""
    with av.open(str(path), "w", format="ogg") as box:
        stream = box.add_stream("libopus", rate=48_000, layout="mono")
        for start in range(0, length_ms * 48, 960):
            frame = av.AudioFrame(format="s16", layout="mono", samples=960)
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            frame.sample_rate, frame.pts = 48_000, start
            box.mux(stream.encode(frame))
        box.mux(stream.encode(None))
