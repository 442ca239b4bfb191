# SPDX-License-Identifier: Apache-2.0
"""Doors for devices, and the standard ways in, where a token decides and not a role."""

from __future__ import annotations

from tests.web.access import ADMINISTRATOR, EVERYONE, NO_ID, Row

OPENING = frozenset({"station_officer", "hq_officer", "set"}) | ADMINISTRATOR
DOORS = "/api/sessions/{session_id}/doors"
DOOR = {"name": "投影仪", "right": "watch"}

ROWS = [
    Row("GET", DOORS, OPENING, status=404),
    Row("POST", DOORS, OPENING, status=404, body=DOOR),
    Row("DELETE", f"{DOORS}/{{peer_id}}", OPENING, status=404, path={"peer_id": NO_ID}),
    *(Row("POST", path, EVERYONE, status=401) for path in ("/whip/{room}", "/whep/{room}/{peer}")),
    *(
        Row(method, path, EVERYONE, status=401)
        for path in ("/whip/{room}/{visit}", "/whep/{room}/{peer}/{visit}")
        for method in ("PATCH", "DELETE")
    ),
    *(
        Row("GET", path, EVERYONE, status=405)
        for path in ("/whip/{room}", "/whip/{room}/{visit}", "/whep/{room}/{peer}", "/whep/{room}/{peer}/{visit}")
    ),
]
