# SPDX-License-Identifier: Apache-2.0
"""How every long-lived program starts and ends: settings, logging, and what its exit status means."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from storage.log import configure_logging
from storage.settings import EXIT_CONFIGURATION, Settings, SettingsFault, load_settings

log = structlog.get_logger(__name__)


def run_program(
    name: str,
    run: Callable[[Settings], Coroutine[Any, Any, None]],
    refusals: tuple[type[Exception], ...] = (),
    loop: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> int:
    """Run until it returns. Exit status: 0 after a clean stop, 1 when the world does not let us run, 78 when a person
    must change something first (wrong settings, or one of `refusals`, whose text is one sentence). `loop` makes the
    event loop where an ordinary one will not do.
    """

    expected: tuple[type[Exception], ...] = (SettingsFault, *refusals)
    try:
        settings = load_settings()
        configure_logging(settings.log_level)
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(run(settings))
    except expected as fault:
        print(fault, file=sys.stderr)
        return EXIT_CONFIGURATION
    except OSError as error:
        log.error("cannot_run", program=name, reason=str(error))
        return 1
    return 0
