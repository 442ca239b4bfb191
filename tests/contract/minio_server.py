# SPDX-License-Identifier: Apache-2.0
"""A real MinIO server for the contract tests: found on the path, or built from its source where Go is present.

MinIO's makers no longer publish binaries, so `go install` is the way to one. It takes about two minutes, once: the
result is kept outside the repository, in VIDEOHOME_TEST_CACHE or ~/.cache/videohome-test.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

from storage.objects.protocol import StoreError
from storage.objects.s3 import S3Store
from tests.embedded_store import wait
from tests.ports import free_port

SOURCE = "github.com/minio/minio@latest"
ACCESS_KEY, SECRET_KEY = "videohome-test", "only-for-this-test-run"
_BUILD_WITHIN_S = 2400


class NoMinio(Exception):
    """Neither MinIO nor Go is on this machine. The text is one sentence."""


def cache_dir() -> Path:
    """Where what the tests built is kept from run to run."""
    return Path(os.environ.get("VIDEOHOME_TEST_CACHE", Path.home() / ".cache" / "videohome-test"))


def minio_program() -> Path:
    """Path of the server. Raises NoMinio, or AssertionError when it cannot be built although Go is here."""
    built = cache_dir() / "minio"
    for found in (shutil.which("minio"), built, Path.home() / "go" / "bin" / "minio"):
        if found is not None and os.access(found, os.X_OK):
            return Path(found)
    go = shutil.which("go")
    if go is None:
        raise NoMinio("Neither a MinIO server nor Go to build one is on this machine; put `minio` or `go` on the path.")
    cache_dir().mkdir(parents=True, exist_ok=True)
    with (cache_dir() / "minio.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not built.exists():
            environment = {**os.environ, "GOBIN": str(cache_dir()), "GOFLAGS": "-mod=mod"}
            made = subprocess.run(
                [go, "install", SOURCE], env=environment, capture_output=True, text=True, timeout=_BUILD_WITHIN_S
            )
            assert made.returncode == 0, f"MinIO cannot be built with {go}:\n{made.stderr[-2000:]}"
    return built


class MinioServer:
    """`minio server` on loopback with a data folder of its own."""

    bucket = "videohome"

    def __init__(self, folder: Path, **environment: str) -> None:
        self._environment = environment
        self.data = folder / "minio"
        self._log = folder / "minio.log"
        self._program = minio_program()
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    def start(self) -> None:
        """Returns when an object could be written, read and deleted."""
        self._port = self._port or free_port()
        arguments = ["server", str(self.data), "--quiet", "--address", f"127.0.0.1:{self._port}"]
        arguments += ["--console-address", f"127.0.0.1:{free_port()}"]
        environment = {**os.environ, "MINIO_ROOT_USER": ACCESS_KEY, "MINIO_ROOT_PASSWORD": SECRET_KEY}
        environment |= {"MINIO_UPDATE": "off", "MINIO_BROWSER": "off", "_MINIO_SERVER_DEBUG": "off"}
        environment |= self._environment
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([str(self._program), *arguments], env=environment, stdout=log, stderr=log)
        wait(self._answers, what="MinIO")

    def _answers(self) -> bool:
        assert self._process is not None and self._process.poll() is None, self._log.read_text("utf-8")
        try:
            store = self.opened()
            store.ensure_bucket()
            store.probe()
        except StoreError:
            return False
        return True

    def opened(self, encryption: str = "off") -> S3Store:
        """A client with the right keys."""
        address = f"127.0.0.1:{self._port}"
        return S3Store(address, ACCESS_KEY, SECRET_KEY, self.bucket, secure=False, encryption=encryption)

    def forget_ports(self) -> None:
        """Makes the next start choose another port."""
        self._port = 0

    def stop(self) -> None:
        """Ends it at once, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
