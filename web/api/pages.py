# SPDX-License-Identifier: Apache-2.0
"""The pages: files built from web/ui. Every address that is no file shows index.html, which then reads the address."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aiohttp import hdrs, web

from web.api.core import EVERYONE, WORDS, ApiFault, open_to, request_language

UI_FOLDER: Final = web.AppKey("ui_folder", Path)
BUILT_UI: Final = Path(__file__).parents[1] / "ui" / "dist"
_HASHED = "assets"
"""Vite puts a digest into the name of every file in this folder: its content never changes."""
_FOREVER = "public, max-age=31536000, immutable"


@open_to(EVERYONE)
async def page(request: web.Request) -> web.StreamResponse:
    """A file of the pages, or index.html. aiohttp sends the .br or .gz beside it to browsers that take it."""
    folder = request.app[UI_FOLDER]
    path = request.match_info["path"]
    if path == "api" or path.startswith("api/"):
        raise ApiFault(404, "not_found")
    parts = [part for part in path.split("/") if part]
    if any(part.startswith(".") or "\\" in part or "\0" in part for part in parts):
        raise ApiFault(404, "not_found")
    file = folder.joinpath(*parts)
    if parts and file.is_file():
        return web.FileResponse(file, headers={hdrs.CACHE_CONTROL: _FOREVER if parts[0] == _HASHED else "no-cache"})
    if parts and (parts[0] == _HASHED or "." in parts[-1]):  # a file that is missing; addresses of pages have no dot
        raise ApiFault(404, "not_found")
    index = folder / "index.html"
    if not index.is_file():
        sentence = request.app[WORDS].error("pages_not_built", request_language(request))
        return web.Response(text=sentence + "\n", status=503)
    return web.FileResponse(index, headers={hdrs.CACHE_CONTROL: "no-cache"})


def add_routes(app: web.Application) -> None:
    """All addresses that nothing else answers; added last."""
    app.router.add_get("/{path:.*}", page)
