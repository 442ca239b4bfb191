# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks.recording`: see benchmarks/recording.md. Exit status 1 when something could not be measured."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from playwright.async_api import Error as BrowserError

from benchmarks.recording import alarms, cost, lipsync, report
from benchmarks.sfu.__main__ import machine, own_address
from benchmarks.sfu.measure import measure
from benchmarks.sfu.process import LOAD_CORE, SHIELD
from benchmarks.sfu.shapes import SHAPES

PARTS = ("cost", "memory", "forwarding", "lipsync", "alarms")


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recording", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few participants, short: shows that it runs, no more")
    parser.add_argument("--json", type=Path, help="write figures and targets here")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--participants", type=int, default=report.PARTICIPANTS)
    parser.add_argument("--repeats", type=int, default=5, help="interleaved repetitions")
    parser.add_argument("--seconds", type=float, default=12.0, help="length of each measured window")
    parser.add_argument("--warm", type=float, default=3.0, help="seconds before it")
    parser.add_argument("--hours", type=float, default=report.HOURS, help="simulated, for the memory")
    parser.add_argument("--shield", action="store_true", help="server and load run before all else (needs root)")
    found = parser.parse_args(words)
    if found.quick:
        found.participants, found.repeats, found.seconds, found.warm, found.hours = 2, 1, 3.0, 0.5, 0.34
    return found


async def _cost(wanted: argparse.Namespace, failed: list[str]) -> list[report.Run]:
    runs = []
    for _ in range(wanted.repeats):
        for recorder in cost.RECORDERS:
            try:
                runs.append(await cost.measure(recorder, wanted.participants, wanted.warm, wanted.seconds))
            except (RuntimeError, OSError) as error:
                failed.append(f"cost {recorder}: {type(error).__name__} {error}")
                continue
            print(f"{recorder}: {runs[-1]['cpu'] + runs[-1]['feed_cpu']:.1%} of a core", file=sys.stderr)
    return runs


def _memory(wanted: argparse.Namespace, failed: list[str]) -> list[report.Run]:
    command = [sys.executable, "-m", "benchmarks.recording.hours", str(wanted.hours), str(wanted.participants)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        failed.append(f"memory: {done.stderr[-500:]}")
        return []
    return [json.loads(line) for line in done.stdout.splitlines()]


async def _forwarding(wanted: argparse.Namespace, failed: list[str]) -> list[report.Run]:
    """The 24-party meeting in which everybody publishes every layer, with a recorder beside it and without."""
    runs: list[report.Run] = []
    shape = replace(SHAPES["recorded24"], publishers=wanted.participants, tiles=min(9, wanted.participants - 1))
    os.sched_setaffinity(0, {LOAD_CORE % (os.cpu_count() or 1)})
    for _ in range(wanted.repeats):
        for recorded in (False, True):
            try:
                run = await measure(
                    "native", replace(shape, recorded=recorded), "gcm", own_address(), 4, wanted.seconds
                )
            except (RuntimeError, OSError, TimeoutError) as error:
                failed.append(f"forwarding, recorded={recorded}: {type(error).__name__} {error}")
                continue
            runs.append({**run, "recorded": recorded})
    return runs


async def _lipsync(wanted: argparse.Namespace, failed: list[str]) -> list[report.Run]:
    try:
        return await lipsync.measure(0.3 if wanted.quick else 1.0)
    except (AssertionError, RuntimeError, OSError, BrowserError) as error:
        failed.append(f"lipsync: {type(error).__name__} {error}")
        return []


async def _alarms(wanted: argparse.Namespace, failed: list[str]) -> list[report.Run]:
    try:
        return await alarms.measure(wanted.repeats)
    except (AssertionError, RuntimeError, OSError, BrowserError) as error:
        failed.append(f"alarms: {type(error).__name__} {error}")
        return []


async def _all(wanted: argparse.Namespace) -> dict[str, Any]:
    rows: list[report.Run] = []
    decided: list[report.Run] = []
    failed: list[str] = []
    parts = wanted.parts.split(",")
    cores = os.sched_getaffinity(0)
    try:
        for part in parts:
            if part == "cost":
                found = report.cost(await _cost(wanted, failed))
            elif part == "memory":
                found = report.memory(await asyncio.to_thread(_memory, wanted, failed), wanted.hours)
            elif part == "forwarding":
                found = report.forwarding(await _forwarding(wanted, failed))
            elif part == "lipsync":
                rows_found = await _lipsync(wanted, failed)
                found = rows_found, lipsync.targets(rows_found) if rows_found else []
            elif part == "alarms":
                found = alarms.summed(await _alarms(wanted, failed))
            else:
                raise SystemExit(f"{part} is none of {', '.join(PARTS)}")
            rows += found[0]
            decided += found[1]
    finally:
        os.sched_setaffinity(0, cores)  # a caller of this function goes on where it was
    return {**machine(), "figures": rows, "targets": decided, "not_measured": failed}


def main(words: list[str] | None = None) -> int:
    """Measure, print, write."""
    wanted = arguments(words)
    if wanted.shield:
        os.environ[SHIELD] = "1"
    whole = asyncio.run(_all(wanted))
    print(report.table(whole["figures"]), "", sep="\n")
    for decided in whole["targets"]:
        print(
            f"{'met   ' if decided['met'] else 'MISSED'} {decided['name']}: {decided['figure']} ({decided['target']})"
        )
    for line in whole["not_measured"]:
        print(f"NOT MEASURED {line}")
    if wanted.json:
        wanted.json.write_text(json.dumps(whole, indent=1) + "\n")
    return 1 if whole["not_measured"] or not whole["figures"] else 0


if __name__ == "__main__":
    sys.exit(main())
