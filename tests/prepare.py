# SPDX-License-Identifier: Apache-2.0
"""Builds the servers of others that the tests need, once for each machine, while style and types are being checked.

`python -m tests.prepare` runs at the lowest priority and on one core, because real calls may already be held beside it.
Who needs a server before it is there waits for the same lock. What cannot be built is said by the test that needs it.
"""

from __future__ import annotations

import os
import sys

import pytest

from tests.contract.minio_server import minio_program
from tests.mediaserver.cameras.servers import live555_program


def main() -> int:
    os.nice(19)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    failures = 0
    for build in (minio_program, live555_program):
        try:
            build()
        except (Exception, pytest.fail.Exception) as error:
            print(f"{build.__name__}: {error}", file=sys.stderr)
            failures += 1
    return failures


if __name__ == "__main__":
    sys.exit(main())
