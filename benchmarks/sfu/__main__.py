# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks.sfu`: see benchmarks/sfu.md. Exit status 1 when something could not be measured."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from playwright.async_api import Error as BrowserError

from benchmarks.sfu import join, report
from benchmarks.sfu.measure import SERVERS, STRAYED, measure
from benchmarks.sfu.process import LOAD_CORE, SHIELD
from benchmarks.sfu.shapes import DEFAULT, OURS_ALONE, SHAPES

JOIN = "join"
"""Among the shapes: join to first frame, with a real browser."""


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sfu", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short run of 1x10 and 6x6 with GCM")
    parser.add_argument("--json", type=Path, help="write figures and targets here")
    parser.add_argument("--raw", type=Path, help="append every run here as one line; with --report, read them")
    parser.add_argument("--report", action="store_true", help="measure nothing: the table of what --raw holds")
    parser.add_argument("--shapes", default=",".join((*DEFAULT, JOIN)), help=f"of {', '.join(SHAPES)}, {JOIN}")
    parser.add_argument("--servers", default=",".join(SERVERS), help=f"of {', '.join(SERVERS)}")
    parser.add_argument("--suites", default="gcm,cm", help="SRTP suites: gcm, cm")
    parser.add_argument("--repeats", type=int, default=5, help="interleaved repetitions")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each measured window")
    parser.add_argument("--warm", type=float, default=4.0, help="seconds before it: estimates of links rise first")
    parser.add_argument("--strayed", type=float, default=STRAYED, help="how far from the load a run may be, as a part")
    parser.add_argument("--joins", type=int, default=20, help="of a real browser, for join to first frame")
    parser.add_argument("--address", default=None, help="IPv4 address to meet at; Janus takes no loopback address")
    parser.add_argument("--shield", action="store_true", help="server and load run before all else (needs root)")
    found = parser.parse_args(words)
    if found.quick:
        found.shapes, found.suites, found.repeats, found.seconds = "1x10,6x6", "gcm", 1, 2.0
    return found


async def joined(wanted: argparse.Namespace, failed: list[str]) -> list[report.Run]:
    """The row of join to first frame, or none."""
    if JOIN not in wanted.shapes.split(","):
        return []
    try:
        return [join.figures(await join.measure(wanted.joins))]
    except (AssertionError, OSError, TimeoutError, BrowserError) as error:
        failed.append(f"join: {type(error).__name__} {error}")
        return []


def own_address() -> str:
    """An IPv4 address of this machine that is not loopback; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("203.0.113.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def machine() -> dict[str, Any]:
    """Where and what was measured."""
    asked = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=Path(__file__).parent, check=False
    )
    names = [
        line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model n" in line
    ]
    commit = asked.stdout.strip()
    return {"commit": commit, "kernel": platform.release(), "processor": names[:1], "cores": os.cpu_count()}


async def all_runs(wanted: argparse.Namespace) -> tuple[list[report.Run], list[str]]:
    """Every run, interleaved server by server; and what could not be measured."""
    address = wanted.address or own_address()
    runs, failed = [], list[str]()
    for shape in wanted.shapes.split(","):
        if shape == JOIN:
            continue
        for suite in wanted.suites.split(","):
            for _ in range(wanted.repeats):
                for server in wanted.servers.split(","):
                    if not SHAPES[shape].serves(server) or (shape in OURS_ALONE and server != "native"):
                        continue
                    try:
                        run = await measure(
                            server, SHAPES[shape], suite, address, wanted.warm, wanted.seconds, wanted.strayed
                        )
                    except (RuntimeError, OSError, TimeoutError) as error:
                        failed.append(f"{server} {shape} {suite}: {type(error).__name__} {error}")
                        print(failed[-1], file=sys.stderr)
                        continue
                    runs.append(run)
                    print(f"{shape} {suite} {server}: {run['us_per_packet']:.1f} µs", file=sys.stderr)
                    if wanted.raw:
                        with wanted.raw.open("a") as file:
                            file.write(json.dumps({**run, **machine()}) + "\n")
    return runs, failed


def main(words: list[str] | None = None) -> int:
    """Measure, print, write."""
    wanted = arguments(words)
    if wanted.shield:
        os.environ[SHIELD] = "1"
    failed: list[str] = []
    joins: list[report.Run] = []
    if wanted.report:
        runs = [json.loads(line) for line in wanted.raw.read_text().splitlines()]
    else:
        cores = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {LOAD_CORE % (os.cpu_count() or 1)})
        try:
            runs, failed = asyncio.run(all_runs(wanted))
        finally:
            os.sched_setaffinity(0, cores)  # a caller of this function goes on where it was
        joins = asyncio.run(joined(wanted, failed))
    rows = report.figures(runs)
    decided = report.targets(rows) + [target for row in joins for target in join.targets(row)]
    print(report.table(rows), "", sep="\n")
    for row in joins:
        print(*(f"{name}: {value}" for name, value in row.items()), "", sep="\n")
    for target in decided:
        print(f"{'met   ' if target['met'] else 'MISSED'} {target['name']}: {target['figure']} ({target['target']})")
    for line in failed:
        print(f"NOT MEASURED {line}")
    if wanted.json:
        whole = {**machine(), "figures": rows, "join": joins, "targets": decided, "not_measured": failed}
        wanted.json.write_text(json.dumps(whole, indent=1) + "\n")
    return 1 if failed or not (rows or joins) else 0


if __name__ == "__main__":
    sys.exit(main())
