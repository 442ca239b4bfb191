# SPDX-License-Identifier: Apache-2.0
"""Files stay small enough to read at one sitting."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HARD_LINES = 600
PACKAGES = ("mediaserver", "transcribe", "storage", "web", "tests", "benchmarks")


@pytest.mark.parametrize("package", PACKAGES)
def test_no_file_is_longer_than_the_limit(package: str) -> None:
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in (ROOT / package).rglob("*.py")}
    assert {str(path.relative_to(ROOT)): n for path, n in lengths.items() if n > HARD_LINES} == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_file_names_its_licence(package: str) -> None:
    without = [
        str(path.relative_to(ROOT))
        for path in (ROOT / package).rglob("*.py")
        if not path.read_text("utf-8").startswith("# SPDX-License-Identifier: Apache-2.0\n")
    ]
    assert without == []
