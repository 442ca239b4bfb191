# SPDX-License-Identifier: Apache-2.0
"""`python -m mediaserver`: the media server, until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys

import structlog
from aiohttp import web

from mediaserver.shell.feed_server import FeedServer
from mediaserver.shell.http import Door
from mediaserver.shell.transport import Hub
from storage.addresses import machine_addresses
from storage.log import configure_logging
from storage.settings import EXIT_CONFIGURATION, Settings, SettingsFault, load_settings

log = structlog.get_logger(__name__)


async def run(settings: Settings) -> None:
    """Serve until a signal. Raises OSError when the port or a socket cannot be had."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    settings.run_dir.mkdir(parents=True, exist_ok=True)
    feed = FeedServer()
    hub = Hub(machine_addresses(settings.bind, settings.advertise), settings.media_port)
    door = Door(hub, feed, settings.secrets_dir)
    runner = web.AppRunner(door.application(), access_log=None)
    await runner.setup()
    try:
        await hub.port.open(settings.bind, settings.media_port)
        await feed.start(settings.run_dir / "feed.sock")
        path = settings.run_dir / "media.sock"
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        await web.UnixSite(runner, str(path)).start()
        path.chmod(0o600)
        log.info("mediaserver_ready", port=settings.media_port, boot_id=feed.boot_id)
        await stop.wait()
    finally:
        await door.close()
        await hub.port.close()
        await runner.cleanup()
        await feed.close()


def main() -> int:
    """Exit status 0 after a clean stop, 1 when the world does not let us run, 78 for wrong settings."""
    try:
        settings = load_settings()
    except SettingsFault as fault:
        print(fault, file=sys.stderr)
        return EXIT_CONFIGURATION
    configure_logging(settings.log_level)
    try:
        asyncio.run(run(settings))
    except OSError as error:
        log.error("mediaserver_cannot_run", reason=str(error))
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
