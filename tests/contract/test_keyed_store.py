# SPDX-License-Identifier: Apache-2.0
"""Sessions with a key of their own on the engines that people run: plain bytes at the door, none behind it."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest

from storage.ids import new_id
from storage.keyed_format import CHUNK_BYTES, HEADER_BYTES, MAGIC, TAG_BYTES, stored_bytes
from storage.layout import manifest_key, own_key_key, session_folder
from storage.objects import (
    DigestMismatch,
    KeyedStore,
    KeyMissing,
    ObjectMissing,
    ObjectStore,
    StoreAway,
    StoreError,
    StoreRefused,
)
from storage.own_keys import KEY_NAME, new_own_key
from storage.second_store import copy_checked
from tests.contract.minio_server import MinioServer
from tests.contract.test_object_store import start
from tests.embedded_store import EmbeddedStore

COUNTY = "default"
CHUNK = CHUNK_BYTES + TAG_BYTES
EDGES = (0, 1, 65_535, 65_536, 65_537, 200_000)


@pytest.fixture(scope="module", params=["seaweedfs", "minio"])
def inner(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """The store as it is."""
    running: EmbeddedStore | MinioServer = start(request.param, tmp_path_factory.mktemp(request.param))
    yield running.opened()
    running.stop()


@dataclass
class Keyed:
    """A session with a key of its own, in a store."""

    inner: ObjectStore
    secrets: Path
    session: str

    def __post_init__(self) -> None:
        self.store = KeyedStore(self.inner, self.secrets)
        self.folder = session_folder(COUNTY, self.session)
        self.own = own_key_key(COUNTY, self.session)
        self.manifest = manifest_key(COUNTY, self.session)

    def another(self) -> KeyedStore:
        """What another program opens."""
        return KeyedStore(self.inner, self.secrets)

    def put(self, name: str, data: bytes) -> str:
        key = f"{self.folder}{name}"
        self.store.put_bytes(key, data)
        return key

    def raw(self, key: str) -> bytes:
        return self.inner.read_bytes(key)


@pytest.fixture
def keyed(inner: ObjectStore, tmp_path: Path) -> Keyed:
    made = Keyed(inner, tmp_path / "secrets", new_id())
    made.store.put_bytes(made.own, new_own_key(made.secrets, made.session, may_make=True).encode())
    return made


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@pytest.mark.timeout(2500)  # the first use may build MinIO
@pytest.mark.parametrize("size", EDGES)
def test_every_call_speaks_of_the_plain_bytes_and_the_store_holds_none_of_them(
    keyed: Keyed, tmp_path: Path, size: int
) -> None:
    data, sha256 = noise(size), hashlib.sha256(noise(size)).hexdigest()
    path = tmp_path / "file"
    path.write_bytes(data)
    ways: dict[str, Callable[[str], object]] = {
        "file": lambda key: keyed.store.put_file(key, path, sha256, "video/webm"),
        "stream": lambda key: keyed.store.put_stream(key, BytesIO(data), size, sha256),
        "bytes": lambda key: keyed.store.put_bytes(key, data, "application/json"),
    }
    for name, put in ways.items():
        key = f"{keyed.folder}{name}"
        put(key)
        raw = keyed.raw(key)
        assert raw.startswith(MAGIC) and len(raw) == stored_bytes(size)
        assert size < 16 or data[:16] not in raw
        for store in (keyed.store, keyed.another()):
            assert store.read_bytes(key) == data
            assert store.stored_sha256(key) == (sha256, size)
            assert (store.stat(key).bytes, store.stat(key).sha256) == (size, sha256)
    stored = {name: keyed.raw(f"{keyed.folder}{name}")[HEADER_BYTES:] for name in ways}
    assert len(set(stored.values())) == 3, "a new salt for each put"
    listed = {item.key: item.bytes for item in keyed.store.list(keyed.folder)}
    assert listed == {f"{keyed.folder}{name}": size for name in ways} | {keyed.own: len(keyed.raw(keyed.own))}


RANGES = [
    (0, None), (0, 0), (0, 1), (65_535, 1), (65_535, 2), (65_536, 1), (65_536, 65_536), (131_071, 3), (100, 199_900),
    (199_999, 1), (200_000, 0), (200_000, None), (70_000, 10), (131_072, None),
]  # fmt: skip


@pytest.mark.parametrize(("start_at", "length"), RANGES)
def test_ranges(keyed: Keyed, start_at: int, length: int | None) -> None:
    data = noise(200_000)
    key = keyed.put("range", data)
    wanted = data[start_at:] if length is None else data[start_at : start_at + length]
    with keyed.store.open_range(key, start_at, length) as reader:
        assert (reader.bytes, reader.total_bytes) == (len(wanted), 200_000)
        assert reader.read(7) + b"".join(reader) == wanted
        assert reader.read() == b""


@pytest.mark.parametrize("size", [0, 65_536])
def test_ranges_of_objects_that_end_with_a_chunk(keyed: Keyed, size: int) -> None:
    key = keyed.put("edge", noise(size))
    for start_at in {0, size // 2, size}:
        with keyed.store.open_range(key, start_at) as reader:
            assert reader.read() == noise(size)[start_at:]


@pytest.mark.parametrize(("start_at", "length"), [(-1, 1), (0, -1), (0, 1001), (1001, None), (1000, 1), (999, 2)])
def test_ranges_outside_the_object_are_refused(keyed: Keyed, start_at: int, length: int | None) -> None:
    key = keyed.put("range", noise(1000))
    with pytest.raises(ValueError, match=r"lie outside .* with 1000 bytes"):
        keyed.store.open_range(key, start_at, length)


def test_a_range_reads_only_the_chunks_it_needs(keyed: Keyed) -> None:
    """A byte that changed elsewhere is not come by."""
    data = noise(300_000)
    key = keyed.put("partly", data)
    raw = bytearray(keyed.raw(key))
    raw[HEADER_BYTES + 3 * CHUNK + 5] ^= 1
    keyed.inner.put_bytes(key, bytes(raw))
    with keyed.store.open_range(key, 65_536, 131_072) as reader:
        assert reader.read() == data[65_536 : 65_536 + 131_072]
    with keyed.store.open_range(key, 65_536, 131_073) as reader, pytest.raises(DigestMismatch, match=f"{key} was cha"):
        reader.read()


def test_a_large_file_goes_in_parts(keyed: Keyed, tmp_path: Path) -> None:
    path, size = tmp_path / "large", 2 * 16 * 1024 * 1024 + 12_345
    path.write_bytes(noise(size))
    sha256, key = hashlib.sha256(path.read_bytes()).hexdigest(), f"{keyed.folder}large"
    keyed.store.put_file(key, path, sha256)
    assert keyed.store.stored_sha256(key) == (sha256, size)


def test_a_file_that_becomes_shorter_while_it_is_read_is_refused(keyed: Keyed) -> None:
    with pytest.raises(DigestMismatch, match="became shorter"):
        keyed.store.put_stream(f"{keyed.folder}short", BytesIO(b"few"), 100_000, "")


def test_a_whole_object_is_only_read_up_to_the_limit(keyed: Keyed) -> None:
    key = keyed.put("limit", noise(1000))
    assert len(keyed.store.read_bytes(key, 1000)) == 1000
    with pytest.raises(StoreRefused, match="1000 bytes, more than 999"):
        keyed.store.read_bytes(key, 999)


Damage = Callable[[Keyed, str], bytes]


def swapped(keyed: Keyed, key: str) -> bytes:
    raw = keyed.raw(key)
    first, second = raw[HEADER_BYTES : HEADER_BYTES + CHUNK], raw[HEADER_BYTES + CHUNK : HEADER_BYTES + 2 * CHUNK]
    return raw[:HEADER_BYTES] + second + first + raw[HEADER_BYTES + 2 * CHUNK :]


DAMAGES: list[tuple[str, Damage, str]] = [
    ("chunks swapped", swapped, "was changed, or is another object"),
    ("truncated at a chunk", lambda k, key: k.raw(key)[: HEADER_BYTES + 2 * CHUNK], "was changed, or is another"),
    ("truncated within one", lambda k, key: k.raw(key)[:-1], "was changed, or is another"),
    ("lengthened", lambda k, key: k.raw(key) + bytes(1), "was changed, or is another"),
    ("cut to nothing", lambda k, key: b"", "is not encrypted, although its session has a key"),
    ("another object in its place", lambda k, key: k.raw(k.put("other", noise(200_000))), "or is another object"),
    ("another session's", lambda k, key: k.raw(other_session(k)), "or is another object"),
    ("a plain object in its place", lambda k, key: noise(200_000), "is not encrypted, although its session has a key"),
    ("a header and no more", lambda k, key: k.raw(key)[:HEADER_BYTES], "bytes, which no encrypted object has"),
]


def other_session(keyed: Keyed) -> str:
    other = Keyed(keyed.inner, keyed.secrets, new_id())
    other.store.put_bytes(other.own, new_own_key(other.secrets, other.session, may_make=True).encode())
    return other.put("object", noise(200_000))


@pytest.mark.parametrize(("damage", "words"), [row[1:] for row in DAMAGES], ids=[row[0] for row in DAMAGES])
def test_what_is_not_the_object_that_was_put_is_refused(keyed: Keyed, damage: Damage, words: str) -> None:
    key = keyed.put("object", noise(200_000))
    keyed.inner.put_bytes(key, damage(keyed, key))
    for call in (keyed.store.read_bytes, keyed.store.stored_sha256, lambda key: in_pieces(keyed.store, key)):
        with pytest.raises(DigestMismatch, match=words) as fault:
            call(key)
        assert str(fault.value).startswith(key) and str(fault.value).endswith(".")


def in_pieces(store: ObjectStore, key: str) -> None:
    """Read as a player does, one range after the other."""
    at, total = 0, 1
    while at < total:
        with store.open_range(key, at, min(60_000, total - at)) as reader:
            at, total = at + len(reader.read()), reader.total_bytes


def test_a_list_goes_past_a_plain_object_and_gives_it_a_size_that_fits_nothing(keyed: Keyed) -> None:
    keyed.inner.put_bytes(f"{keyed.folder}tracks/x", bytes(50))
    assert [item.bytes for item in keyed.store.list(f"{keyed.folder}tracks/")] == [0]


def test_the_size_in_every_list_is_the_plain_one(keyed: Keyed) -> None:
    plain = new_id()
    for session in (keyed.session, plain):
        for name in ("manifest.json", "tracks/p-mic/e001-s00000.webm"):
            keyed.store.put_bytes(f"{session_folder(COUNTY, session)}{name}", bytes(70_000))
    for prefix in ("", f"{COUNTY}/", keyed.folder, f"{keyed.folder}tracks/", f"{keyed.folder}m", f"{COUNTY}/sessions/"):
        found = {item.key: item.bytes for item in keyed.another().list(prefix)}
        assert found[keyed.manifest if prefix[-1:] == "m" else f"{keyed.folder}tracks/p-mic/e001-s00000.webm"] == 70_000
    assert {item.bytes for item in keyed.store.list(session_folder(COUNTY, plain))} == {70_000}
    (keyed.secrets / KEY_NAME).unlink()
    assert [item.bytes for item in keyed.another().list(f"{keyed.folder}m")] == [70_000], "no key is opened for a list"
    assert keyed.another().stat(keyed.manifest).bytes == 70_000


def test_a_session_without_a_key_is_read_and_written_as_ever(keyed: Keyed) -> None:
    key = f"{session_folder(COUNTY, new_id())}manifest.json"
    with pytest.raises(ObjectMissing):
        keyed.store.read_bytes(key)
    keyed.store.put_bytes(key, b"{}")
    assert keyed.raw(key) == keyed.store.read_bytes(key) == keyed.another().read_bytes(key) == b"{}"
    (keyed.secrets / KEY_NAME).unlink()
    assert keyed.another().read_bytes(key) == b"{}", "no key is needed"


def test_a_session_that_was_looked_for_before_it_had_a_key_still_gets_one(keyed: Keyed) -> None:
    later = Keyed(keyed.inner, keyed.secrets, new_id())
    with pytest.raises(ObjectMissing):
        later.store.read_bytes(later.manifest)
    keyed.store.put_bytes(later.own, new_own_key(later.secrets, later.session, may_make=True).encode())
    assert later.raw(later.put("manifest.json", b"{}")).startswith(MAGIC)


CALLS: list[Callable[[ObjectStore, str], object]] = [
    lambda store, key: store.read_bytes(key),
    lambda store, key: store.open_range(key, 0, 1),
    lambda store, key: store.stored_sha256(key),
    lambda store, key: store.put_bytes(key, b"x"),
    lambda store, key: store.put_stream(key, BytesIO(b"x"), 1, ""),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda k: (k.secrets / KEY_NAME).unlink(), "is missing; put it back from your backup"),
        (lambda k: (k.secrets / KEY_NAME).write_bytes(bytes(32)), "is not the one that session .* was recorded under"),
        (lambda k: k.inner.put_bytes(k.own, b"{}"), "The own key of session .* in the store is damaged"),
        (lambda k: k.inner.delete(k.own), "is encrypted and its own key, .*, is not in the store"),
    ],
    ids=["missing", "foreign", "damaged", "taken away"],
)
def test_without_the_key_nothing_is_read_or_written(
    keyed: Keyed, change: Callable[[Keyed], object], words: str, call: Callable[[ObjectStore, str], object]
) -> None:
    key = keyed.put("manifest.json", b"{}")
    before = keyed.raw(key)
    change(keyed)
    with pytest.raises(KeyMissing, match=words):
        call(keyed.another(), key)
    assert keyed.raw(key) == before


def test_a_key_is_never_written_over_by_another(keyed: Keyed, tmp_path: Path) -> None:
    text = keyed.raw(keyed.own)
    keyed.store.put_bytes(keyed.own, text)
    other = new_own_key(keyed.secrets, keyed.session, may_make=True).encode()
    path = tmp_path / "own-key.json"
    path.write_bytes(other)
    for put in (
        lambda: keyed.store.put_bytes(keyed.own, other),
        lambda: keyed.store.put_file(keyed.own, path, hashlib.sha256(other).hexdigest()),
        lambda: keyed.store.put_stream(keyed.own, BytesIO(other), len(other), hashlib.sha256(other).hexdigest()),
    ):
        with pytest.raises(KeyMissing, match="holds another key of session"):
            put()
    assert keyed.raw(keyed.own) == text
    keyed.inner.put_bytes(keyed.own, text[:-5])
    keyed.store.put_bytes(keyed.own, text)  # what a store that does wrong has left is mended
    assert keyed.raw(keyed.own) == text


def test_who_knows_the_key_from_elsewhere_never_writes_in_plain(keyed: Keyed) -> None:
    """As the recorder does, whatever became of the store's copy; and nobody guesses while he who knows is away."""
    text, session = keyed.raw(keyed.own), keyed.session
    keyed.inner.delete(keyed.own)
    knowing = KeyedStore(keyed.inner, keyed.secrets, lambda county, asked: text if asked == session else None)
    knowing.put_bytes(f"{keyed.folder}one", b"first")
    assert keyed.raw(f"{keyed.folder}one").startswith(MAGIC) and knowing.read_bytes(f"{keyed.folder}one") == b"first"

    def away(county: str, asked: str) -> bytes | None:
        raise StoreAway("The first store does not answer.")

    with pytest.raises(StoreAway):
        KeyedStore(keyed.inner, keyed.secrets, away).put_bytes(f"{session_folder(COUNTY, new_id())}x", b"plain?")
    plain = f"{session_folder(COUNTY, new_id())}manifest.json"
    keyed.inner.put_bytes(plain, b"{}")
    assert KeyedStore(keyed.inner, keyed.secrets, away).read_bytes(plain) == b"{}", "what lies there can be read"


