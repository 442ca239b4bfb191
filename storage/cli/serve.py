# SPDX-License-Identifier: Apache-2.0
"""`videohome serve`: everything on one machine, with embedded defaults, until Ctrl-C."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import socket
import ssl
import sys
import time
import urllib.request
from collections.abc import Iterable
from contextlib import closing
from typing import NamedTuple, TextIO

from rich.console import Console

from storage.addresses import machine_addresses
from storage.cli.supervisor import Program, StartFault, Supervisor, program_environment
from storage.settings import Settings

READY_WITHIN_S = 60.0
"""All programs must answer within this time after the start."""
PORT_WITHIN_S = 3.0
"""A port that stays taken for so long belongs to somebody else."""

console = Console(highlight=False, soft_wrap=True)


def run(settings: Settings) -> int:
    """Run until SIGINT or SIGTERM; the exit status is 0 after a clean stop, 1 when it could not start."""
    https = Port(settings.bind, settings.https_port, socket.SOCK_STREAM, "https_port")
    try:
        with closing(prepare(settings, [https, *media_ports(settings)])):
            return asyncio.run(_serve(settings))
    except StartFault as fault:
        console.print(str(fault), style="red", markup=False)
        return 1


class Port(NamedTuple):
    """A port that must be free."""

    bind: str
    number: int
    kind: socket.SocketKind
    setting: str


def media_ports(settings: Settings) -> list[Port]:
    """Those of all media processes."""
    kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM)
    return [Port(settings.bind, number, kind, "media_port") for number in settings.media_ports for kind in kinds]


def prepare(settings: Settings, ports: Iterable[Port]) -> TextIO:
    """Make the folders, take the data folder's lock, and see that the ports are free. Raises StartFault."""
    try:
        for folder in (settings.data_dir, settings.run_dir, settings.data_dir / "logs", settings.data_dir / "db"):
            folder.mkdir(parents=True, exist_ok=True)
        settings.secrets_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (settings.run_dir / "serve.lock").open("a+", encoding="ascii")
    except OSError as error:
        raise StartFault(
            f"The data folder {settings.data_dir} cannot be written ({error.strerror}); "
            "give this user access or set VIDEOHOME_DATA_DIR to another folder."
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        raise StartFault(
            f"Video Home already runs with the data folder {settings.data_dir} (process {lock.read().strip()}); "
            "stop it first, or set VIDEOHOME_DATA_DIR to another folder."
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    for bind, port, kind, setting in ports:
        if (reason := _port_stays_taken(bind, port, kind)) is not None:
            raise StartFault(
                f"Port {port} cannot be opened on {bind} ({reason}); end the program that uses it "
                f"or choose another port by VIDEOHOME_{setting.upper()}."
            )
    return lock


def _port_stays_taken(bind: str, port: int, kind: socket.SocketKind) -> str | None:
    """As `port_fault`, but the programs of a serve that was just killed get a moment to end."""
    deadline_s = time.monotonic() + PORT_WITHIN_S
    while (reason := port_fault(bind, port, kind)) is not None and time.monotonic() < deadline_s:
        time.sleep(0.1)
    return reason


def port_fault(bind: str, port: int, kind: socket.SocketKind) -> str | None:
    """Why `port` cannot be bound, or None when it is free."""
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    with closing(socket.socket(family, kind)) as probe:
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind, port))
        except OSError as error:
            return error.strerror or str(error)
    return None


async def _first_administrator(settings: Settings) -> None:
    """Make the first administrator where there is none, and show the one-time password, which is never shown again.

    `web` has brought the database up to date by then.
    """
    step = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "web.first_admin",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=program_environment(),
        start_new_session=True,  # a Ctrl-C must not end it half way
    )
    output, errors = await step.communicate()
    if step.returncode != 0:
        lines = [line for line in errors.decode("utf-8", "replace").splitlines() if line.strip()]
        reason = lines[-1] if lines else "No administrator could be made, and no reason was given."
        console.print(reason, style="red", markup=False)
        return
    password = json.loads(output.decode().strip().splitlines()[-1])["password"]
    if password is not None:
        console.print(f"\nFirst administrator:  user name admin  one-time password {password}", style="bold")
        console.print("It is shown only now and must be changed at the first sign-in.")


_STOP_FIRST = ("worker", "web")
"""Then the mediaservers, then their recorders, so that these take the last packets, and at the end the store."""


def worker_name(kind: str, number: int) -> str:
    """Name of a program of one media worker, also of its log."""
    return f"{kind}-{number}" if number else kind


def worker_programs(kind: str, module: str, niceness: int, numbers: Iterable[int]) -> list[Program]:
    """A program for each of the media workers."""
    return [
        Program(worker_name(kind, n), ["-m", module], {"VIDEOHOME_WORKER": str(n)}, niceness=niceness) for n in numbers
    ]


