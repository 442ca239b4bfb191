# SPDX-License-Identifier: Apache-2.0
"""`videohome verify`: re-checks a recording from the store, or from an exported folder or zip without any server."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509 import Certificate
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from storage.checking.checks import Sealed, check_manifest, check_segments, check_stamp, segments_of
from storage.checking.sources import CannotCheck, Differs, FolderSource, Source, StoreSource
from storage.checking.zipped import ZipSource
from storage.cli import verify_copy
from storage.copies import NAME, Copy, CopyFault
from storage.ids import is_id
from storage.integrity_code import CodeFault, integrity_code, read_code
from storage.manifest import Manifest, Segment
from storage.objects import StoreError, open_copy, open_store
from storage.seal import KEY_NAME
from storage.settings import Settings
from storage.timestamp import RootFault, Stamp, read_roots

SHOWN = 20
"""More differences than these are only counted."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the reader knows from elsewhere; empty: nothing."""

    key: str = ""
    """Public key (hex) that must have sealed it."""
    code: str = ""
    """Integrity code, as it stands on a paper."""
    authority: Path | None = None
    """Root certificate (PEM) of the time stamp authority; None: the one in the settings."""
    copy: bool = False
    """The recording is read from the second store."""


def run(settings: Settings, target: str, expected: Expected = Expected(), console: Console | None = None) -> int:
    """Check and say in words what was checked. Exit status 0: all as sealed; 1: something differs or cannot be read."""
    console = console or Console(highlight=False, soft_wrap=True)
    try:
        found = _Known(
            expected.key or _own_key(settings.secrets_dir / KEY_NAME),
            read_code(expected.code) if expected.code else "",
            _roots(expected.authority or settings.timestamp_certificate),
        )
        with _source(settings, target, copy=expected.copy) as source:
            return _run(console, source, found)
    except (Differs, CannotCheck, CodeFault, CopyFault) as fault:
        console.print(str(fault), style="red", markup=False)
        return 1


@dataclass(frozen=True, slots=True)
class _Known:
    """What the recording is checked against."""

    key: str | None
    code: str
    roots: list[Certificate] | None


def _run(console: Console, source: Source, known: _Known) -> int:
    sealed = check_manifest(source, known.key)
    made = sealed.manifest
    own = integrity_code(sealed.sha256)
    if known.code and known.code != own:
        raise Differs(f"This is another recording than the code belongs to: its own code is {own}.")
    stamp = check_stamp(source, sealed, known.roots)
    copy = _copy(source, sealed)
    segments = segments_of(made)
    if copy is not None:
        handed_out = set(copy.segments)
        segments = [segment for segment in segments if segment.key in handed_out]
    with _progress(console) as progress:
        task = progress.add_task("Segments", total=sum(segment.bytes for segment in segments))
        differences = check_segments(source, made, segments, lambda count: progress.advance(task, count))
    for text in differences[:SHOWN]:
        console.print(text, style="red", markup=False)
    if len(differences) > SHOWN:
        console.print(f"And {len(differences) - SHOWN} more differences.", style="red", markup=False)
    if differences:
        return 1
    for line in _words(sealed, source, known, stamp):
        console.print(line, markup=False)
    for line in _content(made, source, segments, copy):
        console.print(line, markup=False)
    return 0


def _copy(source: Source, sealed: Sealed) -> Copy | None:
    """What a handed-out copy says of itself; None where there is no such file. Raises CopyFault, Differs."""
    try:
        copy = verify_copy.read_copy(source.blocks, sealed.manifest, sealed.sha256)
    except Differs:
        return None  # no copy.json: then everything has to be there
    if copy is not None:
        verify_copy.check_files(source.blocks, copy)
    return copy


