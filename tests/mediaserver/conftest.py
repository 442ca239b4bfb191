# SPDX-License-Identifier: Apache-2.0
"""`compiled` is the compiled plane."""

from __future__ import annotations

from typing import Any

import pytest

from mediaserver import native
from mediaserver.native.build import build


@pytest.fixture(scope="session")
def compiled() -> Any:
    """The module, or no test where it cannot be built."""
    build()
    module = native.load()
    if module is None:
        pytest.fail("the compiled plane cannot be built here")
    return module
