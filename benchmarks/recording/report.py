# SPDX-License-Identifier: Apache-2.0
"""Medians, tables and targets of a benchmark of the recording."""

from __future__ import annotations

from statistics import median
from typing import Any

Run = dict[str, Any]
PARTICIPANTS, MEDIA_MBPS = 24, 1.0
"""The load that the targets are for: participants, and each one's media."""
MOST_OF_FFMPEG = 1.5
MOST_OF_A_CORE = 0.15
MOST_ADDED_P99_MS = 2.0
SETTLED_MINUTES = 10
"""Memory is compared with what it was after this time."""
MOST_GROWTH = 0.10
"""Memory is flat when it grew by no more than this part in the rest of three hours."""
HOURS = 3.0
ONE_PEER_MS, PEERS_MS = 40.0, 80.0
"""Most that picture and sound of one peer, and different peers, may lie apart."""


def target(name: str, wanted: str, figure: float, met: bool) -> Run:
    """One decided target."""
    return {"name": name, "target": wanted, "figure": round(figure, 4), "met": met}


def cost(runs: list[Run]) -> tuple[list[Run], list[Run]]:
    """Rows and targets of the cost runs. Our figure is the recorder with the feed that brings it the packets."""
    rows = []
    for recorder in dict.fromkeys(run["recorder"] for run in runs):
        group = [run for run in runs if run["recorder"] == recorder]
        totals = [run["cpu"] + run["feed_cpu"] for run in group]
        row: Run = {"table": "cost", "recorder": recorder, "runs": len(group), "cpu_total": round(median(totals), 4)}
        row["cpu_range"] = [round(min(totals), 4), round(max(totals), 4)]
        for name in ("participants", "cpu", "feed_cpu", "media_mbps", "written_mbps", "memory_mb"):
            row[name] = round(median(run[name] for run in group), 4)
        rows.append(row)
    by = {row["recorder"]: row for row in rows}
    decided = []
    ours, peer = by.get("ours"), by.get("ffmpeg")
    if ours and ours["participants"] == PARTICIPANTS:
        used = ours["cpu_total"]
        decided.append(
            target("recording 24 participants, part of a core", f"<= {MOST_OF_A_CORE}", used, used <= MOST_OF_A_CORE)
        )
    if ours and peer:
        part = ours["cpu_total"] / peer["cpu_total"]
        decided.append(target("recording / ffmpeg's CPU", f"<= {MOST_OF_FFMPEG}", part, part <= MOST_OF_FFMPEG))
    return rows, decided


def memory(lines: list[Run], hours: float) -> tuple[list[Run], list[Run]]:
    """Rows and targets of simulated hours: memory each ten minutes, and at the end the skewed clock."""
    told = [line for line in lines if "memory_mb" in line]
    clocks = [line for line in lines if "skew_ppm" in line]
    rows = [{"table": "memory", **line} for line in told] + [{"table": "skewed clock", **line} for line in clocks]
    decided = []
    if hours >= HOURS and told:
        settled = next(line["memory_mb"] for line in told if line["minutes"] >= SETTLED_MINUTES)
        growth = round(told[-1]["memory_mb"] / settled - 1, 6)
        name = f"memory's growth from {SETTLED_MINUTES} minutes to {hours:g} hours"
        decided.append(target(name, f"<= {MOST_GROWTH}", growth, growth <= MOST_GROWTH))
    for line in clocks:
        for column, most in (("one_peer_ms", ONE_PEER_MS), ("peers_ms", PEERS_MS)):
            name = f"clock {line['skew_ppm']:g} ppm fast over {hours:g} hours: {column}"
            decided.append(target(name, f"<= {most:g}", line[column], line[column] <= most))
    return rows, decided


def forwarding(runs: list[Run]) -> tuple[list[Run], list[Run]]:
    """Rows and the target of forwarding with and without a recorder."""
    rows: list[Run] = []
    for recorded in dict.fromkeys(run["recorded"] for run in runs):
        group = [run for run in runs if run["recorded"] == recorded]
        row: Run = {"table": "forwarding", "recorded": recorded, "runs": len(group)}
        for name in ("cpu", "p50_ms", "p99_ms", "max_ms", "late_p99_ms", "pps", "loss"):
            row[name] = round(median(run[name] for run in group), 4)
        rows.append(row)
    by = {row["recorded"]: row for row in rows}
    if len(by) < 2:
        return rows, []
    added = by[True]["p99_ms"] - by[False]["p99_ms"]
    name = "p99 ms that recording adds to forwarding"
    return rows, [target(name, f"< {MOST_ADDED_P99_MS}", added, added < MOST_ADDED_P99_MS)]


def table(rows: list[Run]) -> str:
    """For people: one table for each kind of row."""
    lines: list[str] = []
    for kind in dict.fromkeys(row["table"] for row in rows):
        group = [
            {name: value for name, value in row.items() if name != "table"} for row in rows if row["table"] == kind
        ]
        lines += ["", "| " + " | ".join(group[0]) + " |", "| " + " | ".join("---" for _ in group[0]) + " |"]
        lines += ["| " + " | ".join(_shown(value) for value in row.values()) + " |" for row in group]
    return "\n".join(lines[1:])


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
