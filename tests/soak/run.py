# SPDX-License-Identifier: Apache-2.0
"""A soak from beginning to end: what broke, and what grew."""

from __future__ import annotations

import gc
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import mean, median
from typing import Any

from tests.soak import checks
from tests.soak.crowd import PEERS, Crowd

SETTLES_MIN = 10
"""Every ring is full after so long; from then on nothing may grow."""
SLACK = 8
GROWTH = 1.05
"""A sample differs from the next by who happens to be there; means over many minutes may differ by this."""


@dataclass
class Outcome:
    """What a soak found. `faults` is empty when all is well."""

    faults: list[str] = field(default_factory=list)
    minutes: int = 0
    checks: int = 0
    blocks: list[int] = field(default_factory=list)
    """Allocated memory blocks of the interpreter, each minute."""
    rss_kib: list[int] = field(default_factory=list)
    """The most memory that the process had so far, each minute."""
    sizes: list[dict[str, int]] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=dict)
    packets_in: int = 0
    packets_out: int = 0
    left: dict[str, int] = field(default_factory=dict)
    """What the room still holds when everybody has gone."""

    def as_json(self) -> dict[str, Any]:
        """For the result file."""
        last = self.sizes[-1] if self.sizes else {}
        return {
            "minutes": self.minutes, "checks": self.checks, "faults": self.faults[:20], "actions": self.done,
            "packets_in": self.packets_in, "packets_out": self.packets_out, "left_in_the_room": self.left,
            "allocated_blocks": self.blocks, "peak_rss_kib": self.rss_kib, "longest_containers": last,
        }  # fmt: skip


def soak(seed: int, seconds: int, *, peers: int = PEERS, told: Callable[[str], None] = lambda line: None) -> Outcome:
    """Run a meeting of so many seconds and judge it. Ends at the first fault of a moment."""
    crowd, outcome = Crowd(seed, peers=peers), Outcome()
    for number in range(peers):
        crowd.join(f"p{number}")
    for second in range(1, seconds + 1):
        crowd.run(1.0)
        outcome.checks += 1
        if found := checks.faults(crowd):
            outcome.faults += [f"second {second} of seed {seed}: {fault}" for fault in found]
            break
        if second % 60 == 0:
            _sample(crowd, outcome, told)
    outcome.done = dict(crowd.done)
    outcome.packets_in, outcome.packets_out = crowd.came, crowd.went
    crowd.empty()
    outcome.faults += list(checks.orphans(crowd))
    outcome.left = {name: size for name, size in checks.sizes(crowd.room).items() if size}
    outcome.faults += [f"{name} still holds {size} when everybody has gone" for name, size in outcome.left.items()]
    outcome.faults += grown(outcome)
    return outcome


def _sample(crowd: Crowd, outcome: Outcome, told: Callable[[str], None]) -> None:
    gc.collect()
    outcome.minutes += 1
    outcome.blocks.append(sys.getallocatedblocks())
    outcome.rss_kib.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    outcome.sizes.append(checks.sizes(crowd.room))
    told(
        f"minute {outcome.minutes}: {len(crowd.peers)} peers, {outcome.blocks[-1]} blocks, "
        f"{outcome.rss_kib[-1] // 1024} MiB, {crowd.went} packets out"
    )


def grown(outcome: Outcome) -> list[str]:
    """What grew after the first minutes; nothing is said of a soak too short to tell."""
    after = outcome.minutes - SETTLES_MIN
    if after < 6:
        return []
    half = SETTLES_MIN + after // 2
    found = []
    early, late = mean(outcome.blocks[SETTLES_MIN:half]), mean(outcome.blocks[half:])
    if late > early * GROWTH:
        found.append(f"memory grows: {early:.0f} blocks in the first half after {SETTLES_MIN} minutes, then {late:.0f}")
    for name in outcome.sizes[-1]:
        # The median: what waits for an outage to end fills up for a moment and is let go of.
        before = median(sizes.get(name, 0) for sizes in outcome.sizes[SETTLES_MIN:half])
        after_that = median(sizes.get(name, 0) for sizes in outcome.sizes[half:])
        if after_that > 1.25 * before + SLACK:
            found.append(f"{name} grows: {before:.0f}, then {after_that:.0f}")
    return found
