# SPDX-License-Identifier: Apache-2.0
"""Liveness, readiness, figures and the API's own description."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp_pydantic.oas.pydantic_schema_to_oas import add_or_replace_translater
from aiohttp_pydantic.oas.view import generate_oas
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from web.api.core import CALLER, COUNTERS, DATABASE, EVERYONE, SETTINGS, ApiFault, open_to
from web.api.middleware import COOKIE
from web.sessions.running import RUNNING
from web.version import version

ANSWER_WITHIN_S = 2.0
"""The mediaserver beside us must answer within this time to count as there."""


@open_to(EVERYONE)
async def healthz(request: web.Request) -> web.Response:
    """The program is alive."""
    return web.Response(text="ok\n")


@open_to(EVERYONE)
async def readyz(request: web.Request) -> web.Response:
    """200 when pages can be served: database and mediaserver answer. The object store may be away: pages say so."""
    parts = {"database": await _database_answers(request.app)}
    settings = request.app[SETTINGS]
    sockets = [settings.worker_dir(number) / "media.sock" for number in range(settings.workers)]
    parts["mediaserver"] = any(await asyncio.gather(*map(media_answers, sockets)))
    return web.json_response({"ready": all(parts.values()), **parts}, status=200 if all(parts.values()) else 503)


async def _database_answers(app: web.Application) -> bool:
    try:
        async with app[DATABASE].read() as db:
            await db.execute(text("SELECT 1"))
    except (SQLAlchemyError, OSError):
        return False
    return True


async def media_answers(socket: Path) -> bool:
    """True when the mediaserver behind the Unix socket answers."""
    timeout = aiohttp.ClientTimeout(total=ANSWER_WITHIN_S)
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket)), timeout=timeout) as http,
            http.get("http://media/healthz") as response,
        ):
            return response.status == 200
    except (TimeoutError, aiohttp.ClientError, OSError):
        return False


@open_to(EVERYONE)
async def metrics(request: web.Request) -> web.Response:
    """Figures for Prometheus: for this machine and for administrators."""
    caller = request[CALLER]
    if caller.role != "administrator" and not _is_loopback(caller.address):
        raise ApiFault(403, "forbidden")
    body = generate_latest(request.app[COUNTERS].registry)
    if RUNNING in request.app:
        body += merged(await request.app[RUNNING].media.metrics())
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})


def merged(texts: Sequence[str]) -> bytes:
    """Figures of several processes as one: each family stands once, with the samples of all."""
    families: dict[str, Metric] = {}
    for page in texts:
        for family in text_string_to_metric_families(page):
            known = families.setdefault(family.name, family)
            if known is not family:
                known.samples.extend(family.samples)
    registry = CollectorRegistry()
    registry.register(_Families(families.values()))
    return generate_latest(registry)


class _Families(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


@open_to(EVERYONE)
async def openapi(request: web.Request) -> web.Response:
    """The API's description (OpenAPI 3)."""
    return web.json_response(describe(request.app))


def describe(app: web.Application) -> dict[str, Any]:
    """OpenAPI document of all resources, with the roles that may use each and the one form of errors."""
    cookie = {"type": "apiKey", "in": "cookie", "name": COOKIE}
    # pydantic's schemas are OpenAPI 3.1 as they are; the library would rewrite them for 3.0, and fails at references.
    add_or_replace_translater("3.0.0", lambda schema: None)
    document: dict[str, Any] = generate_oas([app], version(), "Video Home", {"sign_in": cookie})
    document["openapi"] = "3.1.0"
    document.setdefault("components", {}).setdefault("schemas", {})["Error"] = _ERROR
    views = {resource.canonical: resource for resource in app.router.resources()}
    for path, methods in document.get("paths", {}).items():
        for method, operation in methods.items():
            roles = _access(views[path], method.upper())
            operation["x-roles"] = sorted(roles)
            operation["security"] = [] if "anonymous" in roles else [{"sign_in": []}]
            for response in operation.setdefault("responses", {}).values():
                response.setdefault("description", "")
            operation["responses"]["default"] = _ERROR_RESPONSE
    return document


def _access(resource: web.AbstractResource, method: str) -> frozenset[str]:
    for route in resource:
        found: frozenset[str] | None = getattr(route.handler, "ACCESS", {}).get(method)
        if found is not None:
            return found
    return frozenset()

    return version()


_ERROR = {
    "title": "Error",
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "params", "message"],
            "properties": {
                "code": {"type": "string"},
                "params": {"type": "object"},
                "message": {"type": "string", "description": "One sentence in the caller's language."},
            },
        }
    },
}
_ERROR_RESPONSE = {
    "description": "The answer is no, and why.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}


def add_routes(app: web.Application) -> None:
    """/healthz, /readyz, /metrics and /api/openapi.json."""
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/api/openapi.json", openapi)
