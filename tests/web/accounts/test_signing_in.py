# SPDX-License-Identifier: Apache-2.0
"""Signing in and out, passwords, limits, how long a sign-in lives."""

from __future__ import annotations

import asyncio

import limits.aio.storage.memory as counted
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from sqlalchemy import select

from storage.database.models import Account, AuditEvent, SignIn
from tests.web.front import PASSWORD, Browser, Front
from web.accounts import attempts
from web.accounts.passwords import MAX_CHARACTERS, MIN_CHARACTERS, PasswordRefused, check_rules, one_time_password
from web.accounts.sign_ins import SEEN_EVERY_MS, SET_LIFE_MS, token_hash
from web.api import middleware
from web.api.core import CALLER, DATABASE, SIGN_IN_ENDED, SIGNED_IN, open_to

HOUR_MS = 3_600_000


async def sign_in(browser: Browser, username: str = "li", password: str = PASSWORD) -> tuple[int, str | None]:
    reply = await browser.post("/api/sign-in", {"username": username, "password": password})
    return reply.status, reply.code


async def audit_actions(front: Front) -> list[str]:
    async with front.app[DATABASE].read() as db:
        return list((await db.scalars(select(AuditEvent.action).order_by(AuditEvent.id))).all())


async def test_signing_in_gives_me_and_keeps_no_token(front: Front) -> None:
    place = await front.add_place("永安派出所")
    account = await front.add_account("station_officer", username="li", name="李明", place_id=place, password=PASSWORD)
    browser = front.browser()
    reply = await browser.post("/api/sign-in", {"username": " LI ", "password": PASSWORD})
    assert reply.status == 200
    assert reply.body == (await browser.get("/api/me")).body
    assert reply.body | {"version": ""} == {
        "kind": "account",
        "id": account,
        "name": "李明",
        "username": "li",
        "role": "station_officer",
        "county": "default",
        "place": {"id": place, "kind": "station", "name": "永安派出所"},
        "must_change_password": False,
        "language": "zh-CN",
        "server_utc_ms": front.clock(),
        "version": "",
    }
    async with front.app[DATABASE].read() as db:
        row = await db.get_one(SignIn, token_hash(browser.cookie()))
    assert (row.subject_id, row.address) == (account, "127.0.0.1")
    assert browser.cookie() not in str(vars(row))
    assert await audit_actions(front) == ["sign_in.account"]


@pytest.mark.parametrize(
    ("username", "password"), [("li", "wrong password"), ("nobody", PASSWORD), ("wang", PASSWORD), ("off", PASSWORD)]
)
async def test_every_wrong_pair_gets_the_same_answer(front: Front, username: str, password: str) -> None:
    await front.add_account("clerk", username="li", password=PASSWORD)
    await front.add_account("clerk", username="wang")  # invited, no password yet
    await front.add_account("clerk", username="zhao", password=PASSWORD, county="elsewhere")
    off = await front.add_account("clerk", username="off", password=PASSWORD)
    async with front.app[DATABASE].begin() as db:
        (await db.get_one(Account, off)).active = False
    assert await sign_in(front.browser(), username, password) == (401, "bad_credentials")
    assert await sign_in(front.browser(), "zhao") == (401, "bad_credentials")
    assert set(await audit_actions(front)) == {"sign_in.refused"}


