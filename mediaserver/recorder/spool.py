# SPDX-License-Identifier: Apache-2.0
"""One session's folder in the spool: the journal and the segment files, made durable together.

The order of a commit is what makes a kill harmless: first the bytes of the parts, fsynced; then the journal's lines,
fsynced; only then may anybody be told. Bytes that no line speaks of are cut off at the next start.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import structlog

from mediaserver.recording import state as journal
from mediaserver.recording.intake import Step
from mediaserver.recording.state import JournalFault, Line, SessionState
from storage import disk
from storage.files import remove_unfinished, sync_folder, write_atomically
from storage.layout import manifest_key, own_key_key, segment_key, session_folder

log = structlog.get_logger(__name__)

JOURNAL = "journal.jsonl"
FEED_FILE = "feed.json"
_FILE_MODE = 0o600
_FOLDER_MODE = 0o700


@dataclass(frozen=True, slots=True)
class Committed:
    """What became durable: these lines of the first `steps` steps. `fault` is why it was not all of them."""

    lines: list[Line]
    steps: int
    fault: OSError | None = None


class SessionSpool:
    """The folder of one session. `commit` may run in a thread, one at a time."""

    def __init__(self, spool_dir: Path, county: str, session_id: str) -> None:
        """Raises KeyFault when the names cannot stand in a path."""
        self.spool_dir = spool_dir
        self.county, self.session_id = county, session_id
        self.folder = spool_dir / session_folder(county, session_id)
        self._journal = self.folder / JOURNAL
        self._journal_bytes = 0
        self._lengths: dict[Path, int] = {}

    def path(self, track_id: str, epoch: int, segment: int) -> Path:
        """Where a segment lies until it is in the store. Raises KeyFault."""
        return self.spool_dir / self.key(track_id, epoch, segment)

    def key(self, track_id: str, epoch: int, segment: int) -> str:
        """A segment's name in the store. Raises KeyFault."""
        return segment_key(self.county, self.session_id, track_id, epoch, segment)

    @property
    def manifest_key(self) -> str:
        """The manifest's name in the store."""
        return manifest_key(self.county, self.session_id)

    @property
    def manifest_path(self) -> Path:
        """Where the manifest lies until it is in the store."""
        return self.spool_dir / self.manifest_key

    @property
    def own_key_key(self) -> str:
        """The name of the session's own key in the store."""
        return own_key_key(self.county, self.session_id)

    @property
    def own_key_path(self) -> Path:
        """Where it lies until it is in the store; the journal holds it for longer."""
        return self.spool_dir / self.own_key_key

    def commit(self, steps: list[Step]) -> Committed:
        """Make as many steps durable as the disk takes, in order. Raises nothing but KeyFault."""
        done: list[Line] = []
        lengths: dict[Path, int] = {}
        fault = None
        if self._journal_bytes == 0 and steps and not steps[0].data:
            return self._begin(steps)
        for step in steps:
            try:
                done.append(self._write(step, lengths) if step.data else step.line)
            except OSError as error:
                fault = error
                break
        try:
            for path in lengths:
                _sync(path)
            self._append(done)
        except OSError as error:
            done, fault = [], error
        if fault is not None:
            self._cut_back(lengths if not done else {})
        if done:
            self._lengths |= lengths
        return Committed(done, len(done), fault)

    def _begin(self, steps: list[Step]) -> Committed:
        """The journal is on disk before any file that it must speak of."""
        first = [step.line for step in takewhile(lambda step: not step.data, steps)]
        try:
            self._append(first)
        except OSError as error:
            return Committed([], 0, error)
        rest = self.commit(steps[len(first) :])
        return Committed([*first, *rest.lines], len(first) + rest.steps, rest.fault)

    def _write(self, step: Step, lengths: dict[Path, int]) -> Line:
        """Write one part behind what is there; returns its line with its place."""
        line = step.line
        path = self.path(line["track"], line["epoch"], line["segment"])
        offset = lengths.get(path, self._lengths.get(path, 0))
        if offset == 0:
            _make_folder(path.parent)
        data = step.data if offset else step.header + step.data
        handle = disk.door.create(path, _FILE_MODE)
        try:
            try:
                disk.door.write_at(handle, data, offset)
            except OSError:
                disk.door.cut(path, offset)
                raise
        finally:
            disk.door.close(handle)
        if offset == 0:
            sync_folder(path.parent)
            offset = len(step.header)
        lengths[path] = offset + len(step.data)
        return {**line, "offset": offset, "bytes": len(step.data), "header": len(step.header)}

    def _append(self, lines: list[Line]) -> None:
        if not lines:
            return
        text = b"".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n" for line in lines)
        fresh = self._journal_bytes == 0
        if fresh:
            _make_folder(self.folder)
        handle = disk.door.create(self._journal, _FILE_MODE)
        try:
            try:
                disk.door.write_at(handle, text, self._journal_bytes)
                disk.door.sync(handle)
            except OSError:
                disk.door.cut(self._journal, self._journal_bytes)
                raise
        finally:
            disk.door.close(handle)
        if fresh:
            sync_folder(self.folder)
        self._journal_bytes += len(text)

    def _cut_back(self, written: dict[Path, int]) -> None:
        """Undo parts whose lines could not be written."""
        for path in written:
            with contextlib.suppress(OSError):
                disk.door.cut(path, self._lengths.get(path, 0))

    def load(self) -> SessionState:
        """Rebuild the state after a restart; cuts a torn line and bytes no line speaks of.

        Raises OSError, JournalFault when the journal is not ours.
        """
        state, self._journal_bytes = self._read()
        if self._journal.stat().st_size > self._journal_bytes:
            disk.door.cut(self._journal, self._journal_bytes)
        self._mend(state)
        return state

    def read(self) -> SessionState:
        """The state on disk, beside whoever writes there; changes nothing. Raises OSError, JournalFault."""
        return self._read()[0]

    @property
    def journal_bytes(self) -> int:
        """Length of the journal."""
        return self._journal_bytes

    def _read(self) -> tuple[SessionState, int]:
        """The state by the whole lines of the journal, and their length together."""
        state, length = SessionState(), 0
        with self._journal.open("rb") as lines:
            for text in lines:
                if not text.endswith(b"\n"):
                    break
                try:
                    line = json.loads(text)
                except ValueError as error:
                    raise JournalFault("a journal line is not JSON") from error
                state.apply(line)
                length += len(text)
        return state, length

    def _mend(self, state: SessionState) -> None:
        cuts: list[Step] = []
        for track in state.tracks.values():
            for epoch, segment in track.segments():
                if segment.sha256:
                    continue
                path = self.path(track.track_id, epoch.number, segment.number)
                found = path.stat().st_size if path.exists() else 0
                name = {"track": track.track_id, "epoch": epoch.number, "segment": segment.number}
                if found > segment.bytes:
                    disk.door.cut(path, segment.bytes)
                elif found < segment.bytes:
                    log.error("segment_shorter_than_journal", **name, found=found, expected=segment.bytes)
                    cuts.append(Step({"t": journal.CUT, **name, "bytes": found}))
        for line in self.commit(cuts).lines:
            state.apply(line)
        self._lengths = {
            self.path(track.track_id, epoch.number, segment.number): segment.bytes
            for track in state.tracks.values()
            for epoch, segment in track.segments()
            if not segment.sha256
        }
        for path, length in self._lengths.items():
            if path.exists() and path.stat().st_size > length:
                disk.door.cut(path, length)
        known = {
            self.path(track.track_id, epoch.number, segment.number)
            for track in state.tracks.values()
            for epoch, segment in track.segments()
        }
        for path in (self.folder / "tracks").rglob("*.*"):
            if path.is_file() and path not in known:  # begun, and no line speaks of it
                disk.door.remove(path)

    def sealed(self, track_id: str, epoch: int, segment: int) -> None:
        """No more parts will come for this file."""
        self._lengths.pop(self.path(track_id, epoch, segment), None)

    def remove(self) -> None:
        """Forget the session: everything is in the store, or there was nothing. Raises OSError."""
        _empty(self.folder, but=self._journal)
        disk.door.remove(self._journal)  # last of all: a folder that has none holds nothing
        disk.door.remove_folder(self.folder)
        sync_folder(self.folder.parent)


