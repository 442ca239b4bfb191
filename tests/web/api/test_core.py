# SPDX-License-Identifier: Apache-2.0
"""What every request passes: same origin, headers, body limits, error bodies, pages, the description of the API."""

from __future__ import annotations

import json

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from openapi_spec_validator import validate

from storage.database.engine import open_database
from storage.ids import is_id
from tests.web.front import Front
from web.api.core import EVERYONE, MAX_BODY_BYTES, SIGNED_IN, ApiView, open_to
from web.api.middleware import COOKIE, SECURITY_HEADERS
from web.app import application
from web.casework.refusal import Refused

LANGUAGE = {"language": "en"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "HERE"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://elsewhere.example"}, 200),
        ({"Origin": "https://elsewhere.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "HERE"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({}, 403),
    ],
)
async def test_only_our_own_pages_change_something(front: Front, headers: dict[str, str], status: int) -> None:
    browser = await front.signed_in("clerk")
    sent = {name: str(front.url.origin()) if value == "HERE" else value for name, value in headers.items()}
    reply = await browser.ask("PUT", "/api/me/language", LANGUAGE, headers=sent)
    assert (reply.status, reply.code) == (status, None if status == 200 else "foreign_origin")


async def test_another_port_of_the_same_host_is_another_origin(front: Front) -> None:
    browser = await front.signed_in("clerk")
    reply = await browser.post("/api/sign-out", headers={"Origin": "https://127.0.0.1:1"})
    assert reply.code == "foreign_origin"


async def test_reading_needs_no_origin_but_a_websocket_does(front: Front) -> None:
    browser = await front.signed_in("clerk")
    assert (await browser.get("/api/me", headers={})).status == 200
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Origin": "https://elsewhere.example"}
    assert (await browser.get("/api/me", headers=upgrade)).code == "foreign_origin"


@pytest.mark.parametrize("path", ["/", "/api/me", "/api/nothing", "/healthz", "/ca", "/assets/app-1a2b3c.js"])
async def test_every_answer_carries_the_security_headers(front: Front, path: str) -> None:
    reply = await front.browser().get(path)
    assert {name: reply.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert "Strict-Transport-Security" not in reply.headers
    policy = reply.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy


async def test_the_api_is_never_cached_and_pages_as_long_as_they_may(front: Front) -> None:
    browser = front.browser()
    cached = {path: (await browser.get(path)).headers["Cache-Control"] for path in ("/api/me", "/", "/sessions/x")}
    assert cached == {"/api/me": "no-store", "/": "no-cache", "/sessions/x": "no-cache"}
    script = await browser.get("/assets/app-1a2b3c.js")
    assert script.headers["Cache-Control"] == "public, max-age=31536000, immutable"


async def test_pages_and_their_compressed_files(front: Front) -> None:
    browser = front.browser()
    for path in ("/", "/sign-in", "/call/01kqz", "/admin/people"):
        assert "<title>Video Home</title>" in (await browser.get(path)).body
    packed = await browser.http.get(
        front.url / "assets/app-1a2b3c.js", headers={"Accept-Encoding": "br"}, auto_decompress=False
    )
    assert (packed.headers["Content-Encoding"], await packed.read()) == ("br", b"brotli")
    plain = await browser.get("/assets/app-1a2b3c.js", headers={"Accept-Encoding": "identity"})
    assert plain.body == "export {};"


@pytest.mark.parametrize("path", ["/assets/gone.js", "/favicon.ico", "/.secret", "/api", "/api/gone", "/..%2f.secret"])
async def test_what_is_no_page_is_not_found(front: Front, path: str) -> None:
    reply = await front.browser().get(path)
    assert (reply.status, reply.code) == (404, "not_found")


async def test_unknown_methods_and_addresses_answer_in_the_documented_form(front: Front) -> None:
    browser = await front.signed_in("administrator")
    assert (await browser.ask("DELETE", "/api/me")).code == "method_not_allowed"
    assert (await browser.post("/api/gone")).code == "method_not_allowed"
    assert (await browser.patch("/sessions", {})).code == "method_not_allowed"


async def test_a_body_at_the_limit_is_read_and_one_byte_more_is_not(front: Front) -> None:
    browser = await front.signed_in("clerk")

    async def send(size: int) -> tuple[int, str]:
        body = json.dumps(LANGUAGE).encode()
        headers = {"Origin": str(front.url.origin()), "Content-Type": "application/json"}
        content = body + b" " * (size - len(body))
        async with browser.http.put(front.url / "api/me/language", data=content, headers=headers) as response:
            return response.status, await response.text()

    assert (await send(MAX_BODY_BYTES))[0] == 200
    status, text = await send(MAX_BODY_BYTES + 1)
    assert (status, json.loads(text)["error"]["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "language"),
        ({"language": "fr"}, "language"),
        ({"language": "en", "more": 1}, "more"),
        (["en"], "body"),
    ],
)
async def test_a_body_of_another_form_names_the_field(front: Front, body: object, field: str) -> None:
    reply = await (await front.signed_in("clerk")).put("/api/me/language", body)
    assert (reply.status, reply.code, reply.body["error"]["params"]) == (400, "input_invalid", {"field": field})


async def test_text_that_is_no_json_is_refused(front: Front) -> None:
    browser = await front.signed_in("clerk")
    headers = {"Origin": str(front.url.origin()), "Content-Type": "application/json"}
    async with browser.http.put(front.url / "api/me/language", data=b"{", headers=headers) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (400, "input_invalid")


async def test_the_sentence_is_in_the_callers_language(front: Front) -> None:
    stranger = front.browser()
    english = {"Accept-Language": "en"}
    assert "not signed in" in (await stranger.get("/api/me", headers=english)).body["error"]["message"]
    assert "还没有登录" in (await stranger.get("/api/me", headers={})).body["error"]["message"]
    clerk = await front.signed_in("clerk")
    await clerk.put("/api/me/language", {"language": "zh-CN"})
    assert "没有这项权限" in (await clerk.get("/api/people", headers=english)).body["error"]["message"]


async def test_the_cookie_that_signs_in_is_closed_to_scripts_and_foreign_pages(front: Front) -> None:
    await front.add_account("clerk", username="li", password="correct horse battery")
    reply = await front.browser().post("/api/sign-in", {"username": "li", "password": "correct horse battery"})
    [cookie] = reply.headers.getall("Set-Cookie")
    parts = [part.strip() for part in cookie.split(";")]
    assert parts[0].startswith(f"{COOKIE}=")
    assert set(parts[1:]) == {"HttpOnly", "Max-Age=43200", "Path=/", "SameSite=Lax", "Secure"}
    assert COOKIE.startswith("__Host-")


async def test_the_description_of_the_api_is_valid_and_names_the_roles(front: Front) -> None:
    reply = await front.browser().get("/api/openapi.json")
    validate(reply.body)
    sets = reply.body["paths"]["/api/sets"]
    assert sets["post"]["x-roles"] == ["administrator"]
    assert sets["post"]["security"] == [{"sign_in": []}]
    assert reply.body["paths"]["/api/sign-in"]["post"]["security"] == []
    assert "set_in_use" in reply.body["paths"]["/api/invitations/accept"]["post"]["description"]
    described = {(path, method.upper()) for path, methods in reply.body["paths"].items() for method in methods}
    for resource in front.app.router.resources():
        for route in resource:
            if hasattr(route.handler, "allowed_methods"):
                assert {(resource.canonical, method) for method in route.handler.allowed_methods} <= described


class _Faulty(ApiView):
    """What handlers may do, for the test below."""

    ACCESS = {"GET": EVERYONE, "PUT": SIGNED_IN}

    async def get(self, kind: str) -> web.Response:
        if kind == "refused":
            raise Refused("session_ended")
        if kind == "missing":
            raise Refused("place_not_found")
        raise RuntimeError("secret of the house")

    async def post(self) -> web.Response:
        raise AssertionError("never reached: POST names no role")


async def _unmarked(request: web.Request) -> web.Response:
    raise AssertionError("never reached: names no role")


@open_to(SIGNED_IN)
async def _marked(request: web.Request) -> web.Response:
    return web.Response(text="in")


async def test_faults_and_routes_without_roles(front: Front, capsys: pytest.CaptureFixture[str]) -> None:
    """A second application with three more routes, on the same data."""
    app = application(front.settings, open_database(front.settings), front.keeper, now_ms=front.clock)
    app.router._resources.pop()  # the pages, which come last
    app.router.add_view("/api/faulty", _Faulty)
    app.router.add_get("/api/unmarked", _unmarked)
    app.router.add_get("/api/marked", _marked)
    cookie = f"{COOKIE}={(await front.signed_in('administrator')).cookie()}"
    got = {}
    async with TestClient(TestServer(app)) as client:
        for method, path, own in (
            ("GET", "/api/unmarked", cookie),
            ("POST", "/api/faulty", cookie),
            ("GET", "/api/marked", cookie),
            ("GET", "/api/marked", ""),
            ("HEAD", "/api/marked", cookie),
            ("GET", "/api/faulty?kind=refused", cookie),
            ("GET", "/api/faulty?kind=missing", cookie),
            ("GET", "/api/faulty?kind=broken", cookie),
        ):
            headers = {"Sec-Fetch-Site": "same-origin", **({"Cookie": own} if own else {})}
            async with client.request(method, path, headers=headers) as response:
                is_error = response.content_type == "application/json"
                error = (await response.json())["error"] if is_error else {"code": None}
                got[f"{method} {path} {'in' if own else 'out'}"] = (response.status, error["code"])
    assert got == {
        "GET /api/unmarked in": (403, "forbidden"),
        "POST /api/faulty in": (403, "forbidden"),
        "GET /api/marked in": (200, None),
        "GET /api/marked out": (401, "sign_in_required"),
        "HEAD /api/marked in": (200, None),
        "GET /api/faulty?kind=refused in": (409, "session_ended"),
        "GET /api/faulty?kind=missing in": (404, "place_not_found"),
        "GET /api/faulty?kind=broken in": (500, "internal"),
    }
    assert is_id(error["params"]["reference"])
    assert "secret of the house" not in json.dumps(error)
    assert error["params"]["reference"] in "".join(capsys.readouterr())
