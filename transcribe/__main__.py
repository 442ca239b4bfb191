# SPDX-License-Identifier: Apache-2.0
"""`python -m transcribe`: runs one speech worker until SIGTERM or SIGINT."""

from __future__ import annotations

import logging
import os
import signal
import sys

import structlog

from storage.database.engine import sync_engine
from storage.settings import EXIT_CONFIGURATION, SettingsFault, load_settings
from transcribe.rows import TranscriptRows
from transcribe.worker import Worker


def _log_to_stderr(level: str) -> None:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def main() -> int:
    """Exit status: 0 after a stop that was asked for, 78 when a setting is wrong."""
    try:
        settings = load_settings()
    except SettingsFault as fault:
        print(fault, file=sys.stderr)
        return EXIT_CONFIGURATION
    _log_to_stderr(settings.log_level)
    os.environ["HF_HUB_OFFLINE"] = "1"  # a worker never fetches a model by itself
    worker = Worker(settings, TranscriptRows(sync_engine(settings)))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    worker.run()
    return 0


if __name__ == "__main__":
    status = main()
    sys.stderr.flush()
    # Not sys.exit: threads that hang in a stopped step would be waited for. Unfinished jobs go on at the next start.
    os._exit(status)
