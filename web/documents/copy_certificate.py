# SPDX-License-Identifier: Apache-2.0
"""The certificate that goes with every copy, in Chinese and English: what was copied, for whom, and what was not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import tzinfo

from storage.copies import CopiedFile, Copy, left_out
from storage.manifest import Manifest, Track
from web.documents.pdf import Paper
from web.documents.record import clock_text, local_time

Both = Callable[..., tuple[str, str]]
"""The sentence of a locale id in both languages."""


def certificate_pdf(copy: Copy, manifest: Manifest, title: str, both: Both, zone: tzinfo) -> bytes:
    """The finished file; `copy` need not be signed yet, and its `files` are those made before this one."""
    there = set(copy.segments)
    names = {track.track_id: _name(manifest, track, both) for track in manifest.tracks}
    paper = Paper(_line(both("certificate-copy-title")), f"{copy.session_id} · {copy.copy_id}")
    paper.facts(_facts(copy, manifest, title, both, zone))
    paper.heading(_line(both("certificate-copy-in")))
    head = [_line(both(f"certificate-copy-{name}")) for name in ("track", "span", "segments", "bytes")]
    rows = [row for track in manifest.tracks if (row := _row(track, names, there)) is not None]
    paper.table(head, rows, (46, 38, 26, 26))
    _say(paper, both("certificate-copy-whole-segments"))
    paper.heading(_line(both("certificate-copy-out")))
    missing = left_out(manifest, copy.segments)
    if missing:
        paper.table(
            head[:3],
            [(names[out.track_id], _span(out.from_ms, out.to_ms), str(out.segments)) for out in missing],
            (46, 38, 26),
        )
    else:
        _say(paper, both("certificate-copy-nothing-out"))
    if copy.files:
        paper.heading(_line(both("certificate-copy-files")))
        paper.table(_file_head(both), _file_rows(copy.files), (30, 20, 92))
    paper.heading(_line(both("certificate-copy-check")))
    _say(paper, both("certificate-copy-check-how"))
    _say(paper, both("certificate-copy-signature"))
    return paper.finished()


def _line(text: tuple[str, str]) -> str:
    return " / ".join(text)


def _say(paper: Paper, text: tuple[str, str]) -> None:
    for each in text:
        paper.text(each)


def _facts(copy: Copy, manifest: Manifest, title: str, both: Both, zone: tzinfo) -> list[tuple[str, str]]:
    def when(utc_ms: int) -> str:
        return f"{local_time(utc_ms, zone):%Y-%m-%d %H:%M:%S %z}"

    assert manifest.seal is not None, "only a sealed recording is copied"
    rows = [
        ("certificate-copy-session", f"{title}\n{copy.session_id}"),
        ("certificate-copy-recorded", when(manifest.origin_utc_ms)),
        ("certificate-copy-sealed", when(manifest.seal.sealed_utc_ms)),
        ("certificate-copy-purpose", copy.purpose),
        ("certificate-copy-recipient", copy.recipient),
        ("certificate-copy-asked", f"{copy.asked_by}　{when(copy.asked_utc_ms)}"),
        ("certificate-copy-approved", f"{copy.approved_by}　{when(copy.approved_utc_ms)}"),
        ("certificate-copy-made", when(copy.made_utc_ms)),
        ("certificate-copy-manifest", copy.manifest_sha256),
        ("certificate-copy-key", manifest.seal.public_key),
    ]
    return [("\n".join(both(name)), value) for name, value in rows]


def _row(track: Track, names: dict[str, str], there: set[str]) -> tuple[str, str, str, str] | None:
    segments = [segment for segment in track.segments() if segment.key in there]
    if not segments:
        return None
    size = sum(segment.bytes for segment in segments)
    span = _span(segments[0].start_ms, segments[-1].end_ms)
    return names[track.track_id], span, f"{len(segments)} / {len(track.segments())}", f"{size:,}"


def _name(manifest: Manifest, track: Track, both: Both) -> str:
    peer = next((peer.name for peer in manifest.peers if peer.peer_id == track.peer_id), track.peer_id)
    source = track.source.replace("_", "-")
    return f"{peer} · {_line(both(f'copy-source-{source}'))}"


def _span(from_ms: int, to_ms: int) -> str:
    return f"{clock_text(from_ms)} – {clock_text(to_ms)}"


def _file_head(both: Both) -> list[str]:
    return [_line(both("certificate-copy-file")), _line(both("certificate-copy-bytes")), "SHA-256"]


def _file_rows(files: Sequence[CopiedFile]) -> list[tuple[str, str, str]]:
    return [(file.name, f"{file.bytes:,}", file.sha256) for file in files]
