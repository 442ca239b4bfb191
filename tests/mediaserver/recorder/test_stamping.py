# SPDX-License-Identifier: Apache-2.0
"""Sealed manifests get their time stamp from a real authority, sooner or later, and nobody waits for it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from io import StringIO
from pathlib import Path

import pytest
from aiohttp import web
from rich.console import Console

from mediaserver.recorder import stamping
from mediaserver.recorder.stamping import Stamper, at_work
from storage.cli.verify import Expected, run
from storage.ids import new_id
from storage.layout import stamp_key
from storage.objects import StoreAway
from storage.settings import Settings
from storage.stamp_orders import StampOrder, StampOrders
from storage.timestamp import ANSWER_LIMIT_BYTES, check, read_roots
from storage.uploads import Uploader
from tests.mediaserver.recorder.media import Stream
from tests.mediaserver.recorder.studio import Publisher, Studio, until
from tests.storage.authority import Authority, Served

SHA256 = hashlib.sha256(b"manifest").hexdigest()


def no_store() -> None:
    raise StoreAway("never asked: the uploader is not started")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority") / "good")


@pytest.fixture
async def served(authority: Authority) -> AsyncIterator[Served]:
    made = Served(authority)
    runner = await made.start()
    yield made
    await runner.cleanup()


class Desk:
    """A stamper with its spool and an upload queue that keeps what it is given."""

    def __init__(self, folder: Path, served: Served) -> None:
        self.settings = Settings(data_dir=folder, timestamp_url=served.url, timestamp_certificate=served.authority.root)
        self.settings.spool_dir.mkdir(parents=True, exist_ok=True)
        self.uploader = Uploader(self.settings.spool_dir, no_store)  # type: ignore[arg-type]
        self.stamper = Stamper(self.settings, self.uploader, look_every_s=0.02)
        self.orders = StampOrders(self.settings.spool_dir)
        self.session_id = new_id()

    async def stamped(self) -> bytes:
        """The answer, once it is on its way to the store."""
        key = stamp_key("default", self.session_id)
        await until(lambda: self.uploader.waiting(key).uploads and not self.orders.waiting())
        return (self.settings.spool_dir / "stamps" / f"{self.session_id}.tsr").read_bytes()


@pytest.fixture
def desk(tmp_path: Path, served: Served, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(stamping, "RETRY_FIRST_S", 0.02)
    monkeypatch.setattr(stamping, "RETRY_LAST_S", 0.05)
    return Desk(tmp_path, served)


async def error_500(request: web.Request, query: bytes) -> web.StreamResponse:
    return web.Response(status=500)


async def elsewhere(request: web.Request, query: bytes) -> web.StreamResponse:
    raise web.HTTPTemporaryRedirect("http://127.0.0.1:1/")


async def garbage(request: web.Request, query: bytes) -> web.StreamResponse:
    return web.Response(body=b"<html>sign in first</html>")


async def endless(request: web.Request, query: bytes) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(3 * ANSWER_LIMIT_BYTES // 1024):
        await response.write(bytes(1024))
    return response


async def hangs_up(request: web.Request, query: bytes) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def silent(request: web.Request, query: bytes) -> web.StreamResponse:
    await asyncio.sleep(5)
    return web.Response()


@pytest.mark.parametrize("misbehaviour", [error_500, elsewhere, garbage, endless, hangs_up, silent])
async def test_an_authority_that_misbehaves_is_asked_again(
    desk: Desk, served: Served, misbehaviour: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stamping, "ANSWER_WITHIN_S", 1.0)
    served.misbehave = [misbehaviour]  # type: ignore[list-item]
    async with at_work(desk.stamper):
        await desk.stamper.order("default", desk.session_id, SHA256)
        answer = await desk.stamped()
    assert check(answer, SHA256, read_roots(served.authority.root.read_bytes())).authority == "CN=Test stamps"
    assert len(served.asked) >= 2


async def test_an_old_answer_to_another_question_is_not_taken(desk: Desk, served: Served) -> None:
    async def replayed(request: web.Request, query: bytes) -> web.StreamResponse:
        old = await asyncio.to_thread(served.authority.reply, stamping.question(SHA256, 7))
        return web.Response(body=old)

    served.misbehave = [replayed]
    async with at_work(desk.stamper):
        await desk.stamper.order("default", desk.session_id, SHA256)
        await desk.stamped()
    assert len(served.asked) >= 2


async def test_a_foreign_authority_never_stamps(desk: Desk, served: Served, tmp_path: Path) -> None:
    stranger = Authority(tmp_path / "stranger")
    served.authority, trusted = stranger, served.authority
    async with at_work(desk.stamper):
        await desk.stamper.order("default", desk.session_id, SHA256)
        await until(lambda: len(served.asked) >= 3)
        assert len(desk.orders.waiting()) == 1 and desk.uploader.waiting().uploads == 0
        served.authority = trusted
        await desk.stamped()


async def test_orders_outlive_a_restart_and_a_torn_one_stops_nothing(desk: Desk, served: Served) -> None:
    await desk.stamper.order("default", desk.session_id, SHA256)
    folder = desk.settings.spool_dir / "stamps"
    (folder / "torn.json").write_bytes(b'{"county": "def')
    (folder / "foreign.json").write_bytes(b'{"county": "..", "session_id": "x", "sha256": "", "ordered_utc_ms": 1}')
    assert [order.session_id for order in desk.orders.waiting()] == [desk.session_id]
    async with at_work(Stamper(desk.settings, desk.uploader, look_every_s=0.02)):
        await desk.stamped()


async def test_without_an_authority_nothing_is_ordered(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    stamper = Stamper(settings, Uploader(settings.spool_dir, no_store))  # type: ignore[arg-type]
    async with at_work(stamper):
        await stamper.order("default", new_id(), SHA256)
    assert StampOrders(settings.spool_dir).waiting() == []


def test_orders_are_told_oldest_first(tmp_path: Path) -> None:
    orders = StampOrders(tmp_path)
    made = [StampOrder("default", new_id(), SHA256, at) for at in (30, 10, 20)]
    for order in made:
        orders.add(order)
    assert [order.ordered_utc_ms for order in orders.waiting()] == [10, 20, 30]
    orders.remove(made[1])
    assert [order.ordered_utc_ms for order in orders.waiting()] == [20, 30]


async def test_a_recording_is_sealed_while_the_authority_is_away_and_stamped_when_it_is_back(
    tmp_path: Path, shared_store: Path, served: Served
) -> None:
    served.misbehave = [error_500]
    (tmp_path / "store").symlink_to(shared_store)
    studio = Studio(tmp_path, timestamp_url=served.url, timestamp_certificate=str(served.authority.root))
    await studio.start()
    try:
        session = studio.session()
        studio.order(session, "on")
        await studio.play(4, Publisher(studio, session, Stream("audio"), "p1", "mic"))
        studio.order(session, "stopped")
        await studio.sealed(session)
        assert await studio.delete(session) == 200, "forgotten by the recorder, and stamped all the same"
        orders = StampOrders(studio.settings.spool_dir)
        await until(lambda: len(served.asked) >= 2 and not orders.waiting())
        root = Expected(authority=served.authority.root)
        words = ""

        def found() -> bool:
            nonlocal words
            out = StringIO()
            assert run(studio.settings, session.session_id, root, Console(file=out, width=400)) == 0
            words = out.getvalue()
            return "says CN=Test stamps" in words

        await until(found)
        unchecked = StringIO()
        assert run(studio.settings, session.session_id, console=Console(file=unchecked, width=400)) == 0
        assert "Time stamp: not checked; give" in unchecked.getvalue()
    finally:
        await studio.close()
