# SPDX-License-Identifier: Apache-2.0
"""Builds the compiled plane beside its source; no build tool is needed but a C compiler and Python's own headers."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

FOLDER = Path(__file__).parent
SOURCES = (
    "allowance.c",
    "arrivals.c",
    "batch.c",
    "direct.c",
    "fanout.c",
    "intake.c",
    "meter.c",
    "outgoing.c",
    "relay.c",
    "ring.c",
    "sealer.c",
    "sender.c",
    "straight.c",
    "told.c",
)
FLAGS = ["-O2", "-Wall", "-Wextra", "-ffp-contract=off", "-shared", "-fPIC", "-fvisibility=hidden"]
"""Sums are the same to the last bit as in Python: a multiplication is rounded before what it is added to."""


def target(folder: Path = FOLDER) -> Path:
    """Where the module of this Python lies."""
    return folder / f"_batch{sysconfig.get_config_var('EXT_SUFFIX')}"


def build(folder: Path = FOLDER, flags: tuple[str, ...] = ()) -> str | None:
    """Compile, unless the module is newer than its sources. None when it is there, else one line that says why not."""
    module = target(folder)
    newest = max(file.stat().st_mtime for file in folder.glob("*.[ch]"))
    if module.exists() and not flags and module.stat().st_mtime > newest:
        return None
    wanted = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    compiler = next(
        (words for name in (wanted, "cc", "gcc", "clang") if shutil.which((words := shlex.split(name))[0])), None
    )
    if compiler is None:
        return "no C compiler was found"
    include = sysconfig.get_paths()["include"]
    if not (Path(include) / "Python.h").exists():
        return f"Python's headers are missing ({include}/Python.h)"
    # Written aside and renamed: a running server keeps the file it has mapped.
    fresh = module.with_name(f"{module.name}.{os.getpid()}")
    command = [*compiler, *FLAGS, *flags, f"-I{include}", *(str(folder / name) for name in SOURCES), "-o", str(fresh)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return f"the C compiler failed: {done.stderr.strip().splitlines()[-1:] or done.returncode}"
    fresh.replace(module)
    return None


def main() -> int:
    """Build in place and say what came of it."""
    why = build()
    print(f"The compiled plane was not built: {why}." if why else f"{target()} is there.")
    return 1 if why else 0


if __name__ == "__main__":
    sys.exit(main())
