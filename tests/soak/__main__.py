# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.soak [--minutes 60] [--seed N] [--peers 24] [--json FILE]`: 1 when it found a fault."""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.badlink.__main__ import commit
from tests.soak.run import soak


def main() -> int:
    """Runs one soak and tells what it found."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("--minutes", type=int, default=60, help="of the meeting, not of the clock")
    parser.add_argument("--seed", type=int, default=None, help="default: another each time")
    parser.add_argument("--peers", type=int, default=24)
    parser.add_argument("--json", type=Path, default=None, help="where to write the result")
    wanted = parser.parse_args()
    seed = random.SystemRandom().randrange(10**9) if wanted.seed is None else wanted.seed
    began = time.process_time()
    outcome = soak(seed, wanted.minutes * 60, peers=wanted.peers, told=lambda line: print(line, flush=True))
    facts = {
        "commit": commit(), "date": datetime.now(UTC).strftime("%Y-%m-%d"), "seed": seed, "peers": wanted.peers,
        "cpu_s": round(time.process_time() - began), **outcome.as_json(),
    }  # fmt: skip
    if wanted.json is not None:
        wanted.json.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", "utf-8")
    for fault in outcome.faults[:20]:
        print(fault, file=sys.stderr)
    print(f"seed {seed}: {wanted.minutes} minutes, {outcome.checks} checks, {len(outcome.faults)} faults")
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    sys.exit(main())
