# SPDX-License-Identifier: Apache-2.0
"""Locks and holds, tried on the engines that people run: what is locked stays, whoever asks, until its time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from minio import Minio

from storage.objects import LOCK_PROBES, LockMode, LockProbe, ObjectLock, ObjectMissing, StoreAway, StoreRefused
from storage.objects.s3 import S3Store
from tests.contract.minio_server import MinioServer
from tests.contract.test_object_store import Server, start
from tests.embedded_store import wait
from tests.ports import free_port

DAY_MS = 86_400_000
MODES: tuple[LockMode, ...] = ("governance", "compliance")


@pytest.fixture(scope="module", params=["seaweedfs", "minio"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = start(request.param, tmp_path_factory.mktemp(request.param))
    yield running
    running.stop()


@pytest.fixture
def store(server: Server) -> S3Store:
    return server.opened()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def client(store: S3Store) -> Minio:
    """The library itself, for what the door does not offer."""
    return store._client


def bucket_beside(store: S3Store, name: str) -> S3Store:
    """Another bucket of the same server, not made yet."""
    keys = client(store)._provider.retrieve()
    return S3Store(store.endpoint, keys.access_key, keys.secret_key, name, secure=False)


@pytest.mark.timeout(2500)  # the first use may build MinIO
@pytest.mark.parametrize("mode", MODES)
def test_a_bucket_of_ours_locks_and_the_probe_finds_that_it_does(store: S3Store, mode: LockMode) -> None:
    assert store.probe_lock(mode) == LockProbe(True, "enforced")
    assert store.probe_lock(mode).enforced  # and again beside what the first one left


def test_what_a_probe_left_goes_once_its_time_is_over(store: S3Store) -> None:
    store.probe_lock("compliance")
    first = {item.key for item in store.list(LOCK_PROBES)}
    assert first

    def swept() -> bool:
        time.sleep(1)  # each look leaves another one for some seconds
        store.probe_lock("compliance")
        return not first & {item.key for item in store.list(LOCK_PROBES)}

    wait(swept, 60, "old probes go")


@pytest.mark.parametrize("mode", MODES)
def test_what_is_locked_cannot_be_deleted_until_its_time(store: S3Store, mode: LockMode) -> None:
    key = f"locked/{mode}"
    store.put_bytes(key, b"the recording")
    assert store.lock_of(key) == ObjectLock()
    until = now_ms() + 4_000
    store.lock(key, until, mode)
    found = store.lock_of(key)
    assert found.mode == mode and until <= found.until_utc_ms < until + 1_000 and not found.held
    with pytest.raises(StoreRefused):
        store.delete(key)
    assert store.read_bytes(key) == b"the recording"

    def gone() -> bool:
        with suppress(StoreRefused):
            store.delete(key)
            return True
        return False

    wait(gone, 30, "the lock ends")
    assert now_ms() >= until
    with pytest.raises(ObjectMissing):
        store.stat(key)


@pytest.mark.parametrize("mode", MODES)
def test_a_lock_grows_and_never_shrinks(store: S3Store, mode: LockMode) -> None:
    key = f"longer/{mode}"
    store.put_bytes(key, b"x")
    for days in (1, 3, 2):
        store.lock(key, now_ms() + days * DAY_MS, mode)
    assert store.lock_of(key).until_utc_ms > now_ms() + 2 * DAY_MS + DAY_MS // 2


def test_a_hold_stands_until_it_is_lifted(store: S3Store) -> None:
    store.put_bytes("held", b"x")
    store.hold("held", True)
    store.hold("held", True)
    assert store.lock_of("held") == ObjectLock(held=True)
    with pytest.raises(StoreRefused):
        store.delete("held")
    store.hold("held", False)
    store.hold("held", False)
    assert store.lock_of("held") == ObjectLock()
    store.delete("held")
    assert list(store.list("held")) == []


def test_the_bytes_under_a_lock_outlive_what_is_written_over_them(store: S3Store) -> None:
    store.put_bytes("covered", b"first")
    first = client(store).stat_object(store.bucket, "covered").version_id
    store.lock("covered", now_ms() + DAY_MS, "compliance")
    store.put_bytes("covered", b"second")
    assert store.read_bytes("covered") == b"second"
    assert client(store).get_object(store.bucket, "covered", version_id=first).read() == b"first"
    with pytest.raises(StoreRefused):
        store.delete("covered")
    assert client(store).get_object(store.bucket, "covered", version_id=first).read() == b"first"


def test_deleting_leaves_no_version_behind(store: S3Store) -> None:
    for text in (b"one", b"two", b"three"):
        store.put_bytes("versions", text)
    store.put_bytes("versions-of-another", b"x")
    client(store).remove_object(store.bucket, "versions")  # only a mark over them
    store.delete("versions")
    left = client(store).list_objects(store.bucket, prefix="versions", include_version=True)
    assert [item.object_name for item in left] == ["versions-of-another"]


def test_locks_of_what_is_not_there(store: S3Store) -> None:
    with pytest.raises(ObjectMissing):
        store.lock("never was", now_ms() + DAY_MS, "governance")
    with pytest.raises(ObjectMissing):
        store.hold("never was", True)
    with pytest.raises(ObjectMissing):
        store.lock_of("never was")


def test_a_bucket_from_before_is_found_out_and_can_be_allowed_to_lock(store: S3Store, server: Server) -> None:
    old = bucket_beside(store, "made-before")
    client(store).make_bucket("made-before")
    old.ensure_bucket()
    old.put_bytes("old", b"x")
    old.put_bytes("valued", b"v")
    assert old.probe_lock("governance") == LockProbe(False, "no_versions")
    assert list(old.list(LOCK_PROBES)) == []
    assert old.lock_of("old") == ObjectLock()
    with pytest.raises(StoreRefused):
        old.lock("old", now_ms() + DAY_MS, "governance")
    if isinstance(server, MinioServer):
        with pytest.raises(StoreRefused, match="InvalidBucketState"):
            old.allow_locks()  # MinIO: only a bucket that was made for it
        return
    old.allow_locks()
    assert old.probe_lock("governance") == LockProbe(True, "enforced")
    old.lock("valued", now_ms() + DAY_MS, "governance")
    with pytest.raises(StoreRefused):
        old.delete("valued")
    assert old.read_bytes("valued") == b"v"
    old.delete("old")
    old.put_bytes("older", b"x")
    left = client(old).list_objects("made-before", prefix="old", include_version=True)
    assert [item.object_name for item in left] == ["older"]


def test_a_bucket_that_keeps_versions_but_promises_no_lock_is_found_out(store: S3Store) -> None:
    """What a store without locks looks like: it keeps every version and lets them go."""
    forgetful = bucket_beside(store, "forgetful")
    client(store).make_bucket("forgetful", object_lock=True)

    class Forgets(S3Store):
        def _set_retention(self, *arguments: object) -> None:
            return None

        def _set_hold(self, *arguments: object) -> None:
            return None

    keys = client(store)._provider.retrieve()
    liar = Forgets(store.endpoint, keys.access_key, keys.secret_key, "forgetful", secure=False)
    assert liar.probe_lock("compliance") == LockProbe(False, "hold_ignored")
    assert forgetful.probe_lock("compliance").enforced


def test_a_store_that_is_down_is_away_for_every_lock() -> None:
    nobody = S3Store(f"127.0.0.1:{free_port()}", "a", "b", "bucket", secure=False)
    for call in (
        lambda: nobody.probe_lock("governance"),
        lambda: nobody.lock("a", now_ms(), "governance"),
        lambda: nobody.hold("a", True),
        lambda: nobody.lock_of("a"),
        lambda: nobody.allow_locks(),
    ):
        with pytest.raises(StoreAway):
            call()


def test_a_server_that_was_killed_still_locks(tmp_path: Path) -> None:
    running = start("seaweedfs", tmp_path)
    try:
        running.opened().put_bytes("kept", b"x")
        running.opened().lock("kept", now_ms() + DAY_MS, "governance")
        running.opened().hold("kept", True)
        running.stop()
        running.start()
        after = running.opened()
        assert after.lock_of("kept").held and after.lock_of("kept").mode == "governance"
        with pytest.raises(StoreRefused):
            after.delete("kept")
    finally:
        running.stop()
