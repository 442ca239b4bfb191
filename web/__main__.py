# SPDX-License-Identifier: Apache-2.0
"""`python -m web`: the HTTPS front, until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import signal
import socket

import structlog
from aiohttp import web

from storage.database.engine import open_database
from storage.database.upgrade import UpgradeFault, upgrade_database
from storage.nodes import NotJoined
from storage.program import run_program
from storage.settings import Settings
from web.app import application
from web.tls.authority import AuthorityDamaged
from web.tls.keeper import CertificateFault, CertificateKeeper

SHUTDOWN_S = 3.0
"""Answers under way may end within this time after a signal."""
log = structlog.get_logger(__name__)


async def run(settings: Settings) -> None:
    """Serve until a signal. Raises CertificateFault, AuthorityDamaged, NotJoined, UpgradeFault.

    OSError when the port cannot be had.
    """
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    keeper = CertificateKeeper(settings, hostname=socket.gethostname())
    await asyncio.to_thread(keeper.refresh)
    await asyncio.to_thread(upgrade_database, settings)
    app = application(settings, open_database(settings), keeper)
    watching = asyncio.create_task(keeper.watch(), name="certificate")
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    try:
        front = keeper.front_context()
        await web.TCPSite(runner, settings.bind, settings.https_port, ssl_context=front).start()
        log.info("web_ready", port=settings.https_port)
        await stop.wait()
    finally:
        watching.cancel()
        await runner.cleanup()


def main() -> int:
    """Exit status as `run_program` gives it."""
    return run_program("web", run, (CertificateFault, UpgradeFault, AuthorityDamaged, NotJoined))


if __name__ == "__main__":
    raise SystemExit(main())
