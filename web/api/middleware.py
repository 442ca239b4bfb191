# SPDX-License-Identifier: Apache-2.0
"""What every request passes: headers and error bodies, same-origin check, who asks, whether that role may.

The order in `MIDDLEWARES` is from the outside inwards.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog
from aiohttp import hdrs, web
from sqlalchemy.exc import DBAPIError

from storage.database.models import SignIn
from storage.ids import new_id
from web.accounts import sign_ins
from web.api.core import (
    CALLER,
    COUNTERS,
    DATABASE,
    NOW_MS,
    SETTINGS,
    Access,
    ApiFault,
    Caller,
    error_answer,
    request_language,
)
from web.casework.refusal import Refused
from web.words import LANGUAGES

COOKIE: Final = "__Host-videohome"
SEEN_EVERY_S = sign_ins.SEEN_EVERY_MS / 1000
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_CONTENT_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "worker-src 'self' blob:",
        "connect-src 'self'",
        "font-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
SECURITY_HEADERS: Final = {
    "Content-Security-Policy": _CONTENT_POLICY,
    "Permissions-Policy": "camera=(self), microphone=(self), display-capture=(self)",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""No Strict-Transport-Security: with it a browser that does not trust our root yet could never open /ca."""

_HTTP_CODES = {400: "input_invalid", 404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}
_REFUSED_STATUS = {"forbidden": 403, "not_host": 403}
_touching: set[asyncio.Task[None]] = set()
"""Held until they are done: asyncio itself keeps no task alive."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
log = structlog.get_logger(__name__)


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Signal `on_response_prepare`: security headers on everything, no caching unless a handler said otherwise."""
    headers: dict[str, str] = getattr(request.match_info.handler, "HEADERS", {})
    for name, value in {**SECURITY_HEADERS, **headers}.items():
        response.headers.setdefault(name, value)
    response.headers[hdrs.SERVER] = "Video Home"
    response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")


