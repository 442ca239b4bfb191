# SPDX-License-Identifier: Apache-2.0
"""One installation for all programs of others, and the Node packages that some of them are."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from hatch_build import node_programs
from tests.interop.ground import Ground, encoded_media, open_ground

HERE = Path(__file__).parent


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    """Web, mediaserver, an observer and somebody who publishes."""
    ui_folder = tmp_path_factory.mktemp("ui")
    (ui_folder / "index.html").write_text("<!doctype html><title>Video Home</title>", "utf-8")
    made = await open_ground(tmp_path_factory.mktemp("ground"), ui_folder)
    yield made
    await made.close()


@pytest.fixture(scope="session")
def node() -> Path:
    """The Node program, with the packages of package-lock.json beside our scripts. Scripts of packages are not run."""
    program, npm = node_programs()
    lock = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    stamp = HERE / "node_modules" / ".lock-digest"
    if not (stamp.is_file() and stamp.read_text() == lock):
        command = [program, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        environment = {**os.environ, "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
        subprocess.run(command, cwd=HERE, env=environment, check=True)
        stamp.write_text(lock)
    return program


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Encoded frames for programs without encoders."""
    path = tmp_path_factory.mktemp("media") / "frames.json"
    encoded_media(path)
    return path
