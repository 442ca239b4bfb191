# SPDX-License-Identifier: Apache-2.0
"""A sealed recording as a player needs it: what lies where, from when to when, and what is missing."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from storage.checking.sources import MANIFEST_LIMIT_BYTES
from storage.integrity_code import integrity_code
from storage.manifest import Epoch, Manifest, ManifestFault, Segment, Track
from storage.objects import SHA256, DigestMismatch, ObjectMissing
from storage.seal import SealBroken, load_key, read_sealed
from web.casework import marks
from web.media.store import StoreDoor

log = structlog.get_logger(__name__)

KEPT: Final = 16
"""Manifests kept in memory; one of a three-hour session with many tracks takes some megabytes."""
MIME: Final = {
    "vp8": 'video/webm; codecs="vp8"',
    "vp9": 'video/webm; codecs="vp9"',
    "av1": 'video/webm; codecs="av01.0.08M.08"',
    "h264": 'video/x-matroska; codecs="avc1.64001f"',
    "opus": 'audio/webm; codecs="opus"',
}


class RecordDamaged(Exception):
    """What the store holds is not what was sealed. The text is one sentence for the technician."""


class RecordMissing(Exception):
    """The store does not hold the manifest that was noted when the session was sealed."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A manifest whose seal was found good against this installation's own key."""

    manifest: Manifest
    sha256: str
    public_key: str

    def segment(self, track_id: str, epoch: int, segment: int) -> Segment | None:
        """That segment, None when the manifest does not list it."""
        for track in self.manifest.tracks:
            for found in track.epochs:
                if (track.track_id, found.epoch) == (track_id, epoch):
                    return next((item for item in found.segments if item.segment == segment), None)
        return None


class ManifestShelf:
    """Verified manifests by key; read again when the stored object has another digest."""

    def __init__(self, store: StoreDoor, secrets_dir: Path, count: Callable[[str], None]) -> None:
        self._store, self._secrets_dir, self._count = store, secrets_dir, count
        self._kept: OrderedDict[str, Sealed] = OrderedDict()
        self._public_key = ""

    async def fresh(self, key: str, county: str, session_id: str) -> Sealed:
        """The manifest as it is stored now. Raises StoreError, RecordMissing, RecordDamaged."""
        try:
            declared = (await self._store.stat(key)).metadata.get(SHA256, "")
            kept = self._kept.get(key)
            if kept is not None and kept.sha256 == declared:
                self._kept.move_to_end(key)
                return kept
            data = await self._store.call(lambda store: store.read_bytes(key, MANIFEST_LIMIT_BYTES))
        except ObjectMissing:
            self._count("manifest_missing")
            raise RecordMissing(key) from None
        except DigestMismatch as fault:
            raise self._damaged(key, fault) from None
        try:
            sealed = await self._store.run(lambda: self._verified(data, county, session_id))
        except (ManifestFault, SealBroken) as fault:
            raise self._damaged(key, fault) from None
        self._kept[key] = sealed
        self._kept.move_to_end(key)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return sealed

    async def known(self, key: str, county: str, session_id: str) -> Sealed:
        """The manifest, from memory where it is there: for the many small reads of one viewing."""
        kept = self._kept.get(key)
        return kept if kept is not None else await self.fresh(key, county, session_id)

    def _damaged(self, key: str, fault: Exception) -> RecordDamaged:
        self._count("manifest_damaged")
        log.error("manifest_damaged", key=key, reason=str(fault))
        return RecordDamaged(str(fault))

    def _verified(self, data: bytes, county: str, session_id: str) -> Sealed:
        if not self._public_key:
            self._public_key = load_key(self._secrets_dir).public_key().public_bytes_raw().hex()
        manifest = read_sealed(data, self._public_key)
        if (manifest.county, manifest.session_id) != (county, session_id):
            raise SealBroken("The manifest belongs to another session.")
        return Sealed(manifest, hashlib.sha256(data).hexdigest(), self._public_key)


def description_json(sealed: Sealed, session_id: str, duration_ms: int | None) -> bytes:
    """Answer of `/playback`. Long for a long session: make it in a thread."""
    manifest, seal = sealed.manifest, sealed.manifest.seal
    assert seal is not None, "only a sealed manifest is verified"
    marked = marks.told((event.type, event.data, event.at_ms) for event in manifest.events)
    value = {
        "origin_utc_ms": manifest.origin_utc_ms,
        "duration_ms": duration_ms if duration_ms is not None else end_ms(manifest),
        "complete": manifest.complete,
        "public_key": sealed.public_key,
        "manifest_sha256": sealed.sha256,
        "integrity_code": integrity_code(sealed.sha256),
        "sealed_utc_ms": seal.sealed_utc_ms,
        "peers": [{"peer_id": peer.peer_id, "name": peer.name, "place": peer.place} for peer in manifest.peers],
        "tracks": [_track(track, session_id) for track in manifest.tracks],
        "gaps": [
            {
                "track_id": gap.track_id,
                "from_ms": gap.from_ms,
                "to_ms": gap.to_ms,
                "cause": gap.cause,
                "packets": gap.packets,
            }
            for gap in manifest.gaps
        ],
        "events": [{"at_ms": event.at_ms, "type": event.type, "data": event.data} for event in manifest.events],
        "markers": [{"id": item.id, "label": item.label, "at_ms": item.at_ms} for item in marked.markers],
        "sections": [
            {"id": item.id, "label": item.label, "from_ms": item.from_ms, "to_ms": item.to_ms}
            for item in marked.sections
        ],
    }
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def end_ms(manifest: Manifest) -> int:
    """Where the last recorded medium ends on the session clock."""
    return max((epoch.end_ms for track in manifest.tracks for epoch in track.epochs), default=0)


def _track(track: Track, session_id: str) -> dict[str, Any]:
    return {
        "track_id": track.track_id,
        "peer_id": track.peer_id,
        "source": track.source,
        "kind": track.kind,
        "epochs": [_epoch(epoch, track.track_id, session_id) for epoch in track.epochs],
    }


def _epoch(epoch: Epoch, track_id: str, session_id: str) -> dict[str, Any]:
    return {
        "epoch": epoch.epoch,
        "codec": epoch.codec,
        "mime": MIME[epoch.codec],
        # session time = time stamp + offset + rate × (time stamp − origin); see storage.manifest.Clock
        "timestamp_offset_ms": epoch.clock.offset_ms,
        "rate_ppm": epoch.clock.rate_ppm,
        "origin_ms": epoch.origin_ms,
        "start_ms": epoch.start_ms,
        "end_ms": epoch.end_ms,
        "segments": [
            {
                "n": segment.segment,
                "start_ms": segment.start_ms,
                "end_ms": segment.end_ms,
                "bytes": segment.bytes,
                "header_bytes": segment.header_bytes,
                "url": f"/api/sessions/{session_id}/segments/{track_id}/{epoch.epoch}/{segment.segment}",
                "parts": [
                    {
                        "offset": part.offset,
                        "bytes": part.bytes,
                        "start_ms": part.start_ms,
                        "keyframe": part.keyframe,
                    }
                    for part in segment.parts
                ],
            }
            for segment in epoch.segments
        ],
    }
