# SPDX-License-Identifier: Apache-2.0
"""`python -m mediaserver`: the media server, until SIGINT at once, or until SIGTERM and the end of its calls."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import time

import structlog
from aiohttp import web

from mediaserver.shell.feed_server import FeedServer
from mediaserver.shell.http import Door
from mediaserver.shell.media_loop import MediaLoop
from mediaserver.shell.native_port import PlaneMissing
from mediaserver.shell.transport import Hub
from storage.addresses import machine_addresses
from storage.nodes import NotJoined, listening_context
from storage.program import run_program
from storage.settings import Settings
from storage.turn import IceServer, ice_servers

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 0.1
"""While draining: how often it is asked whether the last call is over."""


async def run(settings: Settings) -> None:
    """Serve until a signal. Raises OSError when the port or a socket cannot be had."""
    folder, port = settings.worker_dir(), settings.worker_port
    folder.mkdir(parents=True, exist_ok=True)
    hub = Hub(machine_addresses(settings.bind, settings.advertise), port, settings.plane)
    feed = FeedServer()  # with the ring of the plane that the hub has chosen
    path = folder / "media.sock"

    def servers(name: str) -> list[IceServer]:
        return ice_servers(settings.turn_uris, settings.turn_secret.get_secret_value(), name, time.time())

    door = Door(hub, feed, settings.secrets_dir, path, settings.worker, servers)
    stop = _signals(door, settings.drain_seconds)
    runner = web.AppRunner(door.application(), access_log=None)
    await runner.setup()
    try:
        await hub.port.open(settings.bind, port)
        await feed.start(folder / "feed.sock")
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        await web.UnixSite(runner, str(path)).start()
        path.chmod(0o600)
        door.start()
        if settings.node_name:
            await _open_node_door(settings, runner)
        # What was made until now stays: the collector need not look through it again in the middle of a call.
        gc.collect()
        gc.freeze()
        log.info("mediaserver_ready", port=port, worker=settings.worker, boot_id=feed.boot_id)
        await stop.wait()
    finally:
        await door.close()
        await hub.port.close()
        await runner.cleanup()
        await feed.close()


async def _open_node_door(settings: Settings, runner: web.AppRunner) -> None:
    """The same face for the pages on another machine. Raises NotJoined, OSError."""
    place, context = settings.node_place, listening_context(settings.node_dir)
    await web.TCPSite(runner, place.host, place.media_port(settings.worker), ssl_context=context).start()


def _signals(door: Door, drain_s: float) -> asyncio.Event:
    """SIGTERM drains, a second one or SIGINT stops at once. The event is set when it is time to end."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    draining: set[asyncio.Task[None]] = set()

    def asked() -> None:
        if door.draining:
            log.warning("drain_forced")
            stop.set()
            return
        door.drain()
        draining.add(loop.create_task(_drained(door, drain_s, stop)))

    loop.add_signal_handler(signal.SIGTERM, asked)
    loop.add_signal_handler(signal.SIGINT, stop.set)
    return stop


async def _drained(door: Door, drain_s: float, stop: asyncio.Event) -> None:
    """Wait until nobody is in a call any more, `drain_s` at most; whoever is left comes back to another process."""
    log.info("draining", within_s=drain_s)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(drain_s):
            while not door.is_empty():  # noqa: ASYNC110 - sockets end in many ways
                await asyncio.sleep(LOOK_EVERY_S)
    log.info("drained", empty=door.is_empty())
    stop.set()


def main() -> int:
    """Exit status as `run_program` gives it."""
    return run_program("mediaserver", run, (PlaneMissing, NotJoined), MediaLoop)


if __name__ == "__main__":
    raise SystemExit(main())
