# SPDX-License-Identifier: Apache-2.0
"""The part of `videohome verify` that knows handed-out copies: what is there, and what was left out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from storage.copies import NAME, Copy, CopyFault, from_bytes, left_out, verify
from storage.layout import session_folder
from storage.manifest import Manifest

Blocks = Callable[[str], Iterator[bytes]]
"""The bytes behind a key, as the places where recordings lie give them."""
_MOST_BYTES = 64 << 20


def read_copy(blocks: Blocks, made: Manifest, manifest_sha256: str) -> Copy | None:
    """The signed description that lies beside the manifest, None where there is none. Raises CopyFault.

    `blocks` may raise whatever says that the file is missing: that is the caller's to sort out.
    """
    data = b""
    for block in blocks(session_folder(made.county, made.session_id) + NAME):
        data += block
        if len(data) > _MOST_BYTES:
            raise CopyFault(f"{NAME} is far too long.")
    copy = from_bytes(data)
    verify(copy, made, manifest_sha256)
    return copy


def check_files(blocks: Blocks, copy: Copy) -> None:
    """Compare transcript, certificate and player with what was handed out. Raises CopyFault."""
    for file in copy.files:
        if "/" in file.name or "\\" in file.name or file.name.startswith("."):
            raise CopyFault(f"{NAME} lists {file.name}, which is no file of a copy.")
        digest, size = hashlib.sha256(), 0
        for block in blocks(session_folder(copy.county, copy.session_id) + file.name):
            digest.update(block)
            size += len(block)
        if (size, digest.hexdigest()) != (file.bytes, file.sha256):
            raise CopyFault(f"{file.name} is not the file that was handed out.")


def words(copy: Copy, made: Manifest) -> Iterator[str]:
    """What is there, for whom, and what is not in the copy."""
    total = sum(len(track.segments()) for track in made.tracks)
    made_at = datetime.fromtimestamp(copy.made_utc_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    missing = left_out(made, copy.segments)
    kind = "a copy of a part" if missing else "a copy of everything"
    yield f"- This is {kind}, made on {made_at}: {len(copy.segments)} of {total} segments."
    yield f"- For {copy.recipient}; purpose: {copy.purpose}."
    yield f"- Asked for by {copy.asked_by}, approved by {copy.approved_by}."
    if copy.files:
        yield f"- Beside the recording, as handed out: {', '.join(file.name for file in copy.files)}."
    for out in missing:
        span = f"{_clock(out.from_ms)} to {_clock(out.to_ms)}"
        yield f"- Not in the copy: {out.track_id}, {span} ({out.segments} segments)."


def _clock(ms: int) -> str:
    seconds = max(0, ms) // 1000
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
