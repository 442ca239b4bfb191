# SPDX-License-Identifier: Apache-2.0
"""Upload queue over the spool: nothing local is removed before the store was seen to hold the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from storage.objects.protocol import ObjectStore


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is not yet checked in the store."""

    uploads: int
    bytes: int


class Uploader:
    """Thread-safe queue of files on their way from the spool to the store.

    `open_store` is called again after each failure, because the embedded store may come back on another port.
    """

    def __init__(
        self,
        spool_dir: Path,
        open_store: Callable[[], ObjectStore],
        *,
        on_uploaded: Callable[[str], None] = lambda key: None,
        parallel: int = 2,
    ) -> None:
        raise NotImplementedError

    def start(self) -> None:
        """Take up what the journal says is waiting, and begin to upload in threads."""

    def add(self, path: Path, key: str, sha256: str) -> None:
        """Queue a finished, fsynced file under the spool; when this returns, the order survives a kill -9."""

    def waiting(self, prefix: str = "") -> Waiting:
        """Files (whose key starts with `prefix`) that are not yet checked in the store."""
        raise NotImplementedError

    @property
    def last_error(self) -> str | None:
        """Why the newest attempt failed, in one sentence; None after a success."""
        raise NotImplementedError

    def close(self, timeout_s: float = 5.0) -> None:
        """Stop after the attempts in hand; the rest waits for the next start."""
