# SPDX-License-Identifier: Apache-2.0
"""The second store: every object is copied and read back there, in its own time, and the first one never waits."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage.ids import new_id
from storage.objects import ObjectStore, RangeReader, StoreAway, open_copy, open_store, open_stores
from storage.objects.s3 import S3Store
from storage.second_store import JOURNAL, Copier
from storage.settings import Settings
from storage.uploads import Uploader, Waiting
from tests.embedded_store import EmbeddedStore, wait

NONE = Waiting(0, 0)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    running = EmbeddedStore(tmp_path_factory.mktemp("store"))
    running.start()
    yield running
    running.stop()


def bucket(server: EmbeddedStore, kind: type[S3Store] = S3Store) -> S3Store:
    """A store of its own: another bucket."""
    right = server.opened()
    keys = right._client._provider.retrieve()
    made = kind(right.endpoint, keys.access_key, keys.secret_key, f"b-{new_id()}", secure=False)
    made.ensure_bucket()
    return made


def away() -> ObjectStore:
    raise StoreAway("The second store does not answer.")


def give(store: ObjectStore) -> Callable[[], ObjectStore]:
    return lambda: store


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_what_was_uploaded_is_copied_and_checked(server: EmbeddedStore, tmp_path: Path) -> None:
    first, second = bucket(server), bucket(server)
    copier = Copier(tmp_path, give(first), give(second))
    uploader = Uploader(tmp_path, give(first), on_stored=copier.add)
    copier.start()
    uploader.start()
    pieces = {f"c/{number}": bytes([number]) * (100_000 + number) for number in range(6)}
    for key, data in pieces.items():
        path = tmp_path / key.replace("/", "-")
        path.write_bytes(data)
        uploader.add(path, key, digest(data))
    wait(lambda: uploader.waiting() == copier.waiting() == NONE, 30, "both stores")
    for key, data in pieces.items():
        assert first.read_bytes(key) == second.read_bytes(key) == data
        assert second.stat(key).sha256 == digest(data)
    uploader.close()
    copier.close()
    again = Copier(tmp_path, away, away)
    assert again._read_journal() == []


def test_the_original_is_safe_while_the_second_store_is_away_and_the_backlog_outlives_a_restart(
    server: EmbeddedStore, tmp_path: Path
) -> None:
    first, second = bucket(server), bucket(server)
    copier = Copier(tmp_path, give(first), away)
    uploader = Uploader(tmp_path, give(first), on_stored=copier.add)
    copier.start()
    uploader.start()
    path = tmp_path / "one"
    path.write_bytes(b"the recording")
    uploader.add(path, "c/one", digest(b"the recording"))
    wait(lambda: uploader.waiting() == NONE, 30, "the original")
    wait(lambda: copier.last_error, 30, "the copy fails")
    assert not path.exists() and first.read_bytes("c/one") == b"the recording"
    assert uploader.last_error is None and copier.waiting() == Waiting(1, 13)
    uploader.close()
    copier.close()
    with (tmp_path / JOURNAL).open("ab") as journal:
        journal.write(b'{"copy": "torn')  # what a kill leaves
    next_run = Copier(tmp_path, give(first), give(second))
    next_run.start()
    wait(lambda: next_run.waiting() == NONE, 30, "the backlog")
    assert second.read_bytes("c/one") == b"the recording"
    next_run.close()


class Corrupts(S3Store):
    """Stores something else at the first attempt."""

    spoilt = False

    def put_stream(self, key: str, stream: RangeReader, size: int, sha256: str) -> None:
        if self.spoilt:
            super().put_stream(key, stream, size, sha256)
        else:
            self.spoilt = True
            self.put_bytes(key, b"x" * size)


def test_a_copy_that_differs_is_made_again_and_another_object_does_not_wait_for_it(
    server: EmbeddedStore, tmp_path: Path
) -> None:
    first, second = bucket(server), bucket(server, Corrupts)
    for key in ("bad", "good"):
        first.put_bytes(key, key.encode())
    copier = Copier(tmp_path, give(first), give(second))
    copier.add("bad", digest(b"bad"), 3)
    copier.add("good", digest(b"good"), 4)
    copier.start()
    wait(lambda: copier.waiting() == NONE, 30, "both")
    assert (second.read_bytes("bad"), second.read_bytes("good")) == (b"bad", b"good")
    assert second.spoilt
    copier.close()


def test_what_was_deleted_meanwhile_is_forgotten(server: EmbeddedStore, tmp_path: Path) -> None:
    first, second = bucket(server), bucket(server)
    copier = Copier(tmp_path, give(first), give(second))
    copier.add("gone", digest(b"gone"), 4)
    copier.start()
    wait(lambda: copier.waiting() == NONE, 30, "nothing to copy")
    assert list(second.list("")) == []
    copier.close()


def test_the_second_store_is_the_one_in_the_settings(server: EmbeddedStore, tmp_path: Path) -> None:
    assert open_copy(Settings(data_dir=tmp_path)) is None
    right = server.opened()
    keys = right._client._provider.retrieve()
    copy = {"s3_copy_endpoint": right.endpoint, "s3_copy_access_key": keys.access_key, "s3_copy_secure": False}
    names = {"s3_copy_secret_key": keys.secret_key, "s3_copy_bucket": f"b-{new_id()}"}
    settings = Settings(data_dir=server.settings.data_dir, **copy, **names)
    second = open_copy(settings)
    assert second is not None
    second.ensure_bucket()
    second.probe()
    assert [store.inner.bucket for store in open_stores(settings)] == ["videohome", names["s3_copy_bucket"]]
    assert open_store(settings).inner.bucket == "videohome"
