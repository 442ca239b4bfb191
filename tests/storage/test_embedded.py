# SPDX-License-Identifier: Apache-2.0
"""The embedded store as it really runs: S3 with keys, every other door locked; and uploads that outlive its absence."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.embedded import exposure
from storage.objects import ObjectMissing, StoreRefused, open_store
from storage.objects.s3 import S3Store
from storage.uploads import Uploader
from tests.embedded_store import EmbeddedStore, wait


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    running = EmbeddedStore(tmp_path)
    running.start()
    yield running
    running.stop()


@pytest.mark.timeout(180)
def test_every_door_but_s3_is_locked(store: EmbeddedStore) -> None:
    findings = exposure(store.settings)
    assert [finding for finding in findings if not finding[1]] == []
    assert len(findings) == 11
    access = store.opened()
    stranger = S3Store(access.endpoint, "stranger", "wrong-key", store.settings.s3_bucket, secure=False)
    with pytest.raises(StoreRefused):
        stranger.put_bytes("a", b"b")
    for name in ("keys.json", "s3.json", "security.toml", "node.key"):
        assert (store.settings.data_dir / "store" / name).stat().st_mode & 0o077 == 0


@pytest.mark.timeout(180)
def test_uploads_wait_for_the_store_and_delete_only_what_it_holds(store: EmbeddedStore, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    done: list[str] = []
    uploader = Uploader(spool, lambda: open_store(store.settings), on_uploaded=done.append)
    uploader.start()

    def add(name: str, data: bytes) -> Path:
        path = spool / name
        path.write_bytes(data)
        uploader.add(path, f"c/{name}", hashlib.sha256(data).hexdigest())
        return path

    first = add("one", b"1" * 100_000)
    wait(lambda: not first.exists())
    store.stop()
    second = add("two", b"2" * 50_000)
    wait(lambda: uploader.last_error)
    assert second.exists()
    assert (uploader.waiting().uploads, uploader.waiting("c/").bytes) == (1, 50_000)
    uploader.close()  # as after a kill: only the journal and the file are left
    uploader = Uploader(spool, lambda: open_store(store.settings), on_uploaded=done.append)
    uploader.start()
    store.start()
    wait(lambda: not second.exists())
    wait(lambda: done == ["c/one", "c/two"])
    assert open_store(store.settings).read_bytes("c/two") == b"2" * 50_000
    assert uploader.waiting().uploads == 0
    assert uploader.last_error is None
    uploader.close()


@pytest.mark.timeout(180)
def test_wrong_bytes_in_the_store_are_found_and_replaced(store: EmbeddedStore, tmp_path: Path) -> None:
    held = open_store(store.settings)
    held.put_bytes("c/x", b"something else")
    path = tmp_path / "spool" / "x"
    path.parent.mkdir()
    path.write_bytes(b"the recording")
    uploader = Uploader(tmp_path / "spool", lambda: open_store(store.settings))
    uploader.start()
    uploader.add(path, "c/x", hashlib.sha256(b"the recording").hexdigest())
    wait(lambda: not path.exists())
    assert held.read_bytes("c/x") == b"the recording"
    with pytest.raises(ObjectMissing):
        held.read_bytes("c/never")
    uploader.close()