@web.middleware
async def answer_faults(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every no becomes the documented error body; a fault of ours a reference that is in the log."""
    response = await _answered(request, handler)
    route = request.match_info.route.resource
    request.app[COUNTERS].answered(route.canonical if route else "(none)", request.method, response.status)
    return response


async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ApiFault as fault:
        return error_answer(request, fault.status, fault.code, fault.params)
    except Refused as refused:
        status = 404 if refused.code.endswith("_not_found") else _REFUSED_STATUS.get(refused.code, 409)
        return error_answer(request, status, refused.code, refused.params)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        params: dict[str, object] = {"field": "body"} if error.status == 400 else {}
        if error.status not in _HTTP_CODES:
            return error_answer(request, error.status, "request_refused", {"status": error.status})
        return error_answer(request, error.status, _HTTP_CODES[error.status], params)
    except DBAPIError as error:
        reference = new_id()
        log.error("database_fault", reference=reference, path=request.path, reason=str(error.orig))
        return error_answer(request, 503, "database_away", {"reference": reference})
    except Exception:
        reference = new_id()
        log.exception("internal_fault", reference=reference, path=request.path)
        return error_answer(request, 500, "internal", {"reference": reference})


def is_same_origin(request: web.Request) -> bool:
    """True when a page of ours sent the request. Without either header it is no browser of today: no."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    return request.headers.get(hdrs.ORIGIN) == f"{request.scheme}://{request.host}"


@web.middleware
async def check_origin(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Requests that change something, and WebSockets, only from our own pages (beside SameSite of the cookie).

    Handlers marked FOREIGN look at no cookie: there a foreign page can do nothing that its token does not allow.
    """
    upgrades = request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"
    foreign = getattr(request.match_info.handler, "FOREIGN", False)
    if (request.method not in _SAFE_METHODS or upgrades) and not foreign and not is_same_origin(request):
        raise ApiFault(403, "foreign_origin")
    return await handler(request)


@web.middleware
async def identify(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Put the caller into the request; note that a sign-in was seen."""
    token = request.cookies.get(COOKIE, "")
    now_ms = request.app[NOW_MS]()
    found = None
    if token and needs_caller(request):
        async with request.app[DATABASE].read() as db:
            found = await sign_ins.find(db, token, now_ms)
    request[CALLER] = caller_of(request, found)
    if found is None:
        return await handler(request)
    touched = now_ms - found.sign_in.seen_utc_ms >= sign_ins.SEEN_EVERY_MS
    if touched:
        async with request.app[DATABASE].begin() as db:
            await sign_ins.touch(db, found.sign_in, now_ms)
    with _seen_while_open(request.app, found.sign_in):
        response = await handler(request)
    if touched and found.room_set is not None and not response.prepared and COOKIE not in response.cookies:
        set_cookie(response, token, sign_ins.SET_LIFE_MS)
    return response


@contextmanager
def _seen_while_open(app: web.Application, sign_in: SignIn) -> Iterator[None]:
    """A browser with an open stream or call is seen all the time, though it may send no other request for an hour."""
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle

    def again() -> None:
        nonlocal timer
        task = loop.create_task(_touch(app, sign_in), name="seen")
        _touching.add(task)
        task.add_done_callback(_touching.discard)
        timer = loop.call_later(SEEN_EVERY_S, again)

    timer = loop.call_later(SEEN_EVERY_S, again)
    try:
        yield
    finally:
        timer.cancel()


async def _touch(app: web.Application, sign_in: SignIn) -> None:
    try:
        async with app[DATABASE].begin() as db:
            await sign_ins.touch(db, sign_in, app[NOW_MS]())
    except DBAPIError as error:
        log.warning("seen_not_written", reason=str(error.orig))


def needs_caller(request: web.Request) -> bool:
    """Pages and their files are the same for everybody: they need no look into the database."""
    return request.path.startswith("/api/") or request.path == "/metrics"


def caller_of(request: web.Request, found: sign_ins.Found | None) -> Caller:
    """The caller that a live sign-in means; anonymous without one."""
    address = request.remote or ""
    asked = request_language(request)
    if found is None:
        county = request.app[SETTINGS].county
        return Caller("anonymous", "", "", "anonymous", county, None, "", asked, address)
    subject = found.account or found.room_set
    assert subject is not None, "a sign-in belongs to an account or a set"
    return Caller(
        kind=found.sign_in.kind,
        id=subject.id,
        name=subject.name,
        role=found.account.role if found.account else "set",
        county=subject.county,
        place_id=subject.place_id,
        place_name=found.place.name if found.place else "",
        language=subject.language if subject.language in LANGUAGES else asked,
        address=address,
        sign_in=found.sign_in.token_hash,
        must_change_password=found.account is not None and found.account.must_change_password,
    )


@web.middleware
async def check_access(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Deny unless the handler names the caller's role for this method."""
    target = request.match_info.handler
    allowed_methods = getattr(target, "allowed_methods", None)
    if request.match_info.http_exception is not None:
        return await handler(request)
    if allowed_methods is not None and request.method not in allowed_methods:
        raise ApiFault(405, "method_not_allowed")
    access: Access = getattr(target, "ACCESS", {})
    method = "GET" if request.method == "HEAD" else request.method
    caller = request[CALLER]
    if caller.role not in access.get(method, frozenset()):
        if caller.role == "anonymous" and access.get(method):
            raise ApiFault(401, "sign_in_required")
        raise ApiFault(403, "forbidden")
    if caller.must_change_password and not getattr(target, "BEFORE_PASSWORD", False):
        raise ApiFault(403, "password_change_required")
    return await handler(request)


def set_cookie(response: web.StreamResponse, token: str, life_ms: int) -> None:
    """Keep the sign-in's token in the browser: only over HTTPS, not readable by scripts, not sent by foreign pages."""
    response.set_cookie(COOKIE, token, max_age=life_ms // 1000, path="/", secure=True, httponly=True, samesite="Lax")


def drop_cookie(response: web.StreamResponse) -> None:
    """Take the token out of the browser."""
    response.del_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="Lax")


MIDDLEWARES: Final = (answer_faults, check_origin, identify, check_access)
