# SPDX-License-Identifier: Apache-2.0
"""One installation for all tests that leave it as it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance.machine import Server


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`videohome serve` that printed its addresses."""
    made = Server(tmp_path_factory.mktemp("serve"))
    made.start()
    yield made
    assert made.stop() == 0
