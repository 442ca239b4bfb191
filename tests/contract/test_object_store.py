# SPDX-License-Identifier: Apache-2.0
"""What every object store must do, tried on the two engines that people run: SeaweedFS (embedded) and MinIO."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from storage.objects import ObjectMissing, ObjectStore, StoreAway, StoreError, StoreRefused
from storage.objects.s3 import S3Store
from tests.contract.minio_server import MinioServer, NoMinio
from tests.embedded_store import EmbeddedStore
from tests.ports import free_port

PART_BYTES = 16 * 1024 * 1024
Server = EmbeddedStore | MinioServer


def start(kind: str, folder: Path) -> Server:
    if kind == "seaweedfs":
        server: Server = EmbeddedStore(folder)
    else:
        try:
            server = MinioServer(folder)
        except NoMinio as missing:
            pytest.skip(str(missing))
    server.start()
    return server


@pytest.fixture(scope="module", params=["seaweedfs", "minio"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the tests that only use it."""
    running = start(request.param, tmp_path_factory.mktemp(request.param))
    yield running
    running.stop()


@pytest.fixture
def store(server: Server) -> ObjectStore:
    return server.opened()


@pytest.fixture(params=["seaweedfs", "minio"])
def own_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """A server for a test that stops or damages it."""
    running = start(request.param, tmp_path)
    yield running
    running.stop()


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@pytest.mark.timeout(2500)  # the first use may build MinIO
def test_what_was_put_comes_back(store: ObjectStore) -> None:
    data = noise(100_000)
    sha256 = store.put_bytes("get/one", data, "video/webm")
    assert sha256 == hashlib.sha256(data).hexdigest()
    assert store.read_bytes("get/one") == data
    found = store.stat("get/one")
    assert (found.key, found.bytes, found.sha256) == ("get/one", len(data), sha256)
    assert found.modified_utc_ms > 1_700_000_000_000
    assert store.stored_sha256("get/one") == (sha256, len(data))


@pytest.mark.timeout(2500)
def test_a_second_put_replaces_the_first(store: ObjectStore) -> None:
    store.put_bytes("again", b"first")
    store.put_bytes("again", b"second one")
    assert store.read_bytes("again") == b"second one"
    assert store.stat("again").sha256 == hashlib.sha256(b"second one").hexdigest()


def test_an_empty_object(store: ObjectStore) -> None:
    store.put_bytes("empty", b"")
    assert store.stat("empty").bytes == 0
    assert store.read_bytes("empty") == b""
    assert store.stored_sha256("empty") == (hashlib.sha256(b"").hexdigest(), 0)


@pytest.mark.parametrize(
    ("start_at", "length", "wanted"),
    [
        (0, None, slice(0, 1000)),
        (0, 1, slice(0, 1)),
        (0, 1000, slice(0, 1000)),
        (1, None, slice(1, 1000)),
        (999, 1, slice(999, 1000)),
        (999, None, slice(999, 1000)),
        (1000, None, slice(0, 0)),
        (1000, 0, slice(0, 0)),
        (500, 0, slice(0, 0)),
        (100, 200, slice(100, 300)),
    ],
)
def test_ranges(store: ObjectStore, start_at: int, length: int | None, wanted: slice) -> None:
    data = noise(1000)
    store.put_bytes("range", data)
    with store.open_range("range", start_at, length) as reader:
        assert (reader.bytes, reader.total_bytes) == (len(data[wanted]), 1000)
        assert reader.read() == data[wanted]
        assert reader.read() == b""


@pytest.mark.parametrize(("start_at", "length"), [(-1, 1), (0, -1), (0, 1001), (1001, None), (1000, 1), (999, 2)])
def test_ranges_outside_the_object_are_refused(store: ObjectStore, start_at: int, length: int | None) -> None:
    store.put_bytes("range", noise(1000))
    with pytest.raises(ValueError, match="lie outside range with 1000 bytes"):
        store.open_range("range", start_at, length)


