# SPDX-License-Identifier: Apache-2.0
"""The compiled plane under the address and undefined-behaviour sanitizers: `python -m tests.fuzz.sanitized [INPUTS]`.

It builds the plane aside, and runs itself again with the sanitizer's library in front: the room's target then forwards
by the compiled loop, from the corpus first.
"""

from __future__ import annotations

import importlib.util
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from mediaserver.native import build
from mediaserver.sfu import fanout

FLAGS = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")
_MODULE = "VIDEOHOME_TEST_SANITIZED_PLANE"


def library() -> str | None:
    """Where the compiler keeps the sanitizer; None without one."""
    if shutil.which("gcc") is None:
        return None
    found = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    path = found.stdout.strip()
    return path if "/" in path else None


def run(inputs: int) -> subprocess.CompletedProcess[str]:
    """Build and try so many inputs; exit status 0 when nothing was found. Raises RuntimeError when it cannot build."""
    asan = library()
    if asan is None:
        raise RuntimeError("gcc or its sanitizers are missing")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for source in build.FOLDER.glob("*.[ch]"):
            shutil.copy(source, folder)
        if (why := build.build(folder, FLAGS)) is not None:
            raise RuntimeError(why)
        environment = {
            **os.environ,
            _MODULE: str(build.target(folder)),
            "LD_PRELOAD": asan,
            "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0",
            "PYTHONMALLOC": "malloc",
        }
        command = [sys.executable, "-m", "tests.fuzz.sanitized", str(inputs)]
        return subprocess.run(command, env=environment, capture_output=True, text=True)


def load(path: str) -> Any:
    """The plane that was built aside."""
    spec = importlib.util.spec_from_file_location("mediaserver.native._batch", path)
    assert spec is not None and spec.loader is not None, "a module file"
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def try_inputs(module: Any, inputs: int) -> None:
    """The room's target with the compiled loop, and a call whose layers are switched."""
    from tests.fuzz import corpus
    from tests.fuzz.targets import TARGETS
    from tests.soak.run import soak

    fanout.use(module)
    for data in corpus.kept("feed_room"):
        corpus.replay("feed_room", data)
    for data in corpus.kept("read_rtp"):
        corpus.replay("feed_room", data)
    for number in range(inputs):
        TARGETS["feed_room"](random.Random(f"sanitized-{number}"))
    outcome = soak(1, min(20, inputs // 10), peers=4)
    assert outcome.faults == [], outcome.faults


def main() -> int:
    """The parent builds; the child, which has the sanitizer, tries."""
    inputs = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000
    if path := os.environ.get(_MODULE):
        try_inputs(load(path), inputs)
        print(f"{inputs} inputs, nothing found")
        return 0
    done = run(inputs)
    print(done.stdout, done.stderr, sep="", end="")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
