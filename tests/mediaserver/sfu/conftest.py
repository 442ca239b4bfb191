# SPDX-License-Identifier: Apache-2.0
"""`plane` runs a test twice: with the loops for each packet in Python, and with those of the compiled plane."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mediaserver import native
from mediaserver.native.build import build
from mediaserver.shell import native_port


@pytest.fixture(scope="session")
def compiled() -> Any:
    """The module, or no test where it cannot be built."""
    build()
    module = native.load()
    if module is None:
        pytest.fail("the compiled plane cannot be built here")
    return module


@pytest.fixture(params=["python", "native"])
def plane(request: pytest.FixtureRequest) -> Iterator[str]:
    """Rooms made in the test use this plane."""
    native_port.use(request.getfixturevalue("compiled") if request.param == "native" else None)
    yield str(request.param)
    native_port.use(None)
