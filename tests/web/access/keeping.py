# SPDX-License-Identifier: Apache-2.0
"""Classes and holds of records."""

from __future__ import annotations

from tests.web.access import Row

KEEPERS = frozenset({"administrator", "clerk"})
SESSION = "/api/sessions/{session_id}"

ROWS = [
    Row("GET", "/api/keeping", KEEPERS),
    Row("GET", f"{SESSION}/keeping", KEEPERS, status=404),
    Row("PATCH", f"{SESSION}/keeping", KEEPERS, status=404, body={"retention_class": "evidence"}),
    Row("PUT", f"{SESSION}/hold", KEEPERS, status=404, body={"held": True, "reason": "诉讼中"}),
]
