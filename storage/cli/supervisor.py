# SPDX-License-Identifier: Apache-2.0
"""Keeps the programs of one machine running: starts them, writes their logs, restarts the dead, stops all in order."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import logging.handlers
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from storage.settings import EXIT_CONFIGURATION

LOG_BYTES = 10_000_000
"""A log file is turned at this size; four older ones are kept."""
STOP_GRACE_S = 8.0
"""A program that has not ended this long after SIGTERM is killed."""
RESTART_FIRST_S = 0.2
RESTART_LAST_S = 2.0
STEADY_S = 10.0
"""A program that ran this long is restarted with the first delay again."""
_PR_SET_PDEATHSIG = 1


@dataclass
class Program:
    """One program to keep running."""

    name: str
    """Short name, also of its log file."""
    arguments: Sequence[str]
    """Arguments after the interpreter."""
    environment: dict[str, str] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None
    restarts: int = 0


class StartFault(Exception):
    """A program cannot run as it is set up. The text is one sentence for the technician."""


def _die_with_parent() -> None:
    """Ask the kernel to end this child when the supervisor dies, even by SIGKILL (prctl(2), Linux)."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Supervisor:
    """Runs programs until `stop`; a program that dies is started again with a short, growing delay."""

    def __init__(self, log_dir: Path, on_restart: Callable[[str, int], None]) -> None:
        """`on_restart(name, exit_status)` is told of every unexpected end."""
        self._log_dir = log_dir
        self._on_restart = on_restart
        self._programs: list[Program] = []
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stopping = False
        self.fault: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Done with one sentence when a program refuses its settings and so will never run."""

    def start(self, program: Program) -> None:
        """Begin to keep `program` running."""
        self._programs.append(program)
        self._tasks[program.name] = asyncio.create_task(self._keep(program), name=f"keep {program.name}")

    def states(self) -> dict[str, int | None]:
        """Process number of every program, None while it is down."""
        return {
            program.name: process.pid if (process := program.process) and process.returncode is None else None
            for program in self._programs
        }

    async def _keep(self, program: Program) -> None:
        delay_s = RESTART_FIRST_S
        while not self._stopping:
            started = time.monotonic()
            status = await self._run_once(program)
            if self._stopping:
                return
            if status == EXIT_CONFIGURATION:
                if not self.fault.done():
                    self.fault.set_result(
                        f"The program {program.name} refuses its settings; the reason is in "
                        f"{self._log_dir / (program.name + '.log')}."
                    )
                return
            if time.monotonic() - started > STEADY_S:
                delay_s = RESTART_FIRST_S
            program.restarts += 1
            self._on_restart(program.name, status)
            await asyncio.sleep(delay_s)
            delay_s = min(RESTART_LAST_S, delay_s * 2)

    async def _run_once(self, program: Program) -> int:
        handler = logging.handlers.RotatingFileHandler(
            self._log_dir / f"{program.name}.log", maxBytes=LOG_BYTES, backupCount=4, encoding="utf-8"
        )
        try:
            program.process = await asyncio.create_subprocess_exec(
                sys.executable,
                *program.arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **program.environment},
                start_new_session=True,  # a Ctrl-C at the terminal must reach the supervisor alone
                preexec_fn=_die_with_parent,
            )
            assert program.process.stdout is not None
            await _copy_lines(program.process.stdout, handler)
            return await program.process.wait()
        finally:
            handler.close()

    async def stop(self) -> None:
        """End the programs one after another, the last started first; kills what does not end in time."""
        self._stopping = True
        for program in reversed(self._programs):
            await self._stop_one(program)
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _stop_one(self, program: Program) -> None:
        process = program.process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_GRACE_S)
        except TimeoutError:
            self._on_restart(program.name, -signal.SIGKILL)
            process.kill()
            await process.wait()


async def _copy_lines(stream: asyncio.StreamReader, handler: logging.Handler) -> None:
    """Write what a program prints to its log. A line over 64 KiB is cut into pieces of that size."""
    while True:
        try:
            line = await stream.readuntil(b"\n")
        except asyncio.IncompleteReadError as end:
            line = end.partial
        except asyncio.LimitOverrunError as long:
            line = await stream.readexactly(long.consumed)
        if not line:
            return
        text = line.decode("utf-8", "replace").rstrip("\n")
        handler.emit(logging.LogRecord("", logging.INFO, "", 0, text, None, None))
