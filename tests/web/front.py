# SPDX-License-Identifier: Apache-2.0
"""The real web program for tests: own data folder, own database, HTTPS with its own root, a clock that tests move."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from yarl import URL

from storage.database.engine import open_database
from storage.database.models import Account, Place, RoomSet, SignIn
from storage.database.upgrade import upgrade_database
from storage.ids import new_id
from storage.settings import Settings
from web.accounts.passwords import hash_now
from web.accounts.sign_ins import SET_LIFE_MS, token_hash
from web.api.core import DATABASE, ROLES
from web.api.middleware import COOKIE
from web.app import application
from web.tls.keeper import CertificateKeeper

ALL_ROLES = (*ROLES, "set", "anonymous")
PASSWORD = "correct horse battery"
_START_UTC_MS = 1_790_000_000_000


@dataclass
class Clock:
    """UTC in milliseconds; moves only when a test says so."""

    utc_ms: int = _START_UTC_MS

    def __call__(self) -> int:
        return self.utc_ms

    def forward(self, ms: int) -> None:
        self.utc_ms += ms


@dataclass
class Reply:
    """One answer, read to its end."""

    status: int
    body: Any
    """Parsed JSON, or text."""
    headers: Any
    cookies: Any

    @property
    def code(self) -> str | None:
        """The error code, None when the answer is no error body."""
        return self.body["error"]["code"] if isinstance(self.body, dict) and "error" in self.body else None


@dataclass
class Browser:
    """One browser with its cookies, whose pages are ours (it sends our Origin)."""

    front: Front
    http: aiohttp.ClientSession
    id: str = ""
    """Id of the account or set that it was signed in as."""

    async def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Reply:
        """One request. `headers` replace those that a page of ours sends."""
        sent = {"Origin": str(self.front.url.origin())} if headers is None else headers
        async with self.http.request(
            method, self.front.url.join(URL(path)), json=body, headers=sent, allow_redirects=False
        ) as response:
            is_json = response.content_type == "application/json"
            content = await response.json() if is_json else await response.text("utf-8", "replace")
            return Reply(response.status, content, response.headers, response.cookies)

    async def get(self, path: str, **more: Any) -> Reply:
        return await self.ask("GET", path, **more)

    async def post(self, path: str, body: Any = None, **more: Any) -> Reply:
        return await self.ask("POST", path, {} if body is None else body, **more)

    async def patch(self, path: str, body: Any) -> Reply:
        return await self.ask("PATCH", path, body)

    async def put(self, path: str, body: Any) -> Reply:
        return await self.ask("PUT", path, body)

    def cookie(self) -> str:
        """Token in the cookie jar."""
        found = self.http.cookie_jar.filter_cookies(self.front.url).get(COOKIE)
        return found.value if found else ""


@dataclass
class Front:
    """A running web program."""

    settings: Settings
    clock: Clock
    app: web.Application
    keeper: CertificateKeeper
    url: URL
    trust: ssl.SSLContext
    _sessions: list[aiohttp.ClientSession] = field(default_factory=list)

    def browser(self) -> Browser:
        """A browser that is not signed in."""
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self.trust), cookie_jar=aiohttp.CookieJar(unsafe=True)
        )
        self._sessions.append(session)
        return Browser(self, session)

    async def signed_in(self, role: str, *, name: str = "", place_id: str | None = None) -> Browser:
        """A browser signed in as a new account (or set, or nobody) of that role."""
        browser = self.browser()
        if role == "anonymous":
            return browser
        name = name or f"{role} {new_id()[-6:]}"
        if role == "set":
            browser.id = await self.add_set(name, place_id or await self.add_place(f"place of {name}"))
        else:
            browser.id = await self.add_account(role, name=name, place_id=place_id)
        await self.sign_in(browser, "set" if role == "set" else "account", browser.id)
        return browser

    async def sign_in(self, browser: Browser, kind: str, subject_id: str) -> None:
        """Put a live sign-in into the database and the cookie into the browser."""
        token, now_ms = new_id() + new_id(), self.clock()
        row = SignIn(
            token_hash=token_hash(token),
            county=self.settings.county,
            kind=kind,
            subject_id=subject_id,
            created_utc_ms=now_ms,
            expires_utc_ms=now_ms + (SET_LIFE_MS if kind == "set" else self.settings.session_hours * 3_600_000),
            seen_utc_ms=now_ms,
        )
        async with self.app[DATABASE].begin() as db:
            db.add(row)
        cookie = f"{COOKIE}={token}; Path=/; Secure; HttpOnly; SameSite=Lax"
        browser.http.cookie_jar.update_cookies(_parse_cookie(cookie), self.url)

    async def add_place(self, name: str = "永安派出所", kind: str = "station", county: str = "") -> str:
        """A place; returns its id."""
        place = Place(id=new_id(), county=county or self.settings.county, kind=kind, name=name, created_utc_ms=1)
        async with self.app[DATABASE].begin() as db:
            db.add(place)
        return place.id

    async def add_account(
        self,
        role: str,
        *,
        username: str = "",
        name: str = "",
        place_id: str | None = None,
        password: str | None = None,
        county: str = "",
    ) -> str:
        """An account; returns its id."""
        account = Account(
            id=new_id(),
            county=county or self.settings.county,
            username=username or new_id(),
            name=name or username,
            role=role,
            place_id=place_id,
            password_hash=hash_now(password) if password else None,
            created_utc_ms=self.clock(),
        )
        async with self.app[DATABASE].begin() as db:
            db.add(account)
        return account.id

    async def add_set(self, name: str, place_id: str) -> str:
        """A set; returns its id."""
        room_set = RoomSet(
            id=new_id(), county=self.settings.county, place_id=place_id, name=name, created_utc_ms=self.clock()
        )
        async with self.app[DATABASE].begin() as db:
            db.add(room_set)
        return room_set.id

    async def close(self) -> None:
        for session in self._sessions:
            await session.close()


def _parse_cookie(text: str) -> Any:
    from http.cookies import SimpleCookie

    return SimpleCookie(text)


async def start_front(settings: Settings, clock: Clock, ui_folder: Path) -> tuple[Front, web.AppRunner]:
    """Start the program on a free port of loopback; the caller cleans the runner up. Uses a database that is there."""
    if not (settings.data_dir / "db" / "videohome.sqlite").exists():
        upgrade_database(settings)
    keeper = CertificateKeeper(settings, hostname="front.test", addresses=lambda: ["127.0.0.1"])
    keeper.refresh()
    app = application(settings, open_database(settings), keeper, now_ms=clock, ui_folder=ui_folder)
    # Streams end at once; what still asks the database is let finish, or its connection is never given back.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=keeper.front_context())
    await site.start()
    port = runner.addresses[0][1]
    trust = ssl.create_default_context(cafile=str(settings.data_dir / "tls" / "ca.crt"))
    return Front(settings, clock, app, keeper, URL(f"https://127.0.0.1:{port}/"), trust), runner
