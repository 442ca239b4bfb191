# SPDX-License-Identifier: Apache-2.0
"""Keeps the programs of one machine running: starts them, writes their logs, restarts the dead, stops all in order."""

from __future__ import annotations

import asyncio
import contextlib
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
LAST_LINE = 500
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
    niceness: int = 0
    """Share of a busy machine (nice(1)): below 0 before others, as far as the system allows it, above 0 behind them."""
    process: asyncio.subprocess.Process | None = None
    restarts: int = 0
    last_line: str = ""
    """What it printed last, cut to a sentence's length."""


class StartFault(Exception):
    """A program cannot run as it is set up. The text is one sentence for the technician."""


def _die_with_parent() -> None:
    """Ask the kernel to end this child when the supervisor dies, even by SIGKILL (prctl(2), Linux).

    At once: a drain would keep the ports from the next start, and nobody is left who could ask a second time.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def program_environment() -> dict[str, str]:
    """Environment in which `python -m` finds the programs that belong to this one, wherever it was started.

    Without PYTHONSAFEPATH a folder named `web` in the working directory would be run in place of ours.
    """
    packages = str(Path(__file__).parents[2])
    further = [path for path in [os.environ.get("PYTHONPATH", "")] if path]
    return {
        **os.environ,
        "PYTHONUNBUFFERED": "1",
        "PYTHONSAFEPATH": "1",
        "SETUPTOOLS_USE_DISTUTILS": "stdlib",  # where setuptools is installed, else it looks at every import
        "PYTHONPATH": os.pathsep.join([packages, *further]),
    }


class Supervisor:
    """Runs programs until `stop`; a program that dies is started again with a short, growing delay."""

    def __init__(self, log_dir: Path, on_restart: Callable[[str, int], None]) -> None:
        """`on_restart(name, exit_status)` is told of every unexpected end."""
        self._log_dir = log_dir
        self._on_restart = on_restart
        self._programs: list[Program] = []
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stopping = asyncio.Event()
        self._ending: set[str] = set()
        """Programs that are being stopped before the others."""
        self.fault: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Done with one sentence when a program says that a person must change something before it can run."""

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

    def _ends(self, program: Program) -> bool:
        return self._stopping.is_set() or program.name in self._ending

    async def _keep(self, program: Program) -> None:
        delay_s = RESTART_FIRST_S
        while not self._ends(program):
            started = time.monotonic()
            status = await self._run_once(program)
            if self._ends(program):
                return
            if status == EXIT_CONFIGURATION:
                if not self.fault.done():
                    self.fault.set_result(
                        f"The program {program.name} cannot run: {program.last_line or 'no reason given'}"
                    )
                return
            if time.monotonic() - started > STEADY_S:
                delay_s = RESTART_FIRST_S
            program.restarts += 1
            self._on_restart(program.name, status)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay_s)
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
                env={**program_environment(), **program.environment},
                start_new_session=True,  # a Ctrl-C at the terminal must reach the supervisor alone
                preexec_fn=_die_with_parent,
            )
            _set_niceness(program)
            if self._ends(program):  # `stop` came while it was being started and could not see it yet
                program.process.terminate()
            assert program.process.stdout is not None
            await _copy_lines(program, program.process.stdout, handler)
            return await program.process.wait()
        finally:
            handler.close()

    def send_signal(self, names: Sequence[str], number: signal.Signals) -> None:
        """Send a signal to the programs of these names that run."""
        for program in self._programs:
            process = program.process
            if program.name in names and process is not None and process.returncode is None:
                process.send_signal(number)

    async def stop_together(self, names: Sequence[str], within_s: float) -> None:
        """End the programs of these names at the same time; kills what has not ended `within_s`. Others run on."""
        self._ending |= set(names)
        named = [program for program in self._programs if program.name in names]
        await asyncio.gather(*(self._stop_one(program, within_s) for program in named))

    async def stop(self, first: Sequence[str] = ()) -> None:
        """End the programs one after another, those named `first` in that order, of the others the last started first.

        Kills what does not end in time.
        """
        self._stopping.set()
        order = {name: place for place, name in enumerate(first)}
        for program in sorted(reversed(self._programs), key=lambda program: order.get(program.name, len(order))):
            await self._stop_one(program)

    async def _stop_one(self, program: Program, within_s: float | None = None) -> None:
        task, process = self._tasks[program.name], program.process
        if process is not None and process.returncode is None:
            process.terminate()
        done, _ = await asyncio.wait({task}, timeout=STOP_GRACE_S if within_s is None else within_s)
        if done:
            return
        self._on_restart(program.name, -signal.SIGKILL)
        if (process := program.process) is not None and process.returncode is None:
            process.kill()
        await asyncio.wait({task}, timeout=STOP_GRACE_S)
        task.cancel()


def _set_niceness(program: Program) -> None:
    """Only the superuser may put a program before others; without that right it has an ordinary share."""
    assert program.process is not None
    if not program.niceness:
        return
    pid = program.process.pid
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, program.niceness)
    # Each program is a session of its own; where the kernel shares out by session, its niceness counts (sched(7)).
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(program.niceness), "ascii")


async def _copy_lines(program: Program, stream: asyncio.StreamReader, handler: logging.Handler) -> None:
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
        program.last_line = text[:LAST_LINE] or program.last_line
        handler.emit(logging.LogRecord("", logging.INFO, "", 0, text, None, None))
