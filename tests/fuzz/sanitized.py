# SPDX-License-Identifier: Apache-2.0
"""The compiled plane under the address and undefined-behaviour sanitizers: `python -m tests.fuzz.sanitized [INPUTS]`.

It builds the plane aside, and runs itself again with the sanitizer's library in front. Every loop of the plane is then
in use: datagrams at its socket, packets read and stored, feedback read and metered, copies made and sent.
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
from mediaserver.recording import straight
from mediaserver.shell import native_port, srtp

FLAGS = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")
_CORPUS = (("feed_room", "feed_room"), ("feed_room", "read_rtp"), ("take_feedback", "take_feedback"))
"""Targets, and whose kept inputs they try first."""
_OF_ROOMS = ("feed_room", "take_feedback")
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
    """So many inputs for each target that meets C, and a call whose layers are switched."""
    from tests.fuzz import compiled, corpus
    from tests.fuzz.targets import TARGETS
    from tests.soak.run import soak

    functions = srtp.addresses()
    assert functions is not None, "libsrtp's functions"
    module.use(*functions)
    native_port.use(module)
    straight.use(module)
    for name, kept in _CORPUS:
        for data in corpus.kept(kept):
            corpus.replay(name, data)
    with compiled.door(module, "gcm") as first, compiled.door(module, "cm") as second:
        of_c = compiled.targets(first, second)
        for name, target in {**of_c, **{name: TARGETS[name] for name in _OF_ROOMS}}.items():
            for number in range(inputs):
                target(random.Random(f"{name}-{number}"))
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
