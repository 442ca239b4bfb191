# SPDX-License-Identifier: Apache-2.0
"""Programs get their share of a busy machine."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from storage.cli.supervisor import Program, Supervisor


async def test_a_program_runs_with_its_niceness(tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path, lambda name, status: None)
    program = Program("sleeper", ["-c", "import time; time.sleep(60)"], niceness=7)
    supervisor.start(program)
    try:
        async with asyncio.timeout(10):
            while program.process is None or os.getpriority(os.PRIO_PROCESS, program.process.pid) != 7:
                await asyncio.sleep(0.01)
    finally:
        await supervisor.stop()
