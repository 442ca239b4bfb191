# SPDX-License-Identifier: Apache-2.0
"""A program for one test: queues files for upload and uploads until it is killed.

`python -m tests.storage.uploading SPOOL COUNT` with VIDEOHOME_DATA_DIR set; prints each key as it is queued and done.
"""

from __future__ import annotations

import hashlib
import sys
import threading
from pathlib import Path

from storage.log import configure_logging
from storage.objects import open_store
from storage.settings import load_settings
from storage.uploads import Uploader


def content(number: int) -> bytes:
    """What the file of that number holds."""
    return f"segment {number} ".encode() * 20_000


def say(line: str) -> None:
    """One line in one write: two threads speak."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Runs until it is killed."""
    spool, count = Path(sys.argv[1]), int(sys.argv[2])
    settings = load_settings()
    configure_logging("error")  # standard output is for the test alone
    uploader = Uploader(spool, lambda: open_store(settings), on_uploaded=lambda key: say(f"done {key}"), parallel=2)
    uploader.start()
    for number in range(count):
        path = spool / f"{number}.webm"
        data = content(number)
        path.write_bytes(data)
        uploader.add(path, f"c/{number}", hashlib.sha256(data).hexdigest())
        say(f"queued c/{number}")
    threading.Event().wait()


if __name__ == "__main__":
    main()
