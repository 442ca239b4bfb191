# SPDX-License-Identifier: Apache-2.0
"""The people of an acceptance test: the administrator's set-up by the API, and each person's browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, Playwright

from tests.acceptance.machine import CHROMIUM_FLAGS, Server, browser_home, browser_program

PASSWORD = "青石镇 调解 2026"
ADMIN_PASSWORD = "administrator-of-the-county"


@dataclass(frozen=True)
class Person:
    """Somebody with an account."""

    username: str
    name: str
    role: str
    link: str
    """One-time link, without host."""


@contextmanager
def browser(
    playwright: Playwright, folder: Path, root: Path, flags: list[str], namespace: str | None = None
) -> Iterator[Browser]:
    """A Chromium of its own that trusts `root` and ignores no certificate error."""
    folder.mkdir(parents=True)
    program = browser_program(folder, browser_home(folder / "home", root), namespace)
    started = playwright.chromium.launch(executable_path=str(program), headless=True, args=[*CHROMIUM_FLAGS, *flags])
    try:
        yield started
    finally:
        started.close()


def api(page: Page, method: str, path: str, body: Any = None) -> Any:
    """Call the API as the person signed in on `page`, as its pages do. Raises AssertionError on a refusal."""
    answer = page.evaluate(
        """async ([method, path, body]) => {
          const init = {method, headers: {'Content-Type': 'application/json'}};
          if (body !== null) init.body = JSON.stringify(body);
          const reply = await fetch(path, init);
          return {status: reply.status, text: await reply.text()};
        }""",
        [method, path, body],
    )
    import json

    assert answer["status"] < 400, f"{method} {path}: {answer['status']} {answer['text']}"
    return json.loads(answer["text"]) if answer["text"] else {}


def new_page(context: BrowserContext, url: str) -> Page:
    """A page at `url` whose script errors fail the test when it asks for them."""
    page = context.new_page()
    page.set_default_timeout(30_000)
    page.on("pageerror", lambda error: context.errors.append(str(error)))  # type: ignore[attr-defined]
    page.goto(url)
    return page


def set_up(page: Page, server: Server) -> dict[str, Person]:
    """As the first administrator: change the password, add a station, a desk and people. By role."""
    page.goto(server.url() + "/sign-in")
    api(page, "POST", "/api/sign-in", {"username": "admin", "password": server.first_password})
    api(page, "POST", "/api/me/password", {"current": server.first_password, "new": ADMIN_PASSWORD})
    station = api(page, "POST", "/api/places", {"kind": "station", "name": "青石镇派出所"})
    desk = api(page, "POST", "/api/places", {"kind": "desk", "name": "县局调解中心"})
    people = {}
    for username, name, role, place in (
        ("liu", "刘卫国", "station_officer", station),
        ("zhou", "周敏", "hq_officer", desk),
        ("chen", "陈书", "clerk", desk),
        ("sun", "孙远", "station_officer", None),
    ):
        body = {"username": username, "name": name, "role": role, "place_id": place["id"] if place else None}
        account = api(page, "POST", "/api/people", body)
        token = api(page, "POST", f"/api/people/{account['id']}/invitation", {})["token"]
        people[username] = Person(username, name, role, f"/join#{token}")
    return people