def _empty(folder: Path, *, but: Path | None = None) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            _empty(path)
            disk.door.remove_folder(path)
        elif path != but:
            disk.door.remove(path)
    sync_folder(folder)


def clear_up(spool_dir: Path) -> None:
    """Remove what a power cut or a kill left half made: files not yet in their place, folders without anything in them.

    A folder that holds files but no journal is kept, and told of: it is none of our doing. Raises OSError.
    """
    remove_unfinished(spool_dir)
    for folder in spool_dir.glob("*/sessions/*"):
        remove_unfinished(folder)
        if (folder / JOURNAL).exists():
            continue
        if any(path.is_file() for path in folder.rglob("*")):
            log.error("spooled_session_without_journal", folder=str(folder))
            continue
        _empty(folder)
        disk.door.remove_folder(folder)


def find_sessions(spool_dir: Path) -> list[SessionSpool]:
    """Folders with a journal, in order of their names."""
    found = []
    for path in sorted(spool_dir.glob(f"*/sessions/*/{JOURNAL}")):
        county, _, session_id, _ = path.relative_to(spool_dir).parts
        found.append(SessionSpool(spool_dir, county, session_id))
    return found


def read_feed(spool_dir: Path) -> tuple[str, int]:
    """The mediaserver run that was recorded last, and its last control record that is durable; ("", 0) at first."""
    try:
        value = json.loads((spool_dir / FEED_FILE).read_bytes())
        return str(value["boot_id"]), int(value["control"])
    except (OSError, ValueError, KeyError, TypeError):
        return "", 0


def write_feed(spool_dir: Path, boot_id: str, control: int) -> None:
    """Keep them. Raises OSError."""
    write_atomically(spool_dir / FEED_FILE, json.dumps({"boot_id": boot_id, "control": control}).encode(), _FILE_MODE)


def _make_folder(folder: Path) -> None:
    """Make it with its parents, so that a power cut leaves no file without a name."""
    if not folder.exists():
        _make_folder(folder.parent)
        disk.door.make_folder(folder, _FOLDER_MODE)
        sync_folder(folder.parent)


def _sync(path: Path) -> None:
    handle = disk.door.create(path, _FILE_MODE)
    try:
        disk.door.sync(handle)
    finally:
        disk.door.close(handle)