def recorder_numbers(settings: Settings) -> list[int]:
    """Numbers of the recorders: one beside each mediaserver, and one for each spool of an earlier, larger number."""
    left = [
        path.name.removeprefix("spool-") for path in settings.data_dir.glob("spool-*") if any(path.glob("*/sessions/*"))
    ]
    return sorted({*range(settings.workers), *(int(text) for text in left if text.isdigit())})


def _early_programs(settings: Settings) -> list[Program]:
    """Those without which no page is served."""
    store = [] if settings.s3_endpoint else [Program("store", ["-m", "storage.embedded"])]
    # A call must not stutter, nor wait long for a killed mediaserver, because something else is busy.
    media = worker_programs("mediaserver", "mediaserver", -10, range(settings.workers))
    return [*store, Program("web", ["-m", "web"], niceness=-5), *media]


def _late_programs(settings: Settings) -> list[Program]:
    """Those that nobody waits for at once: their many imports would make the pages wait."""
    return [
        *worker_programs("recorder", "mediaserver.recorder", -5, recorder_numbers(settings)),
        Program("worker", ["-m", "transcribe"], niceness=10),
    ]


async def _serve(settings: Settings) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)

    def on_restart(name: str, status: int) -> None:
        if not stop.is_set():
            console.print(f"The program {name} ended with status {status} and is started again.", style="yellow")

    supervisor = Supervisor(settings.data_dir / "logs", on_restart)
    new = not any((settings.data_dir / "db").iterdir())
    try:
        for program in _early_programs(settings):
            supervisor.start(program)
        if not await _wait_ready(settings, supervisor, stop):
            return 1
        if stop.is_set():
            return 0
        for program in _late_programs(settings):
            supervisor.start(program)
        _banner(settings)
        making = asyncio.create_task(_first_administrator(settings))
        if new:  # at later starts there is one, but for an accident, and nobody should wait for the answer
            await making
        console.print("\nCtrl-C stops everything.")
        await stopped_or_faulty(stop, supervisor)
        await making
        if supervisor.fault.done():
            console.print(supervisor.fault.result(), style="red", markup=False)
            return 1
        return 0
    except StartFault as fault:
        console.print(str(fault), style="red", markup=False)
        return 1
    finally:
        console.print("Stopping ...")
        await supervisor.stop([*_STOP_FIRST, *(worker_name("mediaserver", n) for n in range(settings.workers))])
        console.print("Video Home has stopped; nothing is left running.")


async def stopped_or_faulty(stop: asyncio.Event, supervisor: Supervisor) -> None:
    """Return when a signal asked to stop or a program refused its settings."""
    supervisor.fault.add_done_callback(lambda _: stop.set())
    await stop.wait()


async def _wait_ready(settings: Settings, supervisor: Supervisor, stop: asyncio.Event) -> bool:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + READY_WITHIN_S
    while not stop.is_set() and loop.time() < deadline:
        if supervisor.fault.done():
            console.print(supervisor.fault.result(), style="red", markup=False)
            return False
        if await asyncio.to_thread(is_ready, settings):
            return True
        await asyncio.sleep(0.1)
    if not stop.is_set():
        down = [name for name, process in supervisor.states().items() if process is None]
        console.print(
            f"Video Home did not become ready within {READY_WITHIN_S:.0f} s"
            + (f"; not running: {', '.join(down)}" if down else "")
            + f". The logs are in {settings.data_dir / 'logs'}; run: videohome doctor",
            style="red",
        )
    return stop.is_set()


def is_ready(settings: Settings) -> bool:
    """True when the HTTPS front says that it and what it needs can serve."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Only this machine's own readiness is asked, with no secret in the question: nothing to verify, no roots to load.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    host = "127.0.0.1" if settings.bind in ("0.0.0.0", "::") else settings.bind
    host = f"[{host}]" if ":" in host else host
    try:
        with urllib.request.urlopen(
            f"https://{host}:{settings.https_port}/readyz", timeout=3, context=context
        ) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _ports_text(settings: Settings) -> str:
    first, last = settings.media_ports[0], settings.media_ports[-1]
    return f"port {first}" if first == last else f"ports {first} to {last}"


def _banner(settings: Settings) -> None:
    addresses = machine_addresses(settings.bind, settings.advertise)
    console.print("\n[bold]Video Home 视频之家[/bold] is running. Open one of these addresses:")
    for address in [*settings.names, *addresses]:
        host = f"[{address}]" if ":" in address else address
        console.print(f"  https://{host}:{settings.https_port}/", markup=False)
    console.print(
        f"First trust this machine's certificate: open /ca at one of these addresses.\n"
        f"Media: {_ports_text(settings)}, UDP and TCP. Open it and {settings.https_port}/TCP in the firewall.\n"
        f"Data: {settings.data_dir}",
        markup=False,
    )
