# SPDX-License-Identifier: Apache-2.0
"""Events on their way outside: signed, in order, again after failures, dropped by the stated rules."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pydantic import ValidationError
from sqlalchemy import func, select

from storage.database.engine import Database, open_database
from storage.database.models import WebhookDelivery
from storage.settings import Settings
from tests.web.front import Clock, start_front
from web.api.core import DATABASE
from web.webhooks.outbox import Outbox
from web.webhooks.sender import GIVE_UP_AFTER_MS, LONGEST_PAUSE_S, Sender, is_final, pause_s
from web.webhooks.signature import sign

SECRET = "sixteen letters!"


@dataclass
class Receiver:
    """Somebody's server outside; answers what the test wants, then 204."""

    answers: list[int] = field(default_factory=list)
    got: list[dict[str, Any]] = field(default_factory=list)
    raw: list[tuple[dict[str, str], str]] = field(default_factory=list)
    url: str = ""

    async def take(self, request: web.Request) -> web.Response:
        status = self.answers.pop(0) if self.answers else 204
        body = await request.text()
        if status < 300:
            self.got.append(json.loads(body))
        self.raw.append((dict(request.headers), body))
        return web.Response(status=status)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    app = web.Application()
    app.router.add_post("/hook", made.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield made
    await runner.cleanup()


@dataclass
class Post:
    """Queue and sender over a real database."""

    database: Database
    outbox: Outbox
    clock: Clock
    counts: Counter[str]
    make: Callable[[], Sender]

    async def put(self, *names: str) -> None:
        for name in names:
            async with self.database.begin() as db:
                self.outbox.put(db, "alarm.raised", None, {"name": name}, self.clock())

    async def waiting(self) -> int:
        async with self.database.read() as db:
            return await db.scalar(select(func.count()).select_from(WebhookDelivery)) or 0


async def post_office(tmp_path: Path, empty: Path, *urls: str, most: int = 100) -> Post:
    settings = Settings(data_dir=tmp_path / "data")
    (tmp_path / "data" / "db").mkdir(parents=True, exist_ok=True)
    if not (tmp_path / "data" / "db" / empty.name).exists():
        shutil.copy(empty, tmp_path / "data" / "db")
    database, clock, counts = open_database(settings), Clock(), Counter[str]()
    outbox = Outbox(urls, "default")
    count = lambda name: counts.update([name])  # noqa: E731

    def make() -> Sender:
        return Sender(database, outbox, SECRET, clock, count, first_pause_s=0.01, most_waiting=most)

    return Post(database, outbox, clock, counts, make)


async def run_until(post: Post, check: Any) -> None:
    sender = post.make()
    task = asyncio.create_task(sender.run())
    try:
        async with asyncio.timeout(15):
            while not (await check() if asyncio.iscoroutinefunction(check) else check()):
                await asyncio.sleep(0.01)
    finally:
        sender.stop()
        await task


async def test_events_arrive_in_order_signed_and_after_failures(
    tmp_path: Path, empty_database: Path, receiver: Receiver
) -> None:
    post = await post_office(tmp_path, empty_database, receiver.url)
    receiver.answers = [500, 429]
    await post.put("a", "b", "c")
    await run_until(post, lambda: len(receiver.got) == 3)
    assert [event["data"]["name"] for event in receiver.got] == ["a", "b", "c"]
    assert len({event["id"] for event in receiver.got}) == 3
    first = [json.loads(body)["id"] for _, body in receiver.raw[:3]]
    assert first == [receiver.got[0]["id"]] * 3, "the same id at every attempt"
    headers, body = receiver.raw[-1]
    lower = {name.lower(): value for name, value in headers.items()}
    stamp = int(lower["webhook-timestamp"])
    assert lower["webhook-id"] == json.loads(body)["id"]
    assert lower["webhook-signature"] == sign(SECRET, lower["webhook-id"], stamp, body)
    assert stamp == post.clock() // 1000
    assert (post.counts["webhook_failed"], post.counts["webhook_sent"]) == (2, 3)
    await post.database.close()


def test_the_signature_is_that_of_the_convention() -> None:
    # By openssl dgst -sha256 -hmac, over id.1700000000.{}
    assert sign(SECRET, "id", 1_700_000_000, "{}") == "v1,MDYhhsgZmq9/8j/aQZTYKaMN36s0BukGP26kLqwGoyo="
    assert sign("another secret!!", "id", 1_700_000_000, "{}") != sign(SECRET, "id", 1_700_000_000, "{}")
    assert sign(SECRET, "id", 1_700_000_001, "{}") != sign(SECRET, "id", 1_700_000_000, "{}")


async def test_what_the_receiver_does_not_want_is_dropped_at_once(
    tmp_path: Path, empty_database: Path, receiver: Receiver
) -> None:
    post = await post_office(tmp_path, empty_database, receiver.url)
    receiver.answers = [410]
    await post.put("a", "b")
    await run_until(post, lambda: len(receiver.got) == 1)
    assert receiver.got[0]["data"]["name"] == "b"
    assert post.counts["webhook_refused"] == 1
    await post.database.close()


async def test_an_event_waits_through_a_restart_and_is_given_up_after_a_day(
    tmp_path: Path, empty_database: Path, receiver: Receiver
) -> None:
    before = await post_office(tmp_path, empty_database, receiver.url)
    await before.put("a")
    await before.database.close()
    post = await post_office(tmp_path, empty_database, receiver.url)
    receiver.answers = [503]
    post.clock.forward(GIVE_UP_AFTER_MS - 1)
    await run_until(post, lambda: len(receiver.got) == 1)
    assert post.counts["webhook_given_up"] == 0
    await post.put("b")
    receiver.answers = [503]
    post.clock.forward(GIVE_UP_AFTER_MS)
    await run_until(post, lambda: post.counts["webhook_given_up"] == 1)
    assert await post.waiting() == 0 and len(receiver.got) == 1
    await post.database.close()


async def test_beyond_the_most_that_wait_the_oldest_go(
    tmp_path: Path, empty_database: Path, receiver: Receiver
) -> None:
    post = await post_office(tmp_path, empty_database, receiver.url, most=3)
    await post.put("a", "b", "c", "d", "e")
    await run_until(post, lambda: len(receiver.got) == 3)
    assert [event["data"]["name"] for event in receiver.got] == ["c", "d", "e"]
    assert post.counts["webhook_dropped"] == 2
    await post.database.close()


async def test_exactly_the_most_may_wait(tmp_path: Path, empty_database: Path, receiver: Receiver) -> None:
    post = await post_office(tmp_path, empty_database, receiver.url, most=3)
    await post.put("a", "b", "c")
    await run_until(post, lambda: len(receiver.got) == 3)
    assert post.counts["webhook_dropped"] == 0
    await post.database.close()


async def test_an_address_that_is_away_holds_up_no_other(
    tmp_path: Path, empty_database: Path, receiver: Receiver
) -> None:
    dead = "http://127.0.0.1:9/nobody"
    post = await post_office(tmp_path, empty_database, dead, receiver.url)
    await post.put("a", "b")
    await run_until(post, lambda: len(receiver.got) == 2)
    assert await post.waiting() == 2
    # Taken out of the settings: nothing more is kept for it.
    again = await post_office(tmp_path, empty_database, receiver.url)

    async def nothing_waits() -> bool:
        return await again.waiting() == 0

    await run_until(again, nothing_waits)
    await post.database.close()
    await again.database.close()


async def test_nothing_goes_out_of_a_transaction_that_failed(tmp_path: Path, empty_database: Path) -> None:
    post = await post_office(tmp_path, empty_database, "http://127.0.0.1:9/")
    with pytest.raises(ZeroDivisionError):
        async with post.database.begin() as db:
            post.outbox.put(db, "alarm.raised", None, {"name": "a"}, 1)
            raise ZeroDivisionError
    assert await post.waiting() == 0
    await post.database.close()


@pytest.mark.parametrize(("failures", "seconds"), [(1, 1), (2, 2), (10, 512), (11, LONGEST_PAUSE_S), (9999, 900)])
def test_pauses_grow_to_a_quarter_of_an_hour(failures: int, seconds: float) -> None:
    assert pause_s(failures) == seconds


@pytest.mark.parametrize(
    ("status", "final"), [(400, True), (404, True), (499, True), (408, False), (425, False), (429, False), (500, False)]
)
def test_which_answers_are_final(status: int, final: bool) -> None:
    assert is_final(status) is final


@pytest.mark.parametrize(
    "wrong",
    [
        {"webhook_urls": ["https://a/"]},
        {"webhook_urls": ["https://a/"], "webhook_secret": "x" * 15},
        {"webhook_urls": ["ftp://a/"], "webhook_secret": "x" * 16},
        {"webhook_urls": ["https://a/"] * 9, "webhook_secret": "x" * 16},
    ],
)
def test_settings_that_would_send_unsigned_or_nowhere_are_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Settings(data_dir=tmp_path, **wrong)
    Settings(data_dir=tmp_path, webhook_urls=["https://a/"] * 8, webhook_secret="x" * 16)


async def test_a_session_is_told_from_its_beginning_to_its_end(
    tmp_path: Path, ui_folder: Path, empty_database: Path
) -> None:
    (tmp_path / "data" / "db").mkdir(parents=True)
    shutil.copy(empty_database, tmp_path / "data" / "db")
    settings = Settings(data_dir=tmp_path / "data", webhook_urls=["http://127.0.0.1:9/"], webhook_secret=SECRET)
    front, runner = await start_front(settings, Clock(), ui_folder)
    host = await front.signed_in("station_officer", name="王警官")
    session_id = (await host.post("/api/sessions", {"title": "田埂"})).body["id"]
    seated = await host.put(f"/api/sessions/{session_id}/attendees", {"people": [{"name": "甲", "kind": "party"}]})
    peer_id = seated.body["participants"][0]["peer_id"]
    from web.sessions.running import RUNNING

    keeper = front.app[RUNNING].keeper
    for _ in range(2):
        await keeper.came_in(session_id, [peer_id], front.clock())
    await host.post(f"/api/sessions/{session_id}/moderation", {"action": "lock"})
    await keeper.on_event(
        {"type": "moderation", "room": session_id, "action": "hand_raised", "peer_id": peer_id, "name": "王警官",
         "utc_ms": front.clock()}
    )  # fmt: skip
    await host.post(f"/api/sessions/{session_id}/end")
    async with front.app[DATABASE].read() as db:
        rows = list(await db.scalars(select(WebhookDelivery).order_by(WebhookDelivery.id)))
    events = [json.loads(row.body) for row in rows if "alarm" not in row.body]
    assert sorted(event["type"] for event in events) == [
        "moderation.hand_raised", "moderation.locked", "peer.joined", "session.ended", "session.started",
    ]  # fmt: skip
    assert {event["session"]["title"] for event in events} == {"田埂"}
    assert {event["county"] for event in events} == {"default"}
    await front.close()
    await runner.cleanup()