def _source(settings: Settings, target: str, *, copy: bool) -> AbstractContextManager[Source]:
    path = Path(target)
    if path.is_dir():
        return nullcontext(FolderSource(path))
    if path.is_file():
        return ZipSource(path)
    if not is_id(target):
        raise CannotCheck(f"{target} is neither a folder, a zip nor a session id (26 letters and digits).")
    try:
        if not copy:
            return nullcontext(StoreSource(open_store(settings), settings.county, target))
        second = open_copy(settings)
        if second is None:
            raise CannotCheck("No second store is configured (s3_copy_endpoint).")
        return nullcontext(StoreSource(second, settings.county, target, "the second store"))
    except StoreError as error:
        raise CannotCheck(str(error)) from None


def _own_key(path: Path) -> str | None:
    """Public half of this installation's key, None on a machine that has none."""
    with contextlib.suppress(OSError, ValueError):
        return Ed25519PrivateKey.from_private_bytes(path.read_bytes()).public_key().public_bytes_raw().hex()
    return None


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True)


def _words(sealed: Sealed, source: Source, known: _Known, stamp: Stamp | None) -> Iterator[str]:
    """Whose seal it is, and what is sealed."""
    made = sealed.manifest
    assert made.seal is not None
    segments = segments_of(made)
    yield f"Session {made.session_id} in {source.where} is as it was sealed on {_time(made.seal.sealed_utc_ms)}."
    whose = "the expected key" if known.key else "a key this machine does not know; compare it with the office's"
    yield f"- Signature: Ed25519, {whose}: {made.seal.public_key}"
    compared = ", the one you gave" if known.code else "; compare it with the paper, or give it as --code"
    yield f"- Integrity code: {integrity_code(sealed.sha256)}{compared}."
    yield _about_stamp(source, known, stamp)
    yield f"- Chain: {len(made.tracks)} tracks with {len(segments)} segments, none missing, repeated or moved."


def _content(made: Manifest, source: Source, segments: list[Segment], copy: Copy | None) -> Iterator[str]:
    """What is there, what was checked of it, and what the record itself says is missing."""
    if copy is not None:
        yield from verify_copy.words(copy, made)
    size = sum(segment.bytes for segment in segments)
    yield f"- Content: {size} bytes; size, SHA-256 and SM3 of every segment are those that were sealed."
    yield "- Nothing else lies among the recording's files."
    if source.own_key():
        yield "- It lies encrypted in the store; all of this was opened with the session's own key."
    checked = set() if copy is None else {NAME, *(file.name for file in copy.files)}
    if beside := [name for name in source.beside() if name not in checked]:
        names = ", ".join(beside[:SHOWN]) + (", …" if len(beside) > SHOWN else "")
        yield f"- Not covered by the seal, so not checked: {names}."
    if made.complete:
        yield "- The recording is complete: only pauses and absences are listed as gaps."
    else:
        yield f"- The record itself lists what is missing: {', '.join(_causes(made))}."


def _about_stamp(source: Source, known: _Known, stamp: Stamp | None) -> str:
    if stamp is not None:
        return f"- Time stamp: the manifest existed on {_time(stamp.utc_ms)}, says {stamp.authority}."
    if source.stamp() is None:
        return "- Time stamp: there is none of an outside authority."
    assert known.roots is None, "with them it was checked"
    return "- Time stamp: not checked; give the authority's root certificate as --authority."


def _time(utc_ms: int) -> str:
    return datetime.fromtimestamp(utc_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _roots(path: Path | None) -> list[Certificate] | None:
    """Raises CannotCheck."""
    if path is None:
        return None
    try:
        return read_roots(path.read_bytes())
    except OSError as error:
        raise CannotCheck(f"{path} cannot be read ({error.strerror}).") from None
    except RootFault as fault:
        raise CannotCheck(str(fault)) from None


def _causes(made: Manifest) -> Iterator[str]:
    for cause in sorted({gap.cause for gap in made.gaps}):
        yield f"{sum(gap.cause == cause for gap in made.gaps)} gaps by {cause}"
