# SPDX-License-Identifier: Apache-2.0
"""The parts that live as long as the program: links, desk, keeper and the telling of changes, put together once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from storage.database.engine import Database
from storage.nodes import calling_context, node_id, read_places
from storage.settings import Settings
from web.api.core import COUNTERS, DATABASE, NOW_MS, SETTINGS, SIGN_IN_ENDED
from web.media.camera_picture import PictureTaker
from web.media.line import Line, tls_line, unix_line
from web.media.mediaserver_link import MediaLink
from web.media.pool import MediaPool
from web.media.recorder_link import RecorderLink
from web.media.recorder_pool import RecorderPool
from web.media.registry import Registry
from web.media.relay import Relays
from web.media.store import StoreDoor
from web.sessions.alarms import Alarms
from web.sessions.cameras import Cameras
from web.sessions.caucus import CaucusDesk
from web.sessions.custody import Custody
from web.sessions.delivery import Delivery
from web.sessions.desk import Desk
from web.sessions.doors import Doors
from web.sessions.keeper import Keeper
from web.sessions.keeping import KeepingDesk
from web.sessions.live import Live
from web.sessions.marks import MarkDesk
from web.sessions.moderation import Moderator
from web.sessions.playback import ManifestShelf
from web.sessions.store_probe import StoreProbe
from web.webhooks.outbox import Outbox
from web.webhooks.sender import Sender


@dataclass(frozen=True, slots=True)
class Running:
    """What the handlers use."""

    media: MediaPool
    recorder: RecorderPool
    delivery: Delivery
    desk: Desk
    cameras: Cameras
    pictures: PictureTaker
    moderator: Moderator
    keeper: Keeper
    live: Live
    relays: Relays
    store: StoreDoor
    shelf: ManifestShelf
    sender: Sender
    doors: Doors
    custody: Custody
    keeping: KeepingDesk
    alarms: Alarms
    probe: StoreProbe
    marks: MarkDesk
    caucus: CaucusDesk


RUNNING: Final = web.AppKey("running", Running)


def add_to(app: web.Application) -> None:
    """Make the parts and let them work while the application runs."""
    settings: Settings = app[SETTINGS]
    database: Database = app[DATABASE]
    now_ms, count = app[NOW_MS], app[COUNTERS].count
    media, recorder = _links(settings, database, now_ms, count)
    live = Live(database, lambda session_id: alarms.watch(session_id), now_ms)
    outbox = Outbox(settings.webhook_urls, settings.county)
    delivery = Delivery(database, media, outbox, now_ms, live.changed, settings.recording_keys)
    desk = Desk(delivery)
    cameras = Cameras(delivery)
    store = StoreDoor(settings)
    probe = StoreProbe(store.stat)
    alarms = Alarms(delivery, media, recorder, store_away=lambda: probe.away)
    keeper = Keeper(delivery, desk, cameras, recorder, alarms, settings.county)
    sender = Sender(database, outbox, settings.webhook_secret.get_secret_value(), now_ms, count)
    relays = Relays(count, delivery.remove)
    shelf = ManifestShelf(store, settings.secrets_dir, count)
    custody = Custody(database, store, settings, now_ms)
    app[RUNNING] = Running(
        media,
        recorder,
        delivery,
        desk,
        cameras,
        PictureTaker(),
        Moderator(delivery),
        keeper,
        live,
        relays,
        store,
        shelf,
        sender,
        Doors(delivery),
        custody,
        KeepingDesk(delivery, custody, settings),
        alarms,
        probe,
        MarkDesk(delivery),
        CaucusDesk(delivery),
    )
    app[SIGN_IN_ENDED] += [live.sign_in_ended, relays.sign_in_ended]
    app.cleanup_ctx.append(_work)
    app.on_shutdown.append(_let_go)


def _links(
    settings: Settings, database: Database, now_ms: Callable[[], int], count: Callable[[str], None]
) -> tuple[MediaPool, RecorderPool]:
    """Lines to all media processes of this machine and of its nodes, and their recorders."""
    lines = _lines(settings)
    media = {node: MediaLink(line, settings.secrets_dir, count) for node, (line, _) in lines.items()}
    recorders = {node: RecorderLink(line, count) for node, (_, line) in lines.items()}
    registry = Registry(database, media, "worker-0", now_ms)
    return MediaPool(media, registry, count), RecorderPool(recorders, registry.node_of)


def _lines(settings: Settings) -> dict[str, tuple[Line, Line]]:
    """To mediaserver and recorder of each place. Raises NotJoined when the certificate to call nodes is not there."""
    found = {}
    for n in range(settings.workers):
        folder = settings.worker_dir(n)
        found[f"worker-{n}"] = unix_line(folder / "media.sock"), unix_line(folder / "recorder.sock")
    for place in read_places(settings.nodes):
        context = calling_context(settings.data_dir / "tls")
        for n in range(place.workers):
            ports = place.media_port(n), place.recorder_port(n)
            media, recorder = (tls_line(place.host, port, place.tls_name, context) for port in ports)
            found[node_id(place.name, n)] = media, recorder
    return found


async def _work(app: web.Application) -> AsyncIterator[None]:
    running = app[RUNNING]
    await running.media.open()
    await running.recorder.open()
    tasks = [
        asyncio.create_task(work)
        for work in (
            running.media.follow(running.keeper),
            running.recorder.poll(running.keeper.on_answer),
            running.keeper.run(),
            running.live.run(),
            running.probe.run(running.keeper.look_at_alarms),
            running.custody.run(),
            running.sender.run(),
        )
    ]
    yield
    running.sender.stop()
    for task in tasks[:-1]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await running.recorder.close()
    await running.media.close()
    running.store.close()


async def _let_go(app: web.Application) -> None:
    """Open streams end first, else the server would wait for them. Pages come back by themselves."""
    app[RUNNING].live.end_all()
    await app[RUNNING].relays.close_all()