def test_a_range_can_be_read_in_pieces_and_left_early(store: ObjectStore) -> None:
    data = noise(1_000_000)
    store.put_bytes("pieces", data)
    for _ in range(40):  # more often than there are connections
        with store.open_range("pieces") as reader:
            assert reader.read(10) == data[:10]
    with store.open_range("pieces") as reader:
        assert b"".join(reader) == data


@pytest.mark.parametrize("size", [PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES + 12_345])
def test_large_files_go_in_parts(store: ObjectStore, tmp_path: Path, size: int) -> None:
    path = tmp_path / "large"
    path.write_bytes(noise(size))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    store.put_file("large", path, sha256, "video/webm")
    assert (store.stat("large").bytes, store.stat("large").sha256) == (size, sha256)
    assert store.stored_sha256("large") == (sha256, size)
    edge = path.read_bytes()[PART_BYTES - 5 : PART_BYTES + 5]
    with store.open_range("large", PART_BYTES - 5, len(edge)) as reader:
        assert reader.read() == edge


def test_a_file_that_is_not_there_is_no_fault_of_the_store(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        store.put_file("nothing", tmp_path / "nothing", "")


@pytest.mark.parametrize("name", ["会议/记录 一.json", "a b", "100%25", "plus+und&=?#;", "~.-_'()*!", "é/日本"])
def test_any_name_can_be_a_key(store: ObjectStore, name: str) -> None:
    key = f"names/{name}"
    store.put_bytes(key, name.encode())
    assert store.read_bytes(key) == name.encode()
    assert [item.key for item in store.list(key)] == [key]
    store.delete(key)
    with pytest.raises(ObjectMissing):
        store.stat(key)


def test_a_list_has_every_key_once_in_order_with_sizes(store: ObjectStore) -> None:
    names = [f"list/{number:04d}" for number in range(1005)]  # one page of S3 holds 1000
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: store.put_bytes(name, b"x"), names))
    store.put_bytes("list0", b"outside")
    found = list(store.list("list/"))
    assert [item.key for item in found] == names
    assert {item.bytes for item in found} == {1}
    assert [item.key for item in store.list("list/099")] == [f"list/099{digit}" for digit in range(10)]
    assert list(store.list("no such prefix/")) == []


def test_deleting_is_final_and_may_be_repeated(store: ObjectStore) -> None:
    store.put_bytes("gone", b"x")
    store.delete("gone")
    store.delete("gone")
    store.delete("never was")
    assert [item.key for item in store.list("gone")] == []


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.stat("missing"),
        lambda store: store.read_bytes("missing"),
        lambda store: store.open_range("missing", 0, 1),
        lambda store: store.stored_sha256("missing"),
    ],
)
def test_a_missing_object_is_named(store: ObjectStore, call: Callable[[ObjectStore], object]) -> None:
    with pytest.raises(ObjectMissing, match="missing"):
        call(store)


def test_a_whole_object_is_only_read_up_to_the_limit(store: ObjectStore) -> None:
    store.put_bytes("limit", noise(1000))
    assert len(store.read_bytes("limit", 1000)) == 1000
    with pytest.raises(StoreRefused, match="1000 bytes, more than 999"):
        store.read_bytes("limit", 999)


CALLS: list[Callable[[ObjectStore], object]] = [
    lambda store: store.ensure_bucket(),
    lambda store: store.probe(),
    lambda store: store.put_bytes("a", b"b"),
    lambda store: store.read_bytes("range"),
    lambda store: store.open_range("range", 0, 1),
    lambda store: store.stat("range"),
    lambda store: store.stored_sha256("range"),
    lambda store: list(store.list("")),
    lambda store: store.delete("range"),
]


@pytest.mark.parametrize("keys", [("stranger", "wrong-secret"), (None, "wrong-secret")])
def test_wrong_keys_are_refused_by_every_call(server: Server, keys: tuple[str | None, str]) -> None:
    right = server.opened()
    right.put_bytes("range", b"x")
    access = keys[0] or str(right._client._provider.retrieve().access_key)
    stranger = S3Store(right.endpoint, access, keys[1], right.bucket, secure=False)
    for call in CALLS:
        with pytest.raises(StoreRefused) as refused:
            call(stranger)
        assert keys[1] not in str(refused.value)
    assert right.read_bytes("range") == b"x"


