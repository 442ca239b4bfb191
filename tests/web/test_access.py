# SPDX-License-Identifier: Apache-2.0
"""Every endpoint as every role, and no endpoint that nobody thought about."""

from __future__ import annotations

import re

import pytest
from aiohttp import web

from tests.web.access import NO_ID, all_rows
from tests.web.front import ALL_ROLES, Front

ROWS = all_rows()


def routes(app: web.Application) -> dict[tuple[str, str], frozenset[str] | None]:
    """(method, route) -> roles that the handler names, None without any."""
    found: dict[tuple[str, str], frozenset[str] | None] = {}
    for resource in app.router.resources():
        for route in resource:
            methods = getattr(route.handler, "allowed_methods", None) or {route.method}
            for method in methods - {"HEAD", "OPTIONS"}:
                access = getattr(route.handler, "ACCESS", {})
                found[(method, resource.canonical)] = access.get(method)
    return found


async def test_every_route_names_its_roles_and_stands_in_the_table(front: Front) -> None:
    found = routes(front.app)
    assert [key for key, access in found.items() if not access] == []
    rows = {(row.method, row.route): row.allowed for row in ROWS}
    assert {key: access for key, access in found.items() if rows.get(key) != access} == {}
    assert set(rows) - set(found) == set(), "rows of routes that are gone"


@pytest.mark.parametrize("role", ALL_ROLES)
async def test_every_role_gets_what_the_table_says(front: Front, role: str) -> None:
    browser = await front.signed_in(role)
    wrong = {}
    for row in ROWS:
        if role != "anonymous":  # rows may end the sign-in
            await front.sign_in(browser, "set" if role == "set" else "account", browser.id)
        path = re.sub(r"\{(\w+)\}", lambda name: row.path.get(name[1], NO_ID), row.route)  # noqa: B023 - used at once
        reply = await browser.ask(row.method, path + row.query, row.body)
        if reply.status != row.expected(role):
            wrong[f"{row.method} {row.route}"] = (reply.status, reply.body, row.expected(role))
    assert wrong == {}


async def test_the_table_does_not_repeat_itself() -> None:
    keys = [(row.method, row.route) for row in ROWS]
    assert len(keys) == len(set(keys))
