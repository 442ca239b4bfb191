# SPDX-License-Identifier: Apache-2.0
"""Places, people, sets and their one-time links, as an administrator makes them and as people use them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from storage.database.models import Account, AuditEvent, Invitation, SignIn
from tests.web.front import PASSWORD, Browser, Front
from web.accounts.invitations import LIFE_MS
from web.accounts.sign_ins import SET_BUSY_MS, token_hash
from web.api.core import DATABASE, SIGN_IN_ENDED


async def add_person(admin: Browser, username: str = "li", role: str = "clerk", **more: Any) -> str:
    reply = await admin.post("/api/people", {"username": username, "name": "李明", "role": role, **more})
    assert reply.status == 200, reply.body
    return str(reply.body["id"])


async def link_of(admin: Browser, path: str) -> str:
    reply = await admin.post(f"{path}/invitation")
    assert reply.status == 200, reply.body
    assert reply.body["expires_utc_ms"] == admin.front.clock() + LIFE_MS
    return str(reply.body["token"])


async def accept(browser: Browser, token: str, password: str | None = PASSWORD) -> tuple[int, str | None]:
    body = {"token": token} | ({"password": password} if password is not None else {})
    reply = await browser.post("/api/invitations/accept", body)
    return reply.status, reply.code


async def new_set(front: Front, admin: Browser, name: str = "一号终端") -> str:
    place = await front.add_place(f"place of {name}")
    reply = await admin.post("/api/sets", {"name": name, "place_id": place})
    assert reply.status == 200, reply.body
    return str(reply.body["id"])


# Places


async def test_places_are_seen_by_all_and_changed_by_administrators(front: Front) -> None:
    admin = await front.signed_in("administrator")
    made = await admin.post("/api/places", {"kind": "station", "name": " 永安派出所 "})
    assert made.body == {"id": made.body["id"], "kind": "station", "name": "永安派出所", "active": True}
    again = await admin.post("/api/places", {"kind": "desk", "name": "永安派出所"})
    assert (again.status, again.code, again.body["error"]["params"]) == (409, "name_taken", {"name": "永安派出所"})
    changed = await admin.patch(f"/api/places/{made.body['id']}", {"name": "永宁派出所", "active": False})
    assert (changed.body["name"], changed.body["active"]) == ("永宁派出所", False)
    clerk = await front.signed_in("clerk")
    assert (await clerk.get("/api/places")).body == {"places": [changed.body]}


@pytest.mark.parametrize("name", ["", "   ", "x" * 81, "two\nlines"])
async def test_names_have_limits(front: Front, name: str) -> None:
    admin = await front.signed_in("administrator")
    reply = await admin.post("/api/places", {"kind": "desk", "name": name})
    assert (reply.code, reply.body["error"]["params"]) == ("input_invalid", {"field": "name"})
    assert (await admin.post("/api/places", {"kind": "desk", "name": "x" * 80})).status == 200


async def test_a_place_with_people_or_sets_stays(front: Front) -> None:
    admin = await front.signed_in("administrator")
    place = await front.add_place()
    person = await add_person(admin, place_id=place)
    assert (await admin.patch(f"/api/places/{place}", {"active": False})).code == "place_in_use"
    await admin.patch(f"/api/people/{person}", {"place_id": None})
    assert (await admin.patch(f"/api/places/{place}", {"active": False})).status == 200
    assert (await admin.patch(f"/api/people/{person}", {"place_id": place})).code == "place_inactive"
    assert (await admin.post("/api/sets", {"name": "x", "place_id": place})).code == "place_inactive"


async def test_another_countys_rows_do_not_exist(front: Front) -> None:
    admin = await front.signed_in("administrator")
    place = await front.add_place("他县派出所", county="elsewhere")
    account = await front.add_account("clerk", username="zhao", county="elsewhere")
    assert (await admin.get("/api/places")).body == {"places": []}
    assert [person["id"] for person in (await admin.get("/api/people")).body["people"]] == [admin.id]
    assert (await admin.patch(f"/api/places/{place}", {"name": "x"})).code == "place_not_found"
    assert (await admin.patch(f"/api/people/{account}", {"name": "x"})).code == "account_not_found"
    assert (await admin.post(f"/api/people/{account}/invitation")).code == "account_not_found"
    assert (await admin.post("/api/sets", {"name": "x", "place_id": place})).code == "place_not_found"


# People and their links


async def test_a_person_sets_the_password_by_the_link_and_works(front: Front) -> None:
    admin = await front.signed_in("administrator")
    place = await front.add_place("永安派出所")
    person = await add_person(admin, "Li.Ming", "station_officer", place_id=place)
    token = await link_of(admin, f"/api/people/{person}")
    browser = front.browser()
    look = await browser.post("/api/invitations/look", {"token": token})
    assert look.body == {
        "kind": "account",
        "name": "李明",
        "username": "li.ming",
        "place_name": "永安派出所",
        "expires_utc_ms": front.clock() + LIFE_MS,
    }
    reply = await browser.post("/api/invitations/accept", {"token": token, "password": PASSWORD})
    assert (reply.status, reply.body["role"], reply.body["must_change_password"]) == (200, "station_officer", False)
    assert (await browser.get("/api/me")).body["id"] == person
    signed_in = await front.browser().post("/api/sign-in", {"username": "li.ming", "password": PASSWORD})
    assert signed_in.status == 200
    listed = {row["id"]: row for row in (await admin.get("/api/people")).body["people"]}[person]
    assert (listed["has_password"], listed["last_seen_utc_ms"]) == (True, front.clock())


async def test_the_token_is_kept_nowhere(front: Front) -> None:
    admin = await front.signed_in("administrator")
    token = await link_of(admin, f"/api/people/{await add_person(admin)}")
    async with front.app[DATABASE].read() as db:
        links = (await db.scalars(select(Invitation))).all()
        audit = (await db.scalars(select(AuditEvent))).all()
    assert [link.token_hash for link in links] == [token_hash(token)]
    assert token not in str([vars(row) for row in (*links, *audit)])


async def test_a_link_works_to_its_last_millisecond_and_no_longer(front: Front) -> None:
    admin = await front.signed_in("administrator")
    person = await add_person(admin)
    early, late = await link_of(admin, f"/api/people/{person}"), None
    front.clock.forward(LIFE_MS - 1)
    assert await accept(front.browser(), early) == (200, None)
    late = await link_of(await front.signed_in("administrator"), f"/api/people/{person}")
    front.clock.forward(LIFE_MS)
    assert await accept(front.browser(), late) == (410, "invitation_expired")
    assert (await front.browser().post("/api/invitations/look", {"token": late})).code == "invitation_expired"


async def test_a_link_works_once_and_a_newer_one_ends_it(front: Front) -> None:
    admin = await front.signed_in("administrator")
    person = await add_person(admin)
    first, second = [await link_of(admin, f"/api/people/{person}") for _ in range(2)]
    assert await accept(front.browser(), first) == (410, "invitation_expired")
    assert await accept(front.browser(), second) == (200, None)
    assert await accept(front.browser(), second) == (410, "invitation_used")
    assert await accept(front.browser(), "nonsense") == (404, "invitation_invalid")


async def test_two_browsers_at_once_cannot_both_use_a_link(front: Front) -> None:
    admin = await front.signed_in("administrator")
    token = await link_of(admin, f"/api/people/{await add_person(admin)}")
    got = await asyncio.gather(*(accept(front.browser(), token) for _ in range(4)))
    assert sorted(status for status, _ in got) == [200, 410, 410, 410]


@pytest.mark.parametrize(
    ("password", "code"), [(None, "password_required"), ("", "password_required"), ("short", "password_too_short")]
)
async def test_a_bad_password_does_not_use_the_link(front: Front, password: str | None, code: str) -> None:
    admin = await front.signed_in("administrator")
    token = await link_of(admin, f"/api/people/{await add_person(admin)}")
    assert (await accept(front.browser(), token, password))[1] == code
    assert await accept(front.browser(), token) == (200, None)


async def test_a_new_password_by_link_signs_the_old_browsers_out(front: Front) -> None:
    admin = await front.signed_in("administrator")
    person = await add_person(admin)
    old = front.browser()
    await accept(old, await link_of(admin, f"/api/people/{person}"))
    await accept(front.browser(), await link_of(admin, f"/api/people/{person}"), "another long one")
    assert (await old.get("/api/me")).code == "sign_in_required"


@pytest.mark.parametrize("username", ["a", "x" * 33, "li ming", "li/ming", "-li"])
async def test_user_names_have_limits(front: Front, username: str) -> None:
    admin = await front.signed_in("administrator")
    reply = await admin.post("/api/people", {"username": username, "name": "x", "role": "clerk"})
    assert (reply.code, reply.body["error"]["params"]) == ("input_invalid", {"field": "username"})


async def test_user_names_are_unique_in_lower_case(front: Front) -> None:
    admin = await front.signed_in("administrator")
    await add_person(admin, "x" * 32)
    await add_person(admin, "li")
    reply = await admin.post("/api/people", {"username": "LI", "name": "x", "role": "clerk"})
    assert (reply.code, reply.body["error"]["params"]) == ("username_taken", {"username": "li"})


async def test_a_disabled_person_is_out_at_once_and_gets_no_link(front: Front) -> None:
    admin = await front.signed_in("administrator")
    clerk = await front.signed_in("clerk")
    token = await link_of(admin, f"/api/people/{clerk.id}")
    ended: list[str] = []
    front.app[SIGN_IN_ENDED].append(ended.append)
    assert (await admin.patch(f"/api/people/{clerk.id}", {"active": False})).body["active"] is False
    assert ended == [token_hash(clerk.cookie())]
    assert (await clerk.get("/api/me")).code == "sign_in_required"
    assert (await admin.post(f"/api/people/{clerk.id}/invitation")).code == "account_disabled"
    assert await accept(front.browser(), token) == (404, "invitation_invalid")
    await admin.patch(f"/api/people/{clerk.id}", {"active": True})
    assert (await clerk.get("/api/me")).code == "sign_in_required", "enabling does not bring the old sign-in back"


async def test_a_new_role_counts_from_the_next_request(front: Front) -> None:
    admin, officer = await front.signed_in("administrator"), await front.signed_in("hq_officer")
    await admin.patch(f"/api/people/{officer.id}", {"role": "administrator"})
    assert (await officer.get("/api/people")).status == 200
    await admin.patch(f"/api/people/{officer.id}", {"role": "clerk"})
    assert (await officer.get("/api/people")).code == "forbidden"


@pytest.mark.parametrize("change", [{"active": False}, {"role": "clerk"}])
async def test_the_last_administrator_stays(front: Front, change: dict[str, Any]) -> None:
    admin = await front.signed_in("administrator")
    await front.add_account("administrator", username="other", county="elsewhere")
    off = await front.add_account("administrator", username="off")
    async with front.app[DATABASE].begin() as db:
        (await db.get_one(Account, off)).active = False
    assert (await admin.patch(f"/api/people/{admin.id}", change)).code == "last_administrator"
    assert (await admin.patch(f"/api/people/{admin.id}", {"name": "新名字", "role": "administrator"})).status == 200
    await admin.patch(f"/api/people/{off}", {"active": True})
    assert (await admin.patch(f"/api/people/{admin.id}", change)).status == 200


async def test_two_administrators_cannot_switch_each_other_off(front: Front) -> None:
    one, two = await front.signed_in("administrator"), await front.signed_in("administrator")
    replies = await asyncio.gather(
        one.patch(f"/api/people/{two.id}", {"active": False}), two.patch(f"/api/people/{one.id}", {"active": False})
    )
    assert sorted(reply.status for reply in replies)[0] == 200
    async with front.app[DATABASE].read() as db:
        active = (await db.scalars(select(Account.id).where(Account.role == "administrator", Account.active))).all()
    assert len(active) == 1


# Sets


async def test_a_set_is_a_browser_enrolled_by_a_link(front: Front) -> None:
    admin = await front.signed_in("administrator")
    set_id = await new_set(front, admin)
    browser = front.browser()
    assert await accept(browser, await link_of(admin, f"/api/sets/{set_id}"), "a password") == (
        400,
        "password_not_expected",
    )
    token = await link_of(admin, f"/api/sets/{set_id}")
    look = await browser.post("/api/invitations/look", {"token": token})
    assert (look.body["kind"], look.body["username"]) == ("set", None)
    reply = await browser.post("/api/invitations/accept", {"token": token})
    assert (reply.body["role"], reply.body["place"]["name"]) == ("set", "place of 一号终端")
    assert "Max-Age=2592000" in reply.headers["Set-Cookie"]
    [listed] = (await admin.get("/api/sets")).body["sets"]
    assert (listed["in_use"], listed["seen_utc_ms"]) == (True, front.clock())
    front.clock.forward(SET_BUSY_MS)
    [listed] = (await admin.get("/api/sets")).body["sets"]
    assert listed["in_use"] is False


async def test_a_second_browser_of_a_set_waits_until_the_first_is_silent(front: Front) -> None:
    admin = await front.signed_in("administrator")
    set_id = await new_set(front, admin)
    first, second = front.browser(), front.browser()
    assert await accept(first, await link_of(admin, f"/api/sets/{set_id}"), None) == (200, None)
    since = front.clock()
    token = await link_of(admin, f"/api/sets/{set_id}")
    front.clock.forward(SET_BUSY_MS - 1)
    reply = await second.post("/api/invitations/accept", {"token": token})
    assert (reply.status, reply.code) == (409, "set_in_use")
    assert reply.body["error"]["params"] == {"since_utc_ms": since, "seen_utc_ms": since}
    front.clock.forward(1)
    assert await accept(second, token, None) == (200, None), "the refused try did not use the link"
    assert (await first.get("/api/me")).code == "sign_in_required"
    async with front.app[DATABASE].read() as db:
        reasons = (await db.scalars(select(SignIn.end_reason).where(SignIn.kind == "set"))).all()
    assert sorted(reasons) == ["", "replaced"]


async def test_the_same_browser_may_enrol_again_at_once(front: Front) -> None:
    admin = await front.signed_in("administrator")
    set_id = await new_set(front, admin)
    browser = front.browser()
    for _ in range(2):
        assert await accept(browser, await link_of(admin, f"/api/sets/{set_id}"), None) == (200, None)
    assert (await browser.get("/api/me")).body["id"] == set_id


async def test_a_released_set_is_free_at_once(front: Front) -> None:
    admin = await front.signed_in("administrator")
    set_id = await new_set(front, admin)
    first, second = front.browser(), front.browser()
    await accept(first, await link_of(admin, f"/api/sets/{set_id}"), None)
    ended: list[str] = []
    front.app[SIGN_IN_ENDED].append(ended.append)
    assert (await admin.post(f"/api/sets/{set_id}/release")).body["in_use"] is False
    assert ended == [token_hash(first.cookie())]
    assert (await first.get("/api/me")).code == "sign_in_required"
    assert await accept(second, await link_of(admin, f"/api/sets/{set_id}"), None) == (200, None)


async def test_two_browsers_at_once_cannot_both_become_the_set(front: Front) -> None:
    admin = await front.signed_in("administrator")
    token = await link_of(admin, f"/api/sets/{await new_set(front, admin)}")
    got = await asyncio.gather(*(accept(front.browser(), token, None) for _ in range(3)))
    assert sorted(status for status, _ in got) == [200, 410, 410]


async def test_sets_are_renamed_moved_and_switched_off(front: Front) -> None:
    admin = await front.signed_in("administrator")
    set_id, other = await new_set(front, admin), await front.add_place("永宁派出所")
    await new_set(front, admin, "二号终端")
    browser = front.browser()
    await accept(browser, await link_of(admin, f"/api/sets/{set_id}"), None)
    moved = await admin.patch(f"/api/sets/{set_id}", {"name": "三号终端", "place_id": other})
    assert (moved.body["name"], moved.body["place"]["id"]) == ("三号终端", other)
    assert (await browser.get("/api/me")).body["place"]["id"] == other
    assert (await admin.patch(f"/api/sets/{set_id}", {"name": "二号终端"})).code == "name_taken"
    assert (await admin.patch(f"/api/sets/{set_id}", {"active": False})).body["active"] is False
    assert (await browser.get("/api/me")).code == "sign_in_required"
    assert (await admin.post(f"/api/sets/{set_id}/invitation")).code == "set_disabled"


async def test_what_administrators_do_is_audited(front: Front) -> None:
    admin = await front.signed_in("administrator")
    person, set_id = await add_person(admin), await new_set(front, admin)
    await link_of(admin, f"/api/people/{person}")
    await admin.patch(f"/api/people/{person}", {"role": "hq_officer"})
    await admin.post(f"/api/sets/{set_id}/release")
    async with front.app[DATABASE].read() as db:
        rows = (await db.scalars(select(AuditEvent).order_by(AuditEvent.id))).all()
    assert [(row.action, row.object_id) for row in rows] == [
        ("account.create", person),
        ("set.create", set_id),
        ("invitation.create", person),
        ("account.change", person),
        ("set.release", set_id),
    ]
    assert {(row.by_kind, row.by_id, row.address) for row in rows} == {("account", admin.id, "127.0.0.1")}
    assert rows[3].data == {"role": "hq_officer"}
