# SPDX-License-Identifier: Apache-2.0
"""The pages' own unit tests and their types, run by Node."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hatch_build import install_modules, node_programs

ROOT = Path(__file__).parents[2]
UI = ROOT / "web" / "ui"


def node(*arguments: str) -> None:
    program, _ = node_programs()
    done = subprocess.run([str(program), *arguments], cwd=UI, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module", autouse=True)
def modules() -> None:
    install_modules(ROOT)


def test_types() -> None:
    node("node_modules/typescript/bin/tsc", "--noEmit")


def test_units() -> None:
    node("--test", "src/**/*.test.ts")
