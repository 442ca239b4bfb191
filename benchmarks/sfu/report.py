# SPDX-License-Identifier: Apache-2.0
"""Medians, the table and the targets of a set of runs."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median
from typing import Any

Run = dict[str, Any]
RATIOS = {"1x30": 0.45, "1x60": 0.45, "1x10": 0.65, "6x6": 0.65, "paced": 0.65}
"""Most that the compiled plane may cost, as a part of Janus's best configuration."""
MOST_OF_FLOOR = 3.0
MOST_MEMORY_MB = 3.0
CAPACITY_SHAPE, LEAST_PPS = "4x100", 80_000
FEW, MANY = "1x5", "1x100"
MEETING_CPU = {"native": 0.4, "python": 1.0}
"""Of one core, for the 24-party meeting without loss."""
NOT_RISING = 1.1
"""Measuring the same twice differs by a tenth."""


def figures(runs: Iterable[Run]) -> list[Run]:
    """One row for each server, shape and suite: medians, and the range of the CPU time."""
    groups: dict[tuple[str, str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run["shape"], run["suite"], run["server"]), []).append(run)
    rows = []
    for (shape, suite, server), group in groups.items():
        costs = [run["us_per_packet"] for run in group]
        row: Run = {"shape": shape, "suite": suite, "server": server, "runs": len(group)}
        for name in ("us_per_packet", "cpu", "p50_ms", "p99_ms", "pps", "memory_per_peer_mb", "generator_cpu"):
            row[name] = round(median(run[name] for run in group), 3)
        row["us_range"] = [round(min(costs), 1), round(max(costs), 1)]
        row["worst_loss"] = max(run["loss"] for run in group)
        rows.append(row)
    return rows


def table(rows: list[Run]) -> str:
    """For people."""
    lines = ["| shape | suite | server | µs per packet | p50 / p99 ms | loss | MB per peer | load's CPU | runs |"]
    lines.append("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for row in rows:
        low, high = row["us_range"]
        lines.append(
            f"| {row['shape']} | {row['suite']} | {row['server']} | {row['us_per_packet']:.1f} [{low}-{high}] "
            f"| {row['p50_ms']:.2f} / {row['p99_ms']:.2f} | {row['worst_loss']:.2%} "
            f"| {row['memory_per_peer_mb']:.2f} | {row['generator_cpu']:.0%} | {row['runs']} |"
        )
    return "\n".join(lines)


def _target(name: str, target: str, figure: float, met: bool) -> Run:
    return {"name": name, "target": target, "figure": round(figure, 3), "met": met}


def targets(rows: list[Run]) -> list[Run]:
    """The targets that these figures can decide."""
    by = {(row["shape"], row["suite"], row["server"]): row for row in rows}
    found = []
    for shape, suite in dict.fromkeys((row["shape"], row["suite"]) for row in rows):
        at = {server: by[shape, suite, server] for s, u, server in by if (s, u) == (shape, suite)}
        found += _beside_janus(f"{shape} {suite}", shape, at)
        native, floor = at.get("native"), at.get("floor")
        if shape == "paced" and native and floor:
            part = native["us_per_packet"] / floor["us_per_packet"]
            found.append(_target(f"{shape} {suite}: compiled / floor", "<= 3", part, part <= MOST_OF_FLOOR))
        for plane in ("native", "python"):
            if shape != CAPACITY_SHAPE and (own := at.get(plane)):
                memory = own["memory_per_peer_mb"]
                found.append(_target(f"{shape} {suite}: {plane} MB per peer", "< 3", memory, memory < MOST_MEMORY_MB))
            if shape == "meeting24" and (own := at.get(plane)):
                met = own["cpu"] <= MEETING_CPU[plane] and own["worst_loss"] == 0
                target = f"<= {MEETING_CPU[plane]}, no loss"
                found.append(_target(f"24-party meeting {suite}: {plane}, part of a core", target, own["cpu"], met))
        if shape == CAPACITY_SHAPE and native:
            met = native["pps"] >= LEAST_PPS and native["worst_loss"] == 0
            found.append(_target(f"{suite}: packets/s of one core without loss", ">= 80000", native["pps"], met))
    for suite in dict.fromkeys(row["suite"] for row in rows):
        few, many = by.get((FEW, suite, "native")), by.get((MANY, suite, "native"))
        if few and many:
            part = many["us_per_packet"] / few["us_per_packet"]
            found.append(_target(f"{suite}: cost at 100 / at 5 receivers", "<= 1.1", part, part <= NOT_RISING))
    return found


def _beside_janus(where: str, shape: str, at: dict[str, Run]) -> list[Run]:
    rivals = [at[name] for name in ("janus", "janus-loops1") if name in at]
    if not rivals or shape not in RATIOS:
        return []
    best = min(row["us_per_packet"] for row in rivals)
    latency = min(row["p99_ms"] for row in rivals)
    found = []
    for plane, most in (("native", RATIOS[shape]), ("python", 1.0)):
        if plane in at:
            part = at[plane]["us_per_packet"] / best
            found.append(_target(f"{where}: {plane} / Janus's best", f"<= {most}", part, part <= most))
    if "native" in at:
        own = at["native"]["p99_ms"]
        found.append(_target(f"{where}: p99 ms, compiled", f"< {latency:.2f}", own, own < latency))
    return found
