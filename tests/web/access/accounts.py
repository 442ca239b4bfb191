# SPDX-License-Identifier: Apache-2.0
"""Signing in, links, places, people, sets, health, pages."""

from __future__ import annotations

from tests.web.access import ACCOUNTS, ADMINISTRATOR, EVERYONE, NO_ID, SIGNED_IN, Row

ROWS = [
    Row("GET", "/healthz", EVERYONE),
    Row("GET", "/readyz", EVERYONE, status=503),  # no mediaserver beside the test
    Row("GET", "/metrics", EVERYONE),  # loopback; other addresses are tested in tests/web/api/test_health.py
    Row("GET", "/api/openapi.json", EVERYONE),
    Row("GET", "/ca", EVERYONE),
    Row("GET", "/ca/root.crt", EVERYONE),
    Row("GET", "/ca/page.css", EVERYONE),
    Row("GET", "/{path}", EVERYONE, path={"path": "sessions"}),
    Row("POST", "/api/sign-in", EVERYONE, status=401, body={"username": "nobody", "password": "nothing at all"}),
    Row("POST", "/api/sign-out", EVERYONE),
    Row("GET", "/api/me", SIGNED_IN),
    Row("POST", "/api/me/password", ACCOUNTS, status=401, body={"current": "wrong", "new": "something long"}),
    Row("PUT", "/api/me/language", SIGNED_IN, body={"language": "en"}),
    Row("POST", "/api/invitations/look", EVERYONE, status=404, body={"token": "nothing"}),
    Row("POST", "/api/invitations/accept", EVERYONE, status=404, body={"token": "nothing"}),
    Row("GET", "/api/places", SIGNED_IN),
    Row("POST", "/api/places", ADMINISTRATOR, body={"kind": "desk", "name": "接访大厅"}),
    Row("PATCH", "/api/places/{place_id}", ADMINISTRATOR, status=404, body={"name": "x"}),
    Row("GET", "/api/people", ADMINISTRATOR),
    Row("POST", "/api/people", ADMINISTRATOR, body={"username": "li", "name": "李明", "role": "clerk"}),
    Row("PATCH", "/api/people/{account_id}", ADMINISTRATOR, status=404, body={"name": "x"}),
    Row("POST", "/api/people/{account_id}/invitation", ADMINISTRATOR, status=404),
    Row("GET", "/api/sets", ADMINISTRATOR),
    Row("POST", "/api/sets", ADMINISTRATOR, status=404, body={"name": "一号终端", "place_id": NO_ID}),
    Row("PATCH", "/api/sets/{set_id}", ADMINISTRATOR, status=404, body={"name": "x"}),
    Row("POST", "/api/sets/{set_id}/invitation", ADMINISTRATOR, status=404),
    Row("POST", "/api/sets/{set_id}/release", ADMINISTRATOR, status=404),
]
