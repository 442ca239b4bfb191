# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.faults [--cuts 2000] [--kills 100] [--programs 100] [--seed N] [--json FILE]`: 1 when a promise was
broken. `--kills` are of the recorder with a scripted feed, `--programs` of all four programs in a real call."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from benchmarks.badlink.__main__ import commit
from tests.faults import programs
from tests.faults.kills import KILLS_EACH, kills
from tests.faults.power import cut, logged
from tests.faults.recording import COMMIT_MS

SPEEDS_MS = (COMMIT_MS, 600, 1_800)
"""How often a disk takes what waits: an ordinary one, and slow ones."""


async def cuts(folder: Path, seed: int, count: int) -> dict[str, int]:
    """Let the power fail so many times; what came of it, by word."""
    found: Counter[str] = Counter()
    kinds = [(every, own_key) for own_key in (False, True) for every in SPEEDS_MS]
    recordings = [await logged(folder / f"whole-{every}-{own_key}", every, own_key=own_key) for every, own_key in kinds]
    for number in range(count):
        place = folder / str(number)
        try:
            found[await cut(recordings[number % len(recordings)], f"{seed}-{number}", place)] += 1
        except AssertionError:
            traceback.print_exc()
            print(f"cut {number} of seed {seed} broke a promise", file=sys.stderr)
            found["broken"] += 1
        shutil.rmtree(place)
    return dict(found)


async def killed(folder: Path, seed: int, count: int) -> dict[str, int]:
    """Kill the recorder so many times, some in each recording."""
    found: Counter[str] = Counter()
    for number in range(0, count, KILLS_EACH):
        place = folder / f"kills-{number}"
        place.mkdir()
        try:
            found["packets"] += await kills(place, seed + number // KILLS_EACH, min(KILLS_EACH, count - number))
            found["kills"] += min(KILLS_EACH, count - number)
        except AssertionError:
            traceback.print_exc()
            print(f"kills {number} of seed {seed} broke a promise", file=sys.stderr)
            found["broken"] += 1
        shutil.rmtree(place, ignore_errors=True)
    return dict(found)


async def programs_killed(folder: Path, seed: int, count: int) -> dict[str, Any]:
    """Kill the four programs so many times, some in each call; what came of it, added up."""
    whole = programs.Outcome([])
    for number in range(0, count, programs.KILLS_EACH):
        place = folder / f"programs-{number}"
        place.mkdir()
        wanted = min(programs.KILLS_EACH, count - number)
        try:
            outcome = await programs.run(place, seed + number // programs.KILLS_EACH, wanted)
        except (AssertionError, OSError, TimeoutError) as error:
            traceback.print_exc()
            outcome = programs.Outcome([], [f"the call did not come to its end: {error!r}"])
        whole.add(outcome)
        for fault in outcome.faults:
            print(f"call {number // programs.KILLS_EACH} of seed {seed}: {fault}", file=sys.stderr)
        print(f"{len(whole.kills)} kills", file=sys.stderr, flush=True)
        shutil.rmtree(place, ignore_errors=True)
    found = whole.as_json()
    return found | {"broken": len(whole.faults)} if whole.faults else found


def main() -> int:
    """Tries all of them, and tells what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--cuts", type=int, default=2000, help="power failures")
    parser.add_argument("--kills", type=int, default=100, help="kills of the recorder's process")
    parser.add_argument("--programs", type=int, default=100, help="kills of the four programs in real calls")
    parser.add_argument("--seed", type=int, default=None, help="default: another each time")
    parser.add_argument("--json", type=Path, default=None, help="where to write the result")
    wanted = parser.parse_args()
    seed = random.SystemRandom().randrange(10**9) if wanted.seed is None else wanted.seed
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    facts: dict[str, Any] = {"commit": commit(), "date": datetime.now(UTC).strftime("%Y-%m-%d"), "seed": seed}
    with tempfile.TemporaryDirectory() as folder:
        if wanted.cuts:
            facts["power_cuts"] = asyncio.run(cuts(Path(folder), seed, wanted.cuts))
        if wanted.kills:
            facts["kills"] = asyncio.run(killed(Path(folder), seed, wanted.kills))
        if wanted.programs:
            facts["programs"] = asyncio.run(programs_killed(Path(folder), seed, wanted.programs))
    if wanted.json is not None:
        wanted.json.write_text(json.dumps(facts, indent=1) + "\n", "utf-8")
    print(facts)
    return 1 if any("broken" in found for found in facts.values() if isinstance(found, dict)) else 0


if __name__ == "__main__":
    sys.exit(main())
