# SPDX-License-Identifier: Apache-2.0
"""/ca: how to trust this installation's root, and the root itself. Works without scripts and without signing in."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

import jinja2
from aiohttp import hdrs, web
from cryptography.hazmat.primitives.serialization import Encoding

from web.api.core import EVERYONE, WORDS, ApiFault, open_to, request_language
from web.tls.authority import fingerprint
from web.tls.keeper import CertificateKeeper
from web.words import LANGUAGES

KEEPER: Final = web.AppKey("certificate_keeper", CertificateKeeper)
SYSTEMS: Final = ("windows", "android", "ios")
ROOT_FILE: Final = "videohome-root.crt"
_FOLDER = Path(__file__).parent
_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_FOLDER), autoescape=True, undefined=jinja2.StrictUndefined
)
_STYLE = "ca_page.css"


@open_to(EVERYONE)
async def ca_page(request: web.Request) -> web.Response:
    """The page in the browser's language, or in that of `?lang=`."""
    asked = request.query.get("lang", "")
    language = asked if asked in LANGUAGES else request_language(request)
    root = request.app[KEEPER].root
    html = _TEMPLATES.get_template("ca_page.html.j2").render(
        say=partial(_say, request.app, language),
        language=language,
        languages=LANGUAGES,
        fingerprint=fingerprint(root) if root else None,
        host=request.host,
        systems=SYSTEMS,
        own_system=system_of(request.headers.get(hdrs.USER_AGENT, "")),
    )
    headers = {"Content-Language": language, hdrs.VARY: "Accept-Language, User-Agent"}
    return web.Response(text=html, content_type="text/html", headers=headers)


def _say(app: web.Application, language: str, message_id: str, **params: object) -> str:
    return app[WORDS].say(message_id, language, params)


def system_of(user_agent: str) -> str:
    """Which of SYSTEMS a browser runs on; the first where it is none of them."""
    if "Android" in user_agent:
        return "android"
    return "ios" if any(name in user_agent for name in ("iPhone", "iPad", "iPod")) else "windows"


@open_to(EVERYONE)
async def root_certificate(request: web.Request) -> web.Response:
    """The root in PEM. 404 when the installation uses a certificate of its own."""
    root = request.app[KEEPER].root
    if root is None:
        raise ApiFault(404, "no_local_root")
    headers = {hdrs.CONTENT_DISPOSITION: f'attachment; filename="{ROOT_FILE}"'}
    return web.Response(
        body=root.public_bytes(Encoding.PEM), content_type="application/x-x509-ca-cert", headers=headers
    )


@open_to(EVERYONE)
async def style(request: web.Request) -> web.FileResponse:
    """The page's style sheet; the content policy allows none inside the page."""
    return web.FileResponse(_FOLDER / _STYLE, headers={hdrs.CACHE_CONTROL: "no-cache"})


def add_routes(app: web.Application) -> None:
    """/ca and what belongs to it; `KEEPER` must be set by then."""
    app.router.add_get("/ca", ca_page)
    app.router.add_get("/ca/root.crt", root_certificate)
    app.router.add_get("/ca/page.css", style)
