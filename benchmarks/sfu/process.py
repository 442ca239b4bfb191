# SPDX-License-Identifier: Apache-2.0
"""A measured child process, pinned to one core: its CPU time and its memory."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

SERVER_CORE, LOAD_CORE = 0, 1
BESIDE_CORE = 2 if (os.cpu_count() or 1) > 2 else LOAD_CORE
"""What runs beside a measured server: a recorder. With two cores it is on the load's, which it must not hold up."""
SHIELD = "VIDEOHOME_BENCHMARK_SHIELD"
"""Set: server and generator run before everything else on the machine (SCHED_FIFO; needs root)."""


def on_core(core: int, *, beside: bool = False) -> list[str]:
    """The beginning of a command that runs on one core only; `beside` gives way to whoever is measured there."""
    shield = ["nice", "-n", "19"] if beside else ["chrt", "-f", "10"] if os.environ.get(SHIELD) else []
    return ["taskset", "-c", str(core % (os.cpu_count() or 1)), *shield]


class Child:
    """Started at once; its output goes to a file."""

    def __init__(
        self,
        command: list[str],
        environment: dict[str, str],
        log: Path,
        stdin: int = subprocess.DEVNULL,
        pass_fds: tuple[int, ...] = (),
        core: int = SERVER_CORE,
        *,
        beside: bool = False,
    ) -> None:
        self._log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [*on_core(core, beside=beside), *command],
                env=environment,
                stdin=stdin,
                stdout=out,
                stderr=subprocess.STDOUT,
                pass_fds=pass_fds,
            )

    async def wait_for(self, ready: Callable[[], bool], within_s: float = 20.0) -> None:
        """Until `ready`. Raises RuntimeError with the end of the log."""
        for _ in range(int(within_s / 0.05)):
            if ready():
                return
            if self.process.poll() is not None:
                break
            await asyncio.sleep(0.05)
        raise RuntimeError(f"the server did not start: {self._log.read_text('utf-8', 'replace')[-2000:]}")

    def cpu_s(self) -> float:
        """CPU time of all threads so far (utime + stime, at the scheduler's nanosecond resolution)."""
        tasks = Path(f"/proc/{self.process.pid}/task")
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir()) / 1e9

    def memory_bytes(self) -> int:
        """Resident memory."""
        with Path(f"/proc/{self.process.pid}/statm").open() as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    async def stop(self) -> None:
        """End it, by force after five seconds."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            await asyncio.to_thread(self.process.wait, 5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
