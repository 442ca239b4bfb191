# SPDX-License-Identifier: Apache-2.0
"""Which role may use which endpoint: one module for each part of the API, each with its `ROWS`.

`tests/web/test_access.py` asks every row as every role, and fails for a route of the program without a row.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass, field
from typing import Any

ADMINISTRATOR = frozenset({"administrator"})
ACCOUNTS = frozenset({"administrator", "station_officer", "hq_officer", "clerk"})
SIGNED_IN = ACCOUNTS | {"set"}
EVERYONE = SIGNED_IN | {"anonymous"}
NO_ID = "0" * 26


@dataclass(frozen=True)
class Row:
    """One method of one route. `status` is what an allowed role gets; ids in the path are filled with one that is
    nobody's, so an allowed role usually gets 404 where there is an id."""

    method: str
    route: str
    """As registered, for example /api/places/{place_id}."""
    allowed: frozenset[str]
    status: int = 200
    body: Any = None
    path: dict[str, str] = field(default_factory=dict)
    """Values for names in the route that are no ids."""
    query: str = ""
    """Added to the path, with its question mark."""

    def expected(self, role: str) -> int:
        """Status for a role: what is not allowed is 401 for strangers and 403 for others."""
        if role in self.allowed:
            return self.status
        return 401 if role == "anonymous" else 403


def all_rows() -> list[Row]:
    """Rows of all modules in this package."""
    rows: list[Row] = []
    for module in pkgutil.iter_modules(__path__):
        rows += importlib.import_module(f"{__name__}.{module.name}").ROWS
    return rows
