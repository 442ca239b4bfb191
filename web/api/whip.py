# SPDX-License-Identifier: Apache-2.0
"""WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep) passed through: TLS ends here, the mediaserver answers.

Whoever comes has a token and no cookie, often from a page of somebody else's: any origin may ask, and the token alone
decides. Before anything is passed on, the token is checked, that its door is still open, that the session goes on, and
that the people before the camera have agreed where that is asked of them.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from aiohttp import hdrs, web

from storage.access import AccessDenied, DoorToken, verify_door_token
from web.api.core import COUNTERS, EVERYONE, SETTINGS, ApiFault
from web.casework.refusal import Refused
from web.media.mediaserver_link import MediaAway, MediaRefused
from web.sessions.running import RUNNING

SDP_TYPE: Final = "application/sdp"
MAX_SDP_BYTES: Final = 64 * 1024
_PASSED_UP: Final = (hdrs.AUTHORIZATION, hdrs.CONTENT_TYPE, hdrs.IF_MATCH)
_PASSED_DOWN: Final = (hdrs.CONTENT_TYPE, hdrs.LOCATION, hdrs.ETAG, hdrs.LINK, "Accept-Patch", "Accept-Post")
_CORS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Location, ETag, Link, Accept-Patch, Accept-Post, Retry-After, WWW-Authenticate",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
_PREFLIGHT: Final = {
    "Access-Control-Allow-Methods": "POST, PATCH, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Match",
    "Access-Control-Max-Age": "7200",
    "Accept-Post": SDP_TYPE,
    "Accept-Patch": "application/trickle-ice-sdpfrag",
    "Allow": "POST, PATCH, DELETE, OPTIONS",
}
_DOOR_CODES = {
    "token_invalid": "door_token_invalid",
    "token_expired": "door_token_invalid",
    "token_for_another_door": "door_token_elsewhere",
    "unknown_room": "session_not_found",
    "unknown_visit": "visit_not_found",
    "not_sdp": "sdp_expected",
    "not_a_fragment": "sdp_expected",
    "bad_sdp": "sdp_invalid",
    "unsupported_offer": "offer_unsupported",
    "not_published": "not_published",
    "if_match_missing": "if_match_missing",
    "if_match_failed": "if_match_failed",
    "too_many_visits": "too_many_visits",
}
"""The mediaserver's word -> the code of our sentence."""
_STATUS: Final = {"session_not_found": 404, "session_ended": 404, "door_closed": 403, "consent_required": 403}
RETRY_AFTER_S: Final = 5
_Handler = TypeVar("_Handler", bound=Callable[[web.Request], Awaitable[web.StreamResponse]])


def _by_bearer(*methods: str) -> Callable[[_Handler], _Handler]:
    """Mark a handler that looks at the token itself and is open to pages of any origin."""

    def mark(handler: _Handler) -> _Handler:
        handler.ACCESS = dict.fromkeys(methods, EVERYONE)  # type: ignore[attr-defined]
        handler.BEFORE_PASSWORD = True  # type: ignore[attr-defined]
        handler.FOREIGN = True  # type: ignore[attr-defined]
        handler.HEADERS = _CORS  # type: ignore[attr-defined]
        return handler

    return mark


@_by_bearer("OPTIONS")
async def options(request: web.Request) -> web.Response:
    """What may be asked, also for a browser's preflight; needs no token."""
    return web.Response(status=204, headers=_PREFLIGHT)


@_by_bearer("GET")
async def nothing_to_get(request: web.Request) -> web.Response:
    """RFC 9725 section 4.2: GET is not for these addresses; without this the pages would answer."""
    raise ApiFault(405, "method_not_allowed")


@_by_bearer("POST", "PATCH", "DELETE")
async def passed_through(request: web.Request) -> web.Response:
    """Begin, change or end a visit."""
    running, token = request.app[RUNNING], _token(request)
    if request.method != hdrs.METH_DELETE:  # whoever is in may always leave
        try:
            rows = await running.doors.check_may_enter(token)
        except Refused as refused:
            raise ApiFault(_STATUS[refused.code], refused.code, refused.params) from None
    body = await request.read()
    if len(body) > MAX_SDP_BYTES:
        raise ApiFault(413, "sdp_too_large")
    headers = {str(name): request.headers[name] for name in _PASSED_UP if name in request.headers}
    try:
        if request.method == hdrs.METH_POST:
            # After a restart of the mediaserver an encoder may be back before our own link is.
            await running.media.put_room(running.delivery.room_order(rows.session))
        status, answered, text = await running.media.door(
            token.room, request.method, request.rel_url.raw_path, headers, body
        )
    except (MediaAway, MediaRefused):
        raise ApiFault(503, "media_away", {"retry_after_s": RETRY_AFTER_S}) from None
    if status >= 400:
        raise _refused(status, text)
    response = web.Response(status=status, body=text)
    for name in _PASSED_DOWN:
        for value in answered.getall(name, []):
            response.headers.add(name, value)
    return response


def _token(request: web.Request) -> DoorToken:
    scheme, _, text = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    try:
        if scheme.lower() != "bearer":
            raise AccessDenied("token_invalid")
        token = verify_door_token(request.app[SETTINGS].secrets_dir, text.strip())
    except AccessDenied:
        request.app[COUNTERS].count("door_tokens_refused")
        raise ApiFault(401, "door_token_invalid") from None
    watches = "peer" in request.match_info
    if token.room != request.match_info["room"] or (token.right == "watch") != watches:
        raise ApiFault(403, "door_token_elsewhere")
    return token


def _refused(status: int, text: bytes) -> ApiFault:
    try:
        error = json.loads(text)["error"]
        code = _DOOR_CODES[error["code"]]
        params: dict[str, object] = {"reason": str(error.get("message", ""))}
    except (ValueError, KeyError, TypeError):
        return ApiFault(503, "media_away", {"retry_after_s": RETRY_AFTER_S})
    if status in (409, 503):
        params["retry_after_s"] = RETRY_AFTER_S
    return ApiFault(status, code, params)


def add_routes(app: web.Application) -> None:
    """/whip and /whep."""
    for base in ("/whip/{room}", "/whep/{room}/{peer}"):
        visit = base + "/{visit}"
        app.router.add_post(base, passed_through)
        app.router.add_patch(visit, passed_through)
        app.router.add_delete(visit, passed_through)
        for path in (base, visit):
            app.router.add_options(path, options)
            app.router.add_get(path, nothing_to_get, allow_head=True)
