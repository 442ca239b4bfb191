# SPDX-License-Identifier: Apache-2.0
"""Makes and signs a session's manifest from its journal, here or in a child process.

Three hours of 24 parties are half a million parts, some ten seconds of work that would hold the interpreter of the
recorder while others are being recorded. `python -m mediaserver.recorder.manifest_making` reads one order (JSON) from
standard input and writes one line of facts (JSON) and the manifest's bytes; the recorder alone writes to the spool.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mediaserver.recorder.spool import SessionSpool
from mediaserver.recording import summary
from mediaserver.recording.state import JournalFault
from storage import seal
from storage.manifest import ManifestFault

NICENESS = 5
"""Of the child: nobody waits for a seal, everybody for their call."""


class SealRefused(Exception):
    """The manifest cannot be made from what was recorded. The text says why."""


@dataclass(frozen=True, slots=True)
class Made:
    """A sealed manifest and what the journal keeps of it."""

    data: bytes
    complete: bool
    duration_ms: int


def make(spool: SessionSpool, secrets_dir: Path) -> Made:
    """Everything that is on disk of the session, sealed now. Raises SealRefused, OSError."""
    try:
        made = summary.build(spool.read(), software(), spool.key)
        data = seal.sealed_bytes(made, seal.load_key(secrets_dir), time.time_ns() // 1_000_000)
    except (JournalFault, ManifestFault, seal.SealBroken, ValueError) as error:
        raise SealRefused(str(error)) from error
    return Made(data, made.complete, summary.duration_ms(made))


async def make_in_child(spool: SessionSpool, secrets_dir: Path) -> Made:
    """As `make`, in a process that ends with it. Raises SealRefused, OSError."""
    order = {
        "spool": str(spool.spool_dir), "secrets": str(secrets_dir),
        "county": spool.county, "session": spool.session_id,
    }  # fmt: skip
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mediaserver.recorder.manifest_making", stdin=pipe, stdout=pipe
    )
    try:
        said, _ = await child.communicate(json.dumps(order).encode())
    finally:
        if child.returncode is None:  # we are cancelled; the next start seals
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()
    line, _, data = said.partition(b"\n")
    try:
        facts = json.loads(line)
        if child.returncode == 0:
            return Made(data, bool(facts["complete"]), int(facts["duration_ms"]))
        reason = str(facts["refused"])
    except (ValueError, KeyError, TypeError):
        raise OSError(f"the sealing process ended with status {child.returncode}") from None
    raise SealRefused(reason)


def software() -> str:
    """Name and version for the manifest."""
    try:
        return f"videohome {version('videohome')}"
    except PackageNotFoundError:
        return "videohome (not installed)"


def main() -> int:
    """The child. Exit status: 0 with a manifest, 1 when it cannot be made; an OSError ends with its traceback."""
    os.nice(NICENESS)
    order = json.load(sys.stdin)
    spool = SessionSpool(Path(order["spool"]), order["county"], order["session"])
    try:
        made = make(spool, Path(order["secrets"]))
    except SealRefused as error:
        print(json.dumps({"refused": str(error)}))
        return 1
    out = sys.stdout.buffer
    out.write(json.dumps({"complete": made.complete, "duration_ms": made.duration_ms}).encode() + b"\n")
    out.write(made.data)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
