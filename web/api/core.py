# SPDX-License-Identifier: Apache-2.0
"""What every handler of the API stands on: who asks, what may be asked by whom, and how an answer says no.

A handler is a class derived from `ApiView` (or a function marked by `@open_to`) that names in `ACCESS` the roles for
each of its methods. What is not named is denied.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, TypeVar

from aiohttp import web
from aiohttp_pydantic import PydanticView
from prometheus_client import CollectorRegistry, Counter
from pydantic import BaseModel, ConfigDict, ValidationError

from storage.database.engine import Database
from storage.settings import Settings
from web.sessions.audit import Actor
from web.words import Words, choose_language

ROLES: Final = ("administrator", "station_officer", "hq_officer", "clerk")
"""Roles that an account can have."""
ADMINISTRATOR: Final = frozenset({"administrator"})
SIGNED_IN: Final = frozenset({*ROLES, "set"})
EVERYONE: Final = SIGNED_IN | {"anonymous"}
MAX_BODY_BYTES: Final = 256 * 1024
"""A longer request body is refused (body_too_large)."""

Access = Mapping[str, frozenset[str]]
Clock = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `role` is the account's role, `set` for an enrolled browser, or `anonymous`."""

    kind: str
    """account, set or anonymous."""
    id: str
    """Empty for anonymous."""
    name: str
    role: str
    county: str
    place_id: str | None
    place_name: str
    language: str
    """zh-CN or en."""
    address: str
    """Network address of the other end."""
    sign_in: str = ""
    """Hash of the sign-in's token, its name in `SIGN_IN_ENDED`; empty for anonymous."""
    must_change_password: bool = False


def actor_of(caller: Caller) -> Actor:
    """The caller, as rows keep them."""
    return Actor(caller.kind, caller.id, caller.name, caller.address)


class Counters:
    """What the technician sees in /metrics. Other parts may add collectors to `registry`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "videohome_web_requests", "Answers by route", ("route", "method", "status"), registry=self.registry
        )
        self._events = Counter("videohome_web_events", "Refusals, faults by code", ("event",), registry=self.registry)

    def count(self, event: str) -> None:
        """One more of `event` (a fixed word of ours, never a person's text)."""
        self._events.labels(event).inc()

    def answered(self, route: str, method: str, status: int) -> None:
        """One more answer of a route."""
        self._requests.labels(route, method, str(status)).inc()


SETTINGS: Final = web.AppKey("settings", Settings)
DATABASE: Final = web.AppKey("database", Database)
WORDS: Final = web.AppKey("words", Words)
COUNTERS: Final = web.AppKey("counters", Counters)
NOW_MS: Final[web.AppKey[Clock]] = web.AppKey("now_ms")
"""Clock of the program: UTC in milliseconds since 1970. Tests put their own in."""
SIGN_IN_ENDED: Final[web.AppKey[list[Callable[[str], None]]]] = web.AppKey("sign_in_ended")
"""Called, after the database has it, with `Caller.sign_in` of every sign-in that ended before its time."""
CALLER: Final = web.RequestKey("caller", Caller)


class ApiFault(Exception):
    """The answer is no, and it is the asker's or the world's doing. `code` has the sentence `error-CODE`."""

    def __init__(self, status: int, code: str, params: Mapping[str, object] | None = None) -> None:
        super().__init__(code)
        self.status: Final = status
        self.code: Final = code
        self.params: Final[dict[str, object]] = dict(params or {})


class Body(BaseModel):
    """Base of request bodies: unknown fields are refused, texts are trimmed."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class ApiView(PydanticView):  # type: ignore[misc]  # the library carries no types
    """One resource of the API. Method arguments come checked from the request (aiohttp-pydantic)."""

    ACCESS: ClassVar[Access] = {}
    BEFORE_PASSWORD: ClassVar[bool] = False
    """May be used while the caller still has to change the one-time password."""

    request: web.Request

    @property
    def caller(self) -> Caller:
        """Who asks."""
        return self.request[CALLER]

    @property
    def database(self) -> Database:
        """The installation's database."""
        return self.request.app[DATABASE]

    @property
    def settings(self) -> Settings:
        """Settings in force."""
        return self.request.app[SETTINGS]

    def now_ms(self) -> int:
        """UTC in milliseconds since 1970."""
        return self.request.app[NOW_MS]()

    async def on_validation_error(self, exception: ValidationError, context: str) -> web.StreamResponse:
        """The request does not have the documented form: 400 input_invalid with the first faulty field."""
        first = exception.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ApiFault(400, "input_invalid", {"field": field or context})


_Handler = TypeVar("_Handler", bound=Callable[..., Any])


def open_to(roles: frozenset[str], *, before_password: bool = False) -> Callable[[_Handler], _Handler]:
    """Mark a function as the handler of GET for these roles."""

    def mark(handler: _Handler) -> _Handler:
        handler.ACCESS = {"GET": roles}  # type: ignore[attr-defined]
        handler.BEFORE_PASSWORD = before_password  # type: ignore[attr-defined]
        return handler

    return mark


def answer(body: BaseModel | dict[str, Any], status: int = 200) -> web.Response:
    """A JSON answer."""
    if isinstance(body, BaseModel):
        return web.Response(text=body.model_dump_json(), status=status, content_type="application/json")
    return web.json_response(body, status=status, dumps=_dumps)


def error_answer(request: web.Request, status: int, code: str, params: Mapping[str, object]) -> web.Response:
    """The error body, its sentence in the caller's language; the code is counted."""
    caller = request.get(CALLER)
    language = caller.language if caller else request_language(request)
    request.app[COUNTERS].count(code)
    message = request.app[WORDS].error(code, language, params)
    headers = {"Retry-After": str(params["retry_after_s"])} if "retry_after_s" in params else None
    error = {"code": code, "params": dict(params), "message": message}
    return web.json_response({"error": error}, status=status, headers=headers, dumps=_dumps)


def _dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def request_language(request: web.Request) -> str:
    """Language that the browser asks for."""
    return choose_language(request.headers.get("Accept-Language", ""))
