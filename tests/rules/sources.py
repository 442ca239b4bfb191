# SPDX-License-Identifier: Apache-2.0
"""Which files the rules are about: everything of ours that is kept in the repository."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("mediaserver", "transcribe", "storage", "web", "tests", "benchmarks")
_NOT_OURS = {"node_modules", "dist", "__pycache__"}


def files(*endings: str) -> list[Path]:
    """Files of our packages with one of these endings (with the dot)."""
    return sorted(
        path
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.suffix in endings and path.is_file() and not _NOT_OURS & set(path.parts)
    )


def python_files() -> list[Path]:
    """All Python files, and those at the root."""
    return [*sorted(ROOT.glob("*.py")), *files(".py")]
