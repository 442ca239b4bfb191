# SPDX-License-Identifier: Apache-2.0
"""For all tests: no property test is judged by how long the machine took for it, and every run tries the same inputs.

Fresh inputs are the long fuzzing's work (`make fuzz`): a change is judged by what it changed, not by a lucky draw.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.postgres import Cluster

settings.register_profile(
    "machine-independent", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("machine-independent")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL of the tests' own."""
    from tests.postgres import Cluster  # most tests need no database, and no part of one

    running = Cluster()
    yield running
    running.stop()
