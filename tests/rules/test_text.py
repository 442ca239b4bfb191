# SPDX-License-Identifier: Apache-2.0
"""What every file says and none does."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.rules.sources import ROOT, files, python_files

LICENCE = "SPDX-License-Identifier: Apache-2.0"
MARKS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
"""Work that is not done belongs into an issue, not into a comment that nobody reads."""
PURE_TESTS = (
    "mediaserver/rtp", "mediaserver/sfu", "mediaserver/recording", "mediaserver/signalling", "web/casework", "sim",
    "transcribe/test_lines.py", "transcribe/test_guards.py", "storage/test_seal.py", "storage/test_custody.py",
    "storage/test_keyed_format.py",
)  # fmt: skip
CLOCKS = {"time", "asyncio", "threading", "socket", "subprocess"}


def relative(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def test_every_file_names_its_licence_at_the_top() -> None:
    everything = [*python_files(), *files(".ts", ".tsx", ".css", ".ftl", ".sh"), ROOT / "Makefile"]
    assert len(everything) > 100
    without = [path for path in everything if LICENCE not in "".join(path.read_text("utf-8").splitlines()[:2])]
    assert relative(without) == []


def test_nothing_is_left_to_be_done_in_a_comment() -> None:
    mine = Path(__file__)
    sources = [*python_files(), *files(".ts", ".tsx", ".css", ".ftl", ".sh")]
    assert relative([path for path in sources if path != mine and MARKS.search(path.read_text("utf-8"))]) == []


def test_no_path_of_one_machine_is_in_the_repository() -> None:
    own = re.compile(r"(?<!\w)/(work|root)/|/home/[a-z]")
    sources = [*python_files(), *files(".ts", ".tsx", ".css", ".ftl", ".sh", ".json"), ROOT / "README.md"]
    assert relative([path for path in sources if path != Path(__file__) and own.search(path.read_text("utf-8"))]) == []


def waits(path: Path) -> list[str]:
    """Modules with a clock or the world in them that a file imports."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
    return [name for name in names if name.split(".")[0] in CLOCKS]


@pytest.mark.parametrize("where", PURE_TESTS)
def test_tests_of_pure_code_know_no_clock(where: str) -> None:
    path = ROOT / "tests" / where
    found = [path] if path.is_file() else sorted(path.rglob("*.py"))
    assert found
    assert {str(file.relative_to(ROOT)): waits(file) for file in found if waits(file)} == {}
