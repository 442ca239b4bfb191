# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.fuzz [--seconds N | --inputs N] [--processes N] [--engine own|atheris] [--seed N] [TARGET …]`:
looks for inputs that break a promise; `--grow N` tries N inputs a target for the kept corpus."""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import random
import subprocess
import sys
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path

import structlog

from benchmarks.badlink.__main__ import commit
from tests.fuzz import corpus
from tests.fuzz.targets import INPUTS_A_ROUND, TARGETS

BATCH = 50
PART = 50_000
"""Inputs that a target is given before the next one has its turn: a run that is cut off has tried all of them."""
GROWTH_BLOCKS = 20_000
"""More allocated memory blocks than this after the first tenth of a run, and something is never let go of."""


def run(name: str, seed: int, seconds: float, inputs: int) -> tuple[int, str]:
    """Tries one target until either is used up: (rounds tried, what was found or ""). A round of some targets takes
    several inputs."""
    end, tried, blocks = time.monotonic() + seconds, 0, 0
    rounds = -(-inputs // INPUTS_A_ROUND.get(name, 1))
    for data in corpus.kept(name):
        try:
            corpus.replay(name, data)
        except Exception:
            traceback.print_exc()
            return tried, f"an input of the corpus broke {name}: {data[:200]!r}"
        tried += 1
    warm = min(2_000, rounds // 10)
    while time.monotonic() < end and tried < rounds:
        for _ in range(min(BATCH, rounds - tried)):
            try:
                TARGETS[name](random.Random(f"{seed}-{tried}"))
            except Exception:
                traceback.print_exc()
                return tried, f"{name}: input {tried} of seed {seed} broke it"
            tried += 1
        if not blocks and tried >= warm:
            gc.collect()
            blocks = sys.getallocatedblocks()
    gc.collect()
    grown = sys.getallocatedblocks() - blocks
    if blocks and grown > GROWTH_BLOCKS:
        return tried, f"{name}: memory grew by {grown} blocks in {tried} rounds of seed {seed}"
    return tried, ""


def _work(job: tuple[str, int, float, int]) -> tuple[str, int, str]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    return (job[0], *run(*job))


def main() -> int:
    """Exit status 1 when something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"one of {', '.join(TARGETS)}; default: all")
    parser.add_argument("--seconds", type=float, default=None, help="for each target; 60 unless --inputs is given")
    parser.add_argument("--inputs", type=int, default=None, help="of all targets together")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--engine", choices=("own", "atheris"), default="own", help="atheris takes one TARGET")
    parser.add_argument("--grow", type=int, default=0, help="inputs a target to try for the kept corpus")
    parser.add_argument("--json", type=Path, default=None, help="where to write the result")
    parser.add_argument("--seed", type=int, default=None, help="default: another each time")
    wanted = parser.parse_args()
    if unknown := set(wanted.targets) - set(TARGETS):
        parser.error(f"there is no target {', '.join(sorted(unknown))}")
    seed = random.SystemRandom().randrange(10**9) if wanted.seed is None else wanted.seed
    names = wanted.targets or list(TARGETS)
    if wanted.engine == "atheris":
        if len(names) != 1:
            parser.error("the engine atheris takes one target")
        # A process of its own: the engine must be there before the code that it watches.
        command = [sys.executable, "-m", "tests.fuzz.guided", names[0], "--seconds", str(wanted.seconds or 60.0)]
        return subprocess.run(command).returncode
    if wanted.grow:
        for name in names:
            print(f"{name}: {corpus.grow(name, wanted.grow, seed)} inputs added to the corpus")
        return 0
    seconds = wanted.seconds or (60.0 if wanted.inputs is None else float("inf"))
    of_one = 1 << 60 if wanted.inputs is None else -(-wanted.inputs // len(names))
    parts = wanted.processes if wanted.inputs is None else max(wanted.processes, -(-of_one // PART))
    jobs = [(name, seed + part, seconds, -(-of_one // parts)) for part in range(parts) for name in names]
    return _report(jobs, wanted.processes, seed, wanted.json)


def _report(jobs: list[tuple[str, int, float, int]], processes: int, seed: int, path: Path | None) -> int:
    facts = {"commit": commit(), "date": datetime.now(UTC).strftime("%Y-%m-%d"), "seed": seed}
    tried: dict[str, int] = {}
    rounds: dict[str, int] = {}
    faults: list[str] = []
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        for name, count, fault in pool.imap_unordered(_work, jobs):
            tried[name] = tried.get(name, 0) + count * INPUTS_A_ROUND.get(name, 1)
            rounds[name] = rounds.get(name, 0) + count
            if fault:
                faults.append(fault)
                print(fault, file=sys.stderr)
            else:
                print(f"{name}: {count} rounds, nothing found", flush=True)
            if path is not None:
                found = {"inputs": sum(tried.values()), "by_target": tried, "rounds": rounds, "faults": faults}
                path.write_text(json.dumps(facts | found, indent=1) + "\n")
    print(f"{sum(tried.values())} inputs from seed {seed}, {len(faults)} findings")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