async def test_the_tenth_wrong_password_still_answers_and_then_even_the_right_one_waits(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    await front.add_account("clerk", username="li", password=PASSWORD)
    await front.add_account("clerk", username="wang", password=PASSWORD)
    clock = [1_000_000.0]
    monkeypatch.setattr(counted.time, "time", lambda: clock[0])
    browser = front.browser()
    for _ in range(attempts.FAILURES):
        assert await sign_in(browser, password="wrong") == (401, "bad_credentials")
    reply = await browser.post("/api/sign-in", {"username": "li", "password": PASSWORD})
    assert (reply.status, reply.code) == (429, "too_many_attempts")
    assert reply.body["error"]["params"] == {"retry_after_s": attempts.WINDOW_S}
    assert reply.headers["Retry-After"] == str(attempts.WINDOW_S)
    assert await sign_in(browser, "wang") == (200, None), "another name from the same address is not held up"
    clock[0] += attempts.WINDOW_S - 0.001
    assert (await sign_in(browser))[0] == 429
    clock[0] += 0.002
    assert await sign_in(browser) == (200, None)


async def test_one_address_cannot_try_many_names(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counted.time, "time", lambda: 1_000_000.0)
    limiter = attempts.Attempts()
    for number in range(attempts.FAILURES_PER_ADDRESS):
        await limiter.check(f"name{number}", "192.0.2.7")
        await limiter.failed(f"name{number}", "192.0.2.7")
    with pytest.raises(attempts.TooManyAttempts):
        await limiter.check("another", "192.0.2.7")
    await limiter.check("another", "192.0.2.8")


async def test_signing_out_ends_the_sign_in_for_good(front: Front) -> None:
    browser = await front.signed_in("clerk")
    ended: list[str] = []
    front.app[SIGN_IN_ENDED].append(ended.append)
    token = browser.cookie()
    reply = await browser.post("/api/sign-out")
    assert (reply.status, reply.body) == (200, {})
    assert browser.cookie() == ""
    assert ended == [token_hash(token)]
    again = await browser.get("/api/me", headers={"Cookie": f"__Host-videohome={token}"})
    assert again.code == "sign_in_required"


async def test_a_sign_in_lives_as_long_as_the_setting_says(front: Front) -> None:
    await front.add_account("clerk", username="li", password=PASSWORD)
    browser = front.browser()
    await sign_in(browser)
    front.clock.forward(front.settings.session_hours * HOUR_MS - 1)
    assert (await browser.get("/api/me")).status == 200
    front.clock.forward(1)
    assert (await browser.get("/api/me")).code == "sign_in_required"


async def test_a_set_stays_signed_in_while_it_is_used(front: Front) -> None:
    browser = await front.signed_in("set")
    front.clock.forward(SET_LIFE_MS - 1)
    reply = await browser.get("/api/me")
    assert reply.status == 200
    assert "Max-Age=2592000" in reply.headers["Set-Cookie"]
    front.clock.forward(SET_LIFE_MS - 1)
    assert (await browser.get("/api/me")).status == 200
    front.clock.forward(SET_LIFE_MS)
    assert (await browser.get("/api/me")).code == "sign_in_required"


async def test_being_seen_is_written_at_most_every_15_s(front: Front) -> None:
    browser = await front.signed_in("clerk")
    started = front.clock()

    async def seen() -> int:
        await browser.get("/api/me")
        async with front.app[DATABASE].read() as db:
            return (await db.get_one(SignIn, token_hash(browser.cookie()))).seen_utc_ms

    front.clock.forward(SEEN_EVERY_MS - 1)
    assert await seen() == started
    front.clock.forward(1)
    assert await seen() == started + SEEN_EVERY_MS


async def test_a_browser_with_an_open_stream_is_seen_though_it_asks_nothing(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware, "SEEN_EVERY_S", 0.02)
    browser = await front.signed_in("set")
    started = front.clock()

    @open_to(SIGNED_IN)
    async def stream(request: web.Request) -> web.Response:
        """Stays open until the database says that the browser was seen later than it began."""
        front.clock.forward(SEEN_EVERY_MS - 1)
        while True:
            async with front.app[DATABASE].read() as db:
                row = await db.get_one(SignIn, request[CALLER].sign_in)
            if row.seen_utc_ms > started:
                return web.json_response({"expires": row.expires_utc_ms})
            await asyncio.sleep(0.01)

    reply = await asyncio.wait_for(middleware.identify(_request_of(front, browser), stream), 30)
    assert isinstance(reply, web.Response)
    assert str(front.clock() + SET_LIFE_MS) in str(reply.text)


def _request_of(front: Front, browser: Browser) -> web.Request:
    headers = {"Cookie": f"{middleware.COOKIE}={browser.cookie()}"}
    return make_mocked_request("GET", "/api/stream", headers=headers, app=front.app)


async def test_a_one_time_password_opens_nothing_but_its_change(front: Front) -> None:
    account = await front.add_account("administrator", username="admin", password="once-only-pass")
    async with front.app[DATABASE].begin() as db:
        (await db.get_one(Account, account)).must_change_password = True
    browser, other = front.browser(), front.browser()
    assert await sign_in(browser, "admin", "once-only-pass") == (200, None)
    assert await sign_in(other, "admin", "once-only-pass") == (200, None)
    for path in ("/api/people", "/api/places", "/api/sets"):
        assert (await browser.get(path)).code == "password_change_required"
    assert (await browser.get("/api/me")).body["must_change_password"] is True
    change = {"current": "once-only-pass", "new": PASSWORD}
    reply = await browser.post("/api/me/password", change)
    assert (reply.status, reply.body["must_change_password"]) == (200, False)
    assert (await browser.get("/api/people")).status == 200
    assert (await other.get("/api/me")).code == "sign_in_required", "other browsers are signed out"
    assert await sign_in(other, "admin", "once-only-pass") == (401, "bad_credentials")
    assert await sign_in(other, "admin") == (200, None)


@pytest.mark.parametrize(
    ("current", "new", "status", "code"),
    [
        ("wrong", "a new long password", 401, "bad_credentials"),
        (PASSWORD, "123456789", 409, "password_too_short"),
        (PASSWORD, "x" * (MAX_CHARACTERS + 1), 409, "password_too_long"),
        (PASSWORD, PASSWORD, 409, "password_not_new"),
        (PASSWORD, "zhangsanfeng", 409, "password_is_username"),
        (PASSWORD, "1234567890", 200, None),
    ],
)
async def test_changing_the_password(front: Front, current: str, new: str, status: int, code: str | None) -> None:
    await front.add_account("clerk", username="zhangsanfeng", password=PASSWORD)
    browser = front.browser()
    await sign_in(browser, "zhangsanfeng")
    reply = await browser.post("/api/me/password", {"current": current, "new": new})
    assert (reply.status, reply.code) == (status, code)


async def test_wrong_current_passwords_count_too(front: Front) -> None:
    await front.add_account("clerk", username="li", password=PASSWORD)
    browser = front.browser()
    await sign_in(browser)
    wrong = {"current": "wrong", "new": "a new long password"}
    for _ in range(attempts.FAILURES):
        assert (await browser.post("/api/me/password", wrong)).code == "bad_credentials"
    assert (await browser.post("/api/me/password", wrong)).code == "too_many_attempts"


def test_rules_at_their_edges() -> None:
    check_rules("十个汉字的密码可以的", "li")
    check_rules("x" * MAX_CHARACTERS, "li")
    for password in ("x" * (MIN_CHARACTERS - 1), "x" * (MAX_CHARACTERS + 1), "ＺＨＡＮＧＳＡＮＦＥＮＧ"):
        with pytest.raises(PasswordRefused):
            check_rules(password, "zhangsanfeng")


async def test_full_width_letters_are_the_same_password(front: Front) -> None:
    await front.add_account("clerk", username="li", password="abcdefghij12")
    assert await sign_in(front.browser(), password="ａｂｃｄｅｆｇｈｉｊ１２") == (200, None)


def test_one_time_passwords_differ_and_obey_the_rules() -> None:
    made = {one_time_password() for _ in range(50)}
    assert len(made) == 50
    for password in made:
        check_rules(password, "admin")


async def test_a_cookie_of_nonsense_is_nobody(front: Front) -> None:
    for token in ("x", "x" * 5000, "' OR 1=1 --"):
        reply = await front.browser().get("/api/me", headers={"Cookie": f"__Host-videohome={token}"})
        assert reply.code == "sign_in_required"