def test_a_bucket_that_is_not_there(server: Server) -> None:
    right = server.opened()
    access = right._client._provider.retrieve()
    other = S3Store(right.endpoint, access.access_key, access.secret_key, "not-made-yet", secure=False)
    for call in (lambda: other.stat("a"), lambda: other.read_bytes("a"), lambda: list(other.list(""))):
        with pytest.raises(ObjectMissing):
            call()
    other.ensure_bucket()
    other.ensure_bucket()
    other.probe()
    assert list(other.list("")) == []


def test_bytes_put_behind_our_back_are_found_by_reading_not_by_what_they_claim(
    store: ObjectStore, tmp_path: Path
) -> None:
    claimed = hashlib.sha256(b"the recording").hexdigest()
    path = tmp_path / "other"
    path.write_bytes(b"something  else")
    store.put_file("claim", path, claimed)
    assert store.stat("claim").sha256 == claimed
    assert store.stored_sha256("claim")[0] != claimed


def test_many_threads_share_one_client(store: ObjectStore) -> None:
    def both(number: int) -> bool:
        data = noise(20_000 + number)
        store.put_bytes(f"threads/{number}", data)
        return store.read_bytes(f"threads/{number}") == data

    with ThreadPoolExecutor(24) as pool:
        assert all(pool.map(both, range(96)))


def test_a_store_that_is_down_is_away_for_every_call() -> None:
    nobody = S3Store(f"127.0.0.1:{free_port()}", "a", "b", "bucket", secure=False)
    for call in CALLS:
        with pytest.raises(StoreAway):
            call(nobody)


@pytest.mark.timeout(180)
def test_objects_outlive_a_kill_and_a_move_to_another_port(own_server: Server) -> None:
    data = noise(3_000_000)
    before = own_server.opened()
    before.put_bytes("kept", data)
    own_server.stop()
    for call in CALLS:
        with pytest.raises(StoreAway):
            call(before)
    own_server.forget_ports()
    own_server.start()
    after = own_server.opened()
    assert after.endpoint != before.endpoint
    assert after.read_bytes("kept") == data
    with pytest.raises(StoreAway):
        before.read_bytes("kept")


@pytest.mark.timeout(180)
def test_a_reply_that_is_cut_off_is_never_taken_for_the_whole(own_server: Server) -> None:
    store = own_server.opened()
    store.put_bytes("long", noise(40_000_000))
    with store.open_range("long") as reader:
        reader.read(1)
        own_server.stop()
        with pytest.raises(StoreAway):
            while reader.read(1_000_000):
                pass


@pytest.mark.timeout(180)
def test_a_byte_that_changed_on_the_disk_is_never_passed_as_good(own_server: Server, tmp_path: Path) -> None:
    mark = b"find me on the disk: " + noise(64)
    data = noise(2_000_000) + mark + noise(2_000_000)
    sha256 = own_server.opened().put_bytes("rotten", data)
    own_server.stop()
    assert flip_after(tmp_path, mark) > 0
    own_server.start()
    try:
        found = own_server.opened().stored_sha256("rotten")
    except StoreError:
        return  # the store noticed by itself
    assert found[0] != sha256


def flip_after(folder: Path, mark: bytes) -> int:
    """Changes the byte after `mark` in every file that holds it; how many did."""
    changed = 0
    for path in folder.rglob("*"):
        if not path.is_file() or path.is_symlink():
            continue
        at = path.read_bytes().find(mark)
        if at >= 0:
            with path.open("r+b") as file:
                file.seek(at + len(mark))
                byte = file.read(1)
                file.seek(at + len(mark))
                file.write(bytes([byte[0] ^ 0xFF]))
            changed += 1
    return changed
