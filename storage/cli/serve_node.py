# SPDX-License-Identifier: Apache-2.0
"""`videohome serve` on a media node: mediaservers and recorders, led by the pages of another machine."""

from __future__ import annotations

import asyncio
import signal
import socket
from contextlib import closing

from storage.addresses import machine_addresses
from storage.cli.serve import (
    READY_WITHIN_S,
    Port,
    console,
    media_ports,
    port_fault,
    prepare,
    recorder_numbers,
    stopped_or_faulty,
    worker_name,
    worker_programs,
)
from storage.cli.supervisor import STOP_GRACE_S, StartFault, Supervisor
from storage.nodes import NotJoined, listening_context
from storage.settings import Settings


def run(settings: Settings) -> int:
    """Run until a signal; the exit status is 0 after a clean stop, 1 when it could not start.

    SIGTERM drains: calls go on elsewhere, or here for `drain_seconds` at most. SIGINT, or a second signal, does not
    wait.
    """
    try:
        listening_context(settings.node_dir)
        with closing(prepare(settings, _ports(settings))):
            return asyncio.run(_serve(settings))
    except NotJoined as fault:
        console.print(
            f"{fault} Make them on the machine with the pages by: videohome node add {settings.node_name}",
            style="red",
            markup=False,
        )
        return 1
    except StartFault as fault:
        console.print(str(fault), style="red", markup=False)
        return 1


def _ports(settings: Settings) -> list[Port]:
    place = settings.node_place
    return [
        *media_ports(settings),
        *(Port(place.host, port, socket.SOCK_STREAM, "node_listen") for port in place.ports),
    ]


async def _serve(settings: Settings) -> int:
    stop, hurry = asyncio.Event(), asyncio.Event()

    def asked(number: signal.Signals) -> None:
        if stop.is_set() or number is signal.SIGINT:
            hurry.set()
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, asked, number)

    def on_restart(name: str, status: int) -> None:
        if not stop.is_set():
            console.print(f"The program {name} ended with status {status} and is started again.", style="yellow")

    supervisor = Supervisor(settings.data_dir / "logs", on_restart)
    servers = worker_programs("mediaserver", "mediaserver", -10, range(settings.workers))
    try:
        for program in [*servers, *worker_programs("recorder", "mediaserver.recorder", -5, recorder_numbers(settings))]:
            supervisor.start(program)
        if not await _wait_ready(settings, supervisor, stop):
            return 1
        if not stop.is_set():
            _banner(settings)
        await stopped_or_faulty(stop, supervisor)
        if supervisor.fault.done():
            console.print(supervisor.fault.result(), style="red", markup=False)
            return 1
        return 0
    finally:
        console.print("Stopping ...")
        names = [program.name for program in servers]
        hurrying = asyncio.create_task(_hurry(hurry, supervisor, names))
        await supervisor.stop_together(names, settings.drain_seconds + STOP_GRACE_S)
        hurrying.cancel()
        await supervisor.stop()
        console.print("The media node has stopped; nothing is left running.")


async def _hurry(hurry: asyncio.Event, supervisor: Supervisor, names: list[str]) -> None:
    await hurry.wait()
    supervisor.send_signal(names, signal.SIGINT)


async def _wait_ready(settings: Settings, supervisor: Supervisor, stop: asyncio.Event) -> bool:
    """True when every program listens, or when it was asked to stop."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + READY_WITHIN_S
    while not stop.is_set() and not supervisor.fault.done():
        if not (silent := _silent(settings)):
            return True
        if loop.time() >= deadline:
            console.print(
                f"Not ready within {READY_WITHIN_S:.0f} s: {', '.join(silent)}. The logs are in "
                f"{settings.data_dir / 'logs'}; run: videohome doctor",
                style="red",
            )
            return False
        await asyncio.sleep(0.1)
    if supervisor.fault.done():
        console.print(supervisor.fault.result(), style="red", markup=False)
    return stop.is_set()


def _silent(settings: Settings) -> list[str]:
    kinds = {"mediaserver": "media.sock", "recorder": "recorder.sock"}
    sockets = {worker_name(k, n): settings.worker_dir(n) / s for n in range(settings.workers) for k, s in kinds.items()}
    place = settings.node_place
    closed = [port for port in place.ports if port_fault(place.host, port, socket.SOCK_STREAM) is None]
    return [name for name, path in sockets.items() if not answers(str(path))] + [f"port {port}" for port in closed]


def answers(path: str) -> bool:
    """True when a program listens at this Unix socket."""
    with closing(socket.socket(socket.AF_UNIX)) as probe:
        probe.settimeout(3)
        return probe.connect_ex(path) == 0


def _banner(settings: Settings) -> None:
    place, media = settings.node_place, settings.media_ports
    console.print(f"\n[bold]Video Home 视频之家[/bold]: the media node {settings.node_name} is running.")
    console.print(
        f"Orders: ports {place.ports[0]} to {place.ports[-1]}, TCP; open them for the machine with the pages alone.\n"
        f"Media: ports {media[0]} to {media[-1]}, UDP and TCP, at {', '.join(_addresses(settings))}.\n"
        f"Data: {settings.data_dir}\n\nCtrl-C stops everything.",
        markup=False,
    )


def _addresses(settings: Settings) -> list[str]:
    return machine_addresses(settings.bind, settings.advertise)