def test_a_copy_is_encrypted_too_whichever_comes_first(keyed: Keyed, tmp_path: Path) -> None:
    second = KeyedStore(Prefixed(keyed.inner, f"copy-{new_id()}/"), keyed.secrets, elsewhere_of(keyed))
    key, data = keyed.put("manifest.json", noise(70_000)), noise(70_000)
    sha256 = hashlib.sha256(data).hexdigest()
    copy_checked(keyed.store, second, key, sha256, len(data))
    assert second.read_bytes(key) == data and second.inner.read_bytes(key).startswith(MAGIC)
    own = keyed.raw(keyed.own)
    copy_checked(keyed.store, second, keyed.own, hashlib.sha256(own).hexdigest(), len(own))
    alone = KeyedStore(second.inner, keyed.secrets)
    assert alone.read_bytes(key) == data, "the second store alone can be opened"
    second.inner.put_bytes(key, noise(70_000))
    copy_checked(keyed.store, second, key, sha256, len(data))
    assert alone.read_bytes(key) == data, "a plain object in its place is replaced"


def elsewhere_of(keyed: Keyed) -> Callable[[str, str], bytes | None]:
    def read(county: str, session: str) -> bytes | None:
        try:
            return keyed.inner.read_bytes(own_key_key(county, session))
        except StoreError:
            return None

    return read


class Prefixed:
    """A second store within the first: every name has something in front of it."""

    def __init__(self, inner: ObjectStore, prefix: str) -> None:
        self._inner, self._prefix = inner, prefix

    def __getattr__(self, name: str) -> Callable[..., object]:
        call = getattr(self._inner, name)
        return lambda key, *arguments, **named: call(self._prefix + key, *arguments, **named)

    def list(self, prefix: str) -> Iterator[object]:
        for item in self._inner.list(self._prefix + prefix):
            yield type(item)(item.key.removeprefix(self._prefix), item.bytes, item.modified_utc_ms)
