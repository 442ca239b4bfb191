# SPDX-License-Identifier: Apache-2.0
"""Files and functions stay small enough to read at one sitting."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.rules.sources import ROOT, python_files

FILE_LINES = 600
FUNCTION_LINES = 80
"""Hard limits; the budgets to aim at are 400 and 35."""


def too_long(path: Path) -> dict[str, int]:
    """Functions of a file over the limit, with their lines (decorators and docstring not counted)."""
    found = {}
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            length = (node.end_lineno or node.lineno) - (body[0].lineno if body else node.lineno) + 1
            if length > FUNCTION_LINES:
                found[f"{path}:{node.lineno} {node.name}"] = length
    return found


def test_no_file_is_longer_than_the_limit() -> None:
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in python_files()}
    assert {str(path.relative_to(ROOT)): n for path, n in lengths.items() if n > FILE_LINES} == {}


def test_no_function_is_longer_than_the_limit() -> None:
    assert {name: n for path in python_files() for name, n in too_long(path).items()} == {}


@pytest.mark.parametrize(("lines", "found"), [(FUNCTION_LINES, 0), (FUNCTION_LINES + 1, 1)])
def test_the_rule_sees_a_function_that_is_too_long(tmp_path: Path, lines: int, found: int) -> None:
    path = tmp_path / "long.py"
    path.write_text("def long():\n    '''Says.'''\n" + "    x = 1\n" * lines)
    assert len(too_long(path)) == found
