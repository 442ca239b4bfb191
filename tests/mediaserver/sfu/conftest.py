# SPDX-License-Identifier: Apache-2.0
"""`plane` runs a test twice: with the loops for each packet in Python, and with those of the compiled plane."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mediaserver.shell import native_port


@pytest.fixture(params=["python", "native"])
def plane(request: pytest.FixtureRequest) -> Iterator[str]:
    """Rooms made in the test use this plane."""
    native_port.use(request.getfixturevalue("compiled") if request.param == "native" else None)
    yield str(request.param)
    native_port.use(None)
