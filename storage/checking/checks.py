# SPDX-License-Identifier: Apache-2.0
"""The checks themselves: signature and chain of the manifest, then every segment's size and digests, in threads.

Digests let other threads run while they are made, so the segments of a long session are hashed on all cores.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from cryptography.x509 import Certificate

from storage.checking.sources import Differs, Source
from storage.files import Digester
from storage.layout import KeyFault, SegmentKey, parse_key
from storage.manifest import Manifest, ManifestFault, Segment
from storage.seal import SealBroken, read_sealed
from storage.timestamp import Stamp, StampBroken, check

THREADS = min(16, max(4, os.cpu_count() or 1))
"""More than cores where there are few: one waits for the disk while another hashes."""

Advance = Callable[[int], None]
"""Told how many more bytes were read, from several threads."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A manifest whose seal is good."""

    manifest: Manifest
    sha256: str
    """Digest of the stored bytes, which the short integrity code stands for."""


def segments_of(made: Manifest) -> list[Segment]:
    """All segments of all tracks, in the manifest's order."""
    return [segment for track in made.tracks for segment in track.segments()]


def check_manifest(source: Source, trusted_key: str | None) -> Sealed:
    """Read the manifest and check signature, chain and names. Raises Differs, CannotCheck."""
    data = source.manifest()
    try:
        made = read_sealed(data, trusted_key)
    except (ManifestFault, SealBroken) as error:
        text = str(error).removesuffix(".")
        raise Differs(f"The manifest differs from what was sealed: {text}.") from None
    for track in made.tracks:
        for epoch in track.epochs:
            for segment in epoch.segments:
                _check_name(made, track.track_id, epoch.epoch, segment)
    digest, kept = hashlib.sha256(data).hexdigest(), source.versions()
    if kept and kept != {digest}:
        raise Differs("The manifest is not the one that was kept at the seal; the kept ones lie under manifests/.")
    return Sealed(made, digest)


def check_stamp(source: Source, sealed: Sealed, roots: list[Certificate] | None) -> Stamp | None:
    """What the time stamp beside the manifest says, None when there is none or nothing to check it against.

    Raises Differs, CannotCheck.
    """
    answer = source.stamp() if roots is not None else None
    if answer is None or roots is None:
        return None
    try:
        return check(answer, sealed.sha256, roots)
    except StampBroken as fault:
        raise Differs(str(fault)) from None


def _check_name(made: Manifest, track_id: str, epoch: int, segment: Segment) -> None:
    """A key that leads elsewhere would have other bytes checked than those that were recorded."""
    expected = SegmentKey(made.county, made.session_id, track_id, epoch, segment.segment)
    try:
        right = parse_key(segment.key) == expected
    except KeyFault:
        right = False
    if not right:
        raise Differs(f"The manifest lists {segment.key} where segment {segment.segment} of {track_id} belongs.")


def check_segments(source: Source, made: Manifest, segments: list[Segment], advance: Advance) -> list[str]:
    """One sentence for each segment that is not as sealed and each file that nobody listed. Raises CannotCheck.

    `segments` are those that have to be there, and no others may be: all, or those of a handed-out copy.
    """
    pool = ThreadPoolExecutor(THREADS, "check")
    try:
        found = list(pool.map(lambda segment: _difference(source, segment, advance), segments))
    finally:
        pool.shutdown(cancel_futures=True)
    unknown = sorted(source.keys(made.county, made.session_id) - {segment.key for segment in segments})
    return [text for text in found if text] + [
        f"{key} lies beside the recording but the manifest does not list it." for key in unknown
    ]


def _difference(source: Source, segment: Segment, advance: Advance) -> str:
    """What is wrong with a segment, empty when nothing is. Raises CannotCheck."""
    digester = Digester()
    try:
        for block in source.blocks(segment.key):
            digester.update(block)
            if digester.size > segment.bytes:
                return f"Segment {segment.key} has more than the {segment.bytes} bytes that were sealed."
            advance(len(block))
    except Differs as fault:
        return str(fault)
    found = digester.finish()
    if found.bytes != segment.bytes:
        return f"Segment {segment.key} has {found.bytes} bytes; {segment.bytes} were sealed."
    for name, has, sealed in (("SHA-256", found.sha256, segment.sha256), ("SM3", found.sm3, segment.sm3)):
        if has != sealed:
            return f"Segment {segment.key} was changed: its {name} is not the one that was sealed."
    return ""
