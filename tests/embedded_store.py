# SPDX-License-Identifier: Apache-2.0
"""The embedded object store as a process of its own, for every test that needs a real one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

from storage.embedded import read_access
from storage.objects import StoreError, open_store
from storage.objects.s3 import S3Store
from storage.settings import Settings


def wait(check: Callable[[], object], within_s: float = 60.0, what: str = "") -> None:
    """Looks again and again until `check` is true. Raises AssertionError when it is not in time."""
    end = time.monotonic() + within_s
    while not check():
        assert time.monotonic() < end, f"not in time: {what or check}"
        time.sleep(0.1)


class EmbeddedStore:
    """`python -m storage.embedded` with a data folder of its own."""

    def __init__(self, data_dir: Path) -> None:
        data_dir.mkdir(parents=True, exist_ok=True)
        self.settings = Settings(data_dir=data_dir)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when an object could be written, read and deleted."""
        environment = {**os.environ, "VIDEOHOME_DATA_DIR": str(self.settings.data_dir)}
        with (self.settings.data_dir / "store.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "storage.embedded"], env=environment, stdout=log, stderr=log
            )
        wait(self._answers, what="the embedded store")

    def _answers(self) -> bool:
        assert self._process is not None and self._process.poll() is None, "the store ended"
        try:
            store = open_store(self.settings)
            store.ensure_bucket()
            store.probe()
        except StoreError:
            return False
        return True

    def opened(self) -> S3Store:
        """A client with the right keys."""
        return cast(S3Store, open_store(self.settings).inner)

    def opened_access(self) -> tuple[str, str, str]:
        """Address, access key and secret key, for programs that use it as a store of somebody else's."""
        access = read_access(self.settings.data_dir / "store")
        return access.endpoint, access.access_key, access.secret_key

    def forget_ports(self) -> None:
        """Makes the next start choose other ports."""
        (self.settings.data_dir / "store" / "ports.json").unlink()

    def stop(self) -> None:
        """Ends it at once, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
