# SPDX-License-Identifier: Apache-2.0
"""Puts the web program together: settings, database, words, middleware and the routes of every part."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from aiohttp import web

from storage.database.engine import Database
from storage.settings import Settings
from web.api import (
    cameras,
    caucus,
    certificates,
    composites,
    copies,
    custody,
    device_faults,
    doors,
    health,
    invitations,
    keeping,
    marks,
    moderation,
    overviews,
    pages,
    people,
    places,
    playback,
    sessions,
    sets,
    signing_in,
    status,
    streams,
    tracks,
    transcripts,
    whip,
)
from web.api.core import COUNTERS, DATABASE, MAX_BODY_BYTES, NOW_MS, SETTINGS, SIGN_IN_ENDED, WORDS, Clock, Counters
from web.api.middleware import MIDDLEWARES, add_headers
from web.sessions import running
from web.tls import pages as tls_pages
from web.tls.keeper import CertificateKeeper
from web.tls.node_identity import ensure_calling
from web.words import Words

PARTS: Final[tuple[Callable[[web.Application], None], ...]] = (
    health.add_routes,
    signing_in.add_routes,
    invitations.add_routes,
    places.add_routes,
    people.add_routes,
    sets.add_routes,
    tls_pages.add_routes,
    running.add_to,
    sessions.add_routes,
    marks.add_routes,
    moderation.add_routes,
    caucus.add_routes,
    streams.add_routes,
    tracks.add_routes,
    device_faults.add_routes,
    doors.add_routes,
    whip.add_routes,
    cameras.add_routes,
    playback.add_routes,
    certificates.add_routes,
    transcripts.add_routes,
    custody.add_routes,
    keeping.add_routes,
    composites.add_routes,
    overviews.add_routes,
    copies.add_routes,
    status.add_routes,
    # Every part of the API stands here by its function that adds routes (and, where it works in the background,
    # appends to `app.cleanup_ctx`). The pages come last: they answer whatever is left.
    pages.add_routes,
)


def utc_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def application(
    settings: Settings,
    database: Database,
    keeper: CertificateKeeper,
    *,
    now_ms: Clock = utc_ms,
    ui_folder: Path = pages.BUILT_UI,
) -> web.Application:
    """The whole application; it closes `database` when it is cleaned up.

    Raises AuthorityDamaged, OSError, NotJoined when media nodes are set and their certificates cannot be made.
    """
    if settings.nodes:
        ensure_calling(settings.data_dir / "tls", datetime.now(UTC))
    app = web.Application(middlewares=MIDDLEWARES, client_max_size=MAX_BODY_BYTES)
    app[SETTINGS] = settings
    app[DATABASE] = database
    app[WORDS] = Words()
    app[COUNTERS] = Counters()
    app[NOW_MS] = now_ms
    app[SIGN_IN_ENDED] = []
    app[pages.UI_FOLDER] = ui_folder
    app[tls_pages.KEEPER] = keeper
    app.on_response_prepare.append(add_headers)
    app.cleanup_ctx.append(_closing_database)
    for add_routes in PARTS:
        add_routes(app)
    return app


async def _closing_database(app: web.Application) -> AsyncIterator[None]:
    yield
    await app[DATABASE].close()
