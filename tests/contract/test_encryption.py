# SPDX-License-Identifier: Apache-2.0
"""Encryption at rest, tried on the engines that people run: what they say, and what lies on their disks."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.objects import StoreError
from storage.objects.s3 import S3Store
from tests.contract.minio_server import ACCESS_KEY, SECRET_KEY, MinioServer, NoMinio
from tests.embedded_store import EmbeddedStore, wait
from tests.ports import free_port

PART_BYTES = 16 * 1024 * 1024
KMS_KEY = "videohome:" + base64.b64encode(bytes(range(32))).decode()


class OpenWeed:
    """SeaweedFS as somebody else runs it, whose programs speak HTTP to each other."""

    def __init__(self, folder: Path) -> None:
        self.data, self._ports = folder, {name: free_port() for name in ("s3", "filer", "master", "volume", "admin")}
        keys = [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]
        (folder / "data").mkdir()
        s3 = {"identities": [{"name": "test", "credentials": keys, "actions": ["Admin", "Read", "Write", "List"]}]}
        (folder / "s3.json").write_text(json.dumps(s3), "utf-8")
        arguments = ["mini", "-dir=data", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3.config=s3.json"]
        arguments += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-admin.ui=false", "-webdav=false"]
        arguments += ["-master.telemetry=false", f"-filer.localSocket={folder / 'filer.sock'}"]
        for name, port in self._ports.items():
            arguments += [f"-{name}.port={port}", f"-{name}.port.grpc={free_port()}"]
        with (folder / "weed.log").open("ab") as log:
            weed = str(Path(sys.executable).with_name("weed"))
            self._process = subprocess.Popen([weed, *arguments], cwd=folder, stdout=log, stderr=log)
        wait(self._answers, what="SeaweedFS")

    def _answers(self) -> bool:
        assert self._process.poll() is None, (self.data / "weed.log").read_text("utf-8")
        with contextlib.suppress(StoreError):
            self.opened().ensure_bucket()
            self.opened().probe()
            return True
        return False

    def opened(self, encryption: str = "off") -> S3Store:
        address = f"127.0.0.1:{self._ports['s3']}"
        return S3Store(address, ACCESS_KEY, SECRET_KEY, "videohome", secure=False, encryption=encryption)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


Server = OpenWeed | MinioServer


def minio(folder: Path, **environment: str) -> MinioServer:
    try:
        made = MinioServer(folder, **environment)
    except NoMinio as missing:
        pytest.skip(str(missing))
    made.start()
    return made


@pytest.fixture(scope="module", params=["seaweedfs", "minio"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OpenWeed | MinioServer]:
    """A store with a key."""
    folder = tmp_path_factory.mktemp(request.param)
    made = OpenWeed(folder) if request.param == "seaweedfs" else minio(folder, MINIO_KMS_SECRET_KEY=KMS_KEY)
    yield made
    made.stop()


def lies_open(folder: Path, needle: bytes) -> bool:
    """True when the bytes are somewhere on the disk as they are."""
    return any(needle in path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.mark.timeout(2500)  # the first use may build MinIO
def test_what_is_encrypted_comes_back_and_does_not_lie_open(server: Server) -> None:
    store = server.opened("sse-s3")
    assert store.probe_encryption() == "encrypted"
    for number, size in enumerate((100_000, PART_BYTES + 1_000_000)):
        data = random.Random(number).randbytes(size)
        needle, key = data[50_000:50_064], f"secret/{number}"
        store.put_bytes(key, data)
        assert store.stat(key).bytes == size
        assert store.stored_sha256(key) == (hashlib.sha256(data).hexdigest(), size)
        for start, length in ((0, 10), (65_530, 20), (size - 33_000, 33_000)):
            with store.open_range(key, start, length) as part:
                assert part.read() == data[start : start + length]
        assert not lies_open(server.data, needle)
        server.opened().put_bytes(f"open/{number}", data)
        assert lies_open(server.data, needle), "the look at the disk finds what is there"


def test_a_store_that_is_not_asked_says_nothing_of_encryption(server: Server) -> None:
    assert server.opened().probe_encryption() == "ignored"


def test_the_embedded_store_cannot_read_what_it_encrypted(tmp_path: Path) -> None:
    """Its volume speaks only to holders of a certificate, which weed 4.48 forgets where it decrypts."""
    embedded = EmbeddedStore(tmp_path)
    embedded.start()
    try:
        access = embedded.opened_access()
        store = S3Store(*access, embedded.settings.s3_bucket, secure=False, encryption="sse-s3")
        assert store.probe_encryption() == "unreadable"
        assert not list(store.list(".probe/"))
    finally:
        embedded.stop()


@pytest.mark.timeout(2500)
def test_minio_without_a_key_refuses(tmp_path: Path) -> None:
    made = minio(tmp_path)
    try:
        assert made.opened("sse-s3").probe_encryption() == "refused"
    finally:
        made.stop()
