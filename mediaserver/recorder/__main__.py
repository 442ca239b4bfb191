# SPDX-License-Identifier: Apache-2.0
"""`python -m mediaserver.recorder`: the recorder, until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import signal
from typing import TextIO

import structlog
from aiohttp import web

from mediaserver import native
from mediaserver.recorder.core import Recorder
from mediaserver.recorder.feed_client import FeedClient
from mediaserver.recorder.status import listen
from mediaserver.recording import straight
from storage.nodes import NotJoined, listening_context
from storage.program import run_program
from storage.settings import Settings

log = structlog.get_logger(__name__)

GARBAGE_AFTER = 20_000
"""New objects between two looks of the garbage collector; with Python's own 700 it looks many times a second."""


def _lock(settings: Settings) -> TextIO:
    """Only one recorder may write a spool. Raises OSError when another does."""
    handle = (settings.worker_dir() / "recorder.lock").open("a")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        raise
    return handle


def _choose_loop(settings: Settings) -> None:
    """The compiled loop where it is there, as in the mediaserver. All works without it, at twice the cost."""
    module = None if settings.plane == "python" else native.load()
    try:
        straight.use(module)
    except (AttributeError, TypeError) as error:
        module = None
        straight.use(None)
        log.warning("plane_stale", error=str(error), how=native.HOW)
    if module is None and settings.plane == "native":
        log.warning("plane_missing", how=native.HOW)
    log.info("plane", plane="python" if module is None else "native")


async def run(settings: Settings) -> None:
    """Record until a signal. Raises OSError when the spool or the socket cannot be had, NotJoined."""
    context = listening_context(settings.node_dir) if settings.node_name else None
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    folder = settings.worker_dir()
    folder.mkdir(parents=True, exist_ok=True)
    _choose_loop(settings)
    with _lock(settings):
        recorder = Recorder(settings)
        await asyncio.to_thread(recorder.start)
        client = FeedClient(folder / "feed.sock", recorder)
        runner = await listen(recorder, folder / "recorder.sock")
        if context is not None:
            place = settings.node_place
            await web.TCPSite(runner, place.host, place.recorder_port(settings.worker), ssl_context=context).start()
        # What was made until now stays, and what packets leave has no circles: the collector need not look so often.
        gc.collect()
        gc.freeze()
        gc.set_threshold(GARBAGE_AFTER)
        log.info("recorder_ready", spool=str(settings.spool_dir))
        listening, writing = asyncio.create_task(client.run()), asyncio.create_task(recorder.run(stop))
        try:
            await asyncio.wait({listening, writing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.set()
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening
            await writing  # a fault of ours ends with its traceback; the supervisor starts us again
            await recorder.close()
            await runner.cleanup()


def main() -> int:
    """Exit status as `run_program` gives it."""
    return run_program("recorder", run, (NotJoined,))


if __name__ == "__main__":
    raise SystemExit(main())
