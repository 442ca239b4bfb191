# SPDX-License-Identifier: Apache-2.0
"""Builds the servers of others that the tests need, once for each machine, while style and types are being checked.

With `--beside` it takes only what nobody else wants of the machine (real calls are held beside it), without it takes
everything. Who needs a server before it is there waits for the same lock. What cannot be built is said by the test that
needs it.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import pytest

from tests.contract.minio_server import minio_program
from tests.mediaserver.cameras.servers import live555_program


def main() -> int:
    if "--beside" in sys.argv[1:]:
        _take_only_what_is_left()
    failures = 0
    for build in (minio_program, live555_program):
        try:
            build()
        except (Exception, pytest.fail.Exception) as error:
            print(f"{build.__name__}: {error}", file=sys.stderr)
            failures += 1
    return failures


def _take_only_what_is_left() -> None:
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    # Where the kernel shares out by session, priority inside of one says nothing to the others (sched(7)).
    with contextlib.suppress(OSError):
        os.setsid()
        Path("/proc/self/autogroup").write_text("19", "ascii")


if __name__ == "__main__":
    sys.exit(main())
