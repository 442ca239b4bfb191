# SPDX-License-Identifier: Apache-2.0
"""`python -m transcribe`: runs one speech worker until SIGTERM or SIGINT."""

from __future__ import annotations

import os
import signal
import sys

from storage.database.engine import sync_engine
from storage.log import configure_logging
from storage.settings import EXIT_CONFIGURATION, SettingsFault, load_settings
from transcribe.derive.rows import DerivativeRows
from transcribe.rows import TranscriptRows
from transcribe.worker import Worker


def main() -> int:
    """Exit status: 0 after a stop that was asked for, 78 when a setting is wrong."""
    try:
        settings = load_settings()
    except SettingsFault as fault:
        print(fault, file=sys.stderr)
        return EXIT_CONFIGURATION
    configure_logging(settings.log_level)
    os.environ["HF_HUB_OFFLINE"] = "1"  # a worker never fetches a model by itself
    engine = sync_engine(settings)
    worker = Worker(settings, TranscriptRows(engine), DerivativeRows(engine))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    worker.run()
    return 0


if __name__ == "__main__":
    status = main()
    sys.stderr.flush()
    # Not sys.exit: threads that hang in a stopped step would be waited for. Unfinished jobs go on at the next start.
    os._exit(status)
