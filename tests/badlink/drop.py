# SPDX-License-Identifier: Apache-2.0
"""A leg whose rate falls from 3 Mbit/s to 300 kbit/s for a while: how fast the picture gives way, and returns."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.badlink.call import BadCall, Files, Observation
from tests.badlink.figures import percentile

WIDE_KBPS, NARROW_KBPS, QUEUE_MS = 3000.0, 300.0, 300.0
BEFORE_S, NARROW_S, AFTER_S = 12.0, 15.0, 20.0
STEADY_MS = 2000.0


@dataclass(frozen=True)
class DropFigures:
    """One run."""

    degrade_s: float
    """From the drop until the leg's queue overflows no more; NARROW_S if it never stops."""
    longest_gap_ms: float
    """Longest time without a new picture from the drop to the link's recovery."""
    narrow_fps: float
    narrow_height: int
    recover_s: float
    """From the link's recovery until the height of before is shown again at 20 frames/s for two seconds; AFTER_S if
    never."""
    before_height: int
    before_fps: float


async def observe_drop(
    folder: Path, files: Files, seed: int, leg: str, loss: float
) -> tuple[Observation, float, float]:
    """(what was seen, ms since 1970 of the drop, and of the recovery)."""
    folder.mkdir(parents=True, exist_ok=True)
    async with BadCall(folder, files, seed) as call:
        call.links.change_all(delay_ms=50, loss=loss, rate_kbps=WIDE_KBPS, queue_ms=QUEUE_MS)
        observation = Observation(join_ms=await call.join())
        await asyncio.sleep(BEFORE_S - 4)
        await call.watch(4.0, observation)
        dropped = observation.samples[-1].at_ms
        call.links.change(leg, rate_kbps=NARROW_KBPS)
        await call.watch(NARROW_S, observation)
        restored = observation.samples[-1].at_ms
        call.links.change(leg, rate_kbps=WIDE_KBPS)
        await call.watch(AFTER_S, observation)
        return await call.collect(observation), dropped, restored


def _overflowed(observation: Observation, leg: str) -> list[tuple[float, int]]:
    return [(s.at_ms, sum(s.relay[leg][way]["overflowed"] for way in ("up", "down"))) for s in observation.samples]


def drop_figures(observation: Observation, leg: str, dropped: float, restored: float) -> DropFigures:
    """Figures of one run."""
    moments = [row[0] for row in observation.shown]
    before = [row for row in observation.shown if dropped - 4000 <= row[0] < dropped]
    narrow = [row for row in observation.shown if dropped + 3000 <= row[0] < restored]
    height = int(percentile([row[2] for row in before], 0.5))
    grown = [at for (_, low), (at, high) in pairwise(_overflowed(observation, leg)) if high > low]
    late = [at for at in grown if dropped < at <= restored]
    inside = [dropped, *(at for at in moments if dropped < at < restored), restored]
    return DropFigures(
        degrade_s=(max(late) - dropped) / 1000 if late else 0.0,
        longest_gap_ms=max(b - a for a, b in pairwise(inside)),
        narrow_fps=len(narrow) / ((restored - dropped) / 1000 - 3),
        narrow_height=int(percentile([row[2] for row in narrow], 0.5)),
        recover_s=_recovered_s(observation, restored, height),
        before_height=height,
        before_fps=len(before) / 4,
    )


def _recovered_s(observation: Observation, restored: float, height: int) -> float:
    after = [(row[0], row[2]) for row in observation.shown if row[0] >= restored]
    for index, (at, shown) in enumerate(after):
        if shown < height:
            continue
        steady = [h for moment, h in after[index:] if moment < at + STEADY_MS]
        if len(steady) >= 40 and min(steady) >= height:
            return (at - restored) / 1000
    return AFTER_S


def drop_as_json(found: DropFigures) -> dict[str, Any]:
    """Rounded, for the result file."""
    return {name: round(value, 3) for name, value in asdict(found).items()}
