# SPDX-License-Identifier: Apache-2.0
"""The short form of `make faults`: fixed seeds."""

from __future__ import annotations

from pathlib import Path

import pytest

from mediaserver.recorder.spool import clear_up
from storage.disk import Disk
from storage.files import write_atomically
from tests.faults.disk_log import LoggedDisk
from tests.faults.power import TRACKS, cut, logged
from tests.faults.recording import COMMIT_MS, assert_green, assert_nothing_left, packets_of, record
from tests.faults.store import FAULTS, FolderStore


@pytest.mark.parametrize("own_key", [False, True])
@pytest.mark.parametrize("commit_every_ms", [COMMIT_MS, 1_800])
async def test_the_power_fails_at_any_moment(tmp_path: Path, commit_every_ms: int, own_key: bool) -> None:
    recording = await logged(tmp_path / "whole", commit_every_ms, own_key=own_key)
    found = {await cut(recording, f"{commit_every_ms}-{seed}", tmp_path / str(seed)) for seed in range(10)}
    assert "recovered" in found


@pytest.mark.parametrize("own_key", [False, True])
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_store_that_does_wrong_costs_nothing(tmp_path: Path, fault: str, own_key: bool) -> None:
    store = FolderStore(tmp_path / "objects", fault=fault, seed=3)
    script = await record(tmp_path, store, own_key=own_key)
    assert store.faults > 0
    assert_nothing_left(tmp_path)
    made = assert_green(tmp_path, store, own_key=own_key)
    assert made.complete
    for number, name in TRACKS.items():
        assert packets_of(made, name) == script.sent[number].kept(script.numbers[number])


async def test_a_promise_that_is_not_kept_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that syncs nothing: what was acknowledged is lost."""

    class Forgetful(LoggedDisk):
        def sync(self, handle: int) -> None:
            Disk.sync(self, handle)

    monkeypatch.setattr("tests.faults.power.LoggedDisk", Forgetful)
    recording = await logged(tmp_path / "whole")
    with pytest.raises(AssertionError):
        for seed in range(30):
            await cut(recording, str(seed), tmp_path / str(seed))


def test_what_a_kill_left_unfinished_is_removed(tmp_path: Path) -> None:
    write_atomically(tmp_path / "feed.json", b"{}")
    (tmp_path / ".feed.json.0123.tmp").write_bytes(b"{")
    strange, empty = tmp_path / "c" / "sessions" / "a" / "tracks", tmp_path / "c" / "sessions" / "b" / "tracks"
    for folder in (strange, empty):
        folder.mkdir(parents=True)
    (strange / "e001-s00000.webm").write_bytes(b"who wrote this?")
    clear_up(tmp_path)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"feed.json", "c/sessions/a/tracks/e001-s00000.webm"}
    assert not empty.parent.exists()
