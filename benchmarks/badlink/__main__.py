# SPDX-License-Identifier: Apache-2.0
"""Real browsers over a real bad link: `python -m benchmarks.badlink [--quick] [--json FILE] [--runs 5] [--rows …]`.

A publisher's Chromium (camera 1280x720 at 30 frames/s, speech) and a viewer's, each behind a leg with 100 ms round trip
that loses at random in both directions; then legs whose rate falls. Needs root and the machine to itself. Runs that are
already in FILE, of the same commit, are kept and not repeated, so that the whole may be measured in pieces
(`--at-most`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from tests.badlink.call import PUBLISHER, VIEWER, Files, make_files, observe_loss
from tests.badlink.drop import drop_as_json, drop_figures, observe_drop
from tests.badlink.figures import as_json, figures

LOSS_ROWS = {"loss-0": 0.0, "loss-2": 0.02, "loss-5": 0.05, "loss-10": 0.1}
DROP_ROWS = {
    "drop-publisher": (PUBLISHER, 0.0),
    "drop-viewer": (VIEWER, 0.0),
    "drop-publisher-2": (PUBLISHER, 0.02),
    "drop-viewer-2": (VIEWER, 0.02),
}
LIVEKIT = {
    "loss-2": {"fps": 29.9, "frozen_s": 7.0},
    "loss-5": {"fps": 8.8, "frozen_s": 8.5},
    "loss-10": {"fps": 7.4, "frozen_s": 12.7},
}
"""LiveKit 1.13.5 over the same kind of link (one or two runs, 24 November 2026)."""
# figure, worst is high, {row: target}
TARGETS: list[tuple[str, bool, dict[str, float]]] = [
    ("fps", False, {"loss-5": 25, "loss-10": 20}),
    ("freezes", True, {"loss-2": 0}),
    ("frozen_s", True, {"loss-2": 0.0, "loss-5": 0.5, "loss-10": 2.0}),
    ("concealed", True, {"loss-10": 0.02}),
    ("latency_p95_ms", True, {"loss-2": 600, "loss-5": 600, "loss-10": 900}),
    ("height", False, {"loss-2": 360, "loss-5": 360, "loss-10": 180}),
    ("up_ratio", True, {"loss-2": 2.0, "loss-5": 2.0, "loss-10": 2.0}),
    ("down_ratio", True, {"loss-2": 2.0, "loss-5": 2.0, "loss-10": 2.0}),
    ("degrade_s", True, dict.fromkeys(DROP_ROWS, 3.0)),
    ("longest_gap_ms", True, dict.fromkeys(DROP_ROWS, 1000.0)),
    ("recover_s", True, dict.fromkeys(DROP_ROWS, 15.0)),
]
COLUMNS = {
    "loss": ("fps", "freezes", "frozen_s", "latency_p50_ms", "latency_p95_ms", "height", "concealed"),
    "bytes": ("up_ratio", "down_ratio", "media_kbps", "join_ms"),
    "drop": ("degrade_s", "longest_gap_ms", "narrow_fps", "narrow_height", "recover_s", "before_height", "before_fps"),
}


def commit() -> str:
    """The commit measured, with a plus when files differ from it."""
    name = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    changed = subprocess.run(["git", "status", "--porcelain", "-uno"], capture_output=True, text=True, check=False)
    return name.stdout.strip() + ("+" if changed.stdout.strip() else "")


def run_once(row: str, seed: int, files: Files, folder: Path) -> dict[str, Any]:
    """One run of a row."""
    if row in LOSS_ROWS:
        observation = asyncio.run(observe_loss(folder, files, seed, LOSS_ROWS[row]))
        found = as_json(figures(observation))
    else:
        leg, loss = DROP_ROWS[row]
        observation, dropped, restored = asyncio.run(observe_drop(folder, files, seed, leg, loss))
        found = drop_as_json(drop_figures(observation, leg, dropped, restored))
        found["dropped_ms"], found["restored_ms"] = round(dropped), round(restored)
    (folder / "observation.json").write_text(json.dumps(asdict(observation)), "utf-8")
    print(row, f"seed {seed}:", {k: v for k, v in found.items() if k != "details"}, file=sys.stderr, flush=True)
    return {"seed": seed, **found}


def missing(rows: dict[str, list[dict[str, Any]]], names: list[str], runs: int) -> list[tuple[str, int]]:
    """(row, seed) of what is not measured yet: every row's first seed, then every row's second, and so on."""
    known = {(row, run["seed"]) for row, found in rows.items() for run in found}
    return [(row, seed) for seed in range(1, runs + 1) for row in names if (row, seed) not in known]


def summary(runs: list[dict[str, Any]], name: str) -> tuple[float, float]:
    """(median, worst) of one figure."""
    values = [float(run[name]) for run in runs]
    high_is_bad = next((bad for figure, bad, _ in TARGETS if figure == name), True)
    return median(values), max(values) if high_is_bad else min(values)


def targets(rows: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Every target of a measured row; the median decides."""
    found = []
    for figure, high_is_bad, wanted in TARGETS:
        for row, target in wanted.items():
            if row in rows:
                middle, worst = summary(rows[row], figure)
                met = middle <= target if high_is_bad else middle >= target
                sign = "<=" if high_is_bad else ">="
                found.append(
                    {
                        "name": f"{row} {figure}",
                        "target": f"{sign} {target}",
                        "figure": middle,
                        "worst": worst,
                        "met": met,
                    }
                )
    return found


def table(rows: dict[str, list[dict[str, Any]]]) -> str:
    """Median and, in brackets, the worst of every row."""
    lines = []
    for kind, names in COLUMNS.items():
        chosen = [row for row in rows if (row in DROP_ROWS) == (kind == "drop")]
        if chosen:
            lines += ["", "".join(f"{name:>19}" for name in ("median [worst]", *names))]
        for row in chosen:
            cells = ["{:.4g} [{:.4g}]".format(*summary(rows[row], name)) for name in names]
            lines.append("".join(f"{cell:>19}" for cell in (row, *cells)))
            if kind == "loss" and row in LIVEKIT:
                peer = LIVEKIT[row]
                lines.append(f"{'LiveKit':>19}{peer['fps']:>19}{'':>19}{peer['frozen_s']:>19}")
    return "\n".join(lines)


def options() -> argparse.Namespace:
    """The command line."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="one run of each loss row")
    arguments.add_argument("--json", type=Path)
    arguments.add_argument("--runs", type=int, default=5)
    arguments.add_argument("--rows", default="", help="comma-separated: " + ", ".join([*LOSS_ROWS, *DROP_ROWS]))
    arguments.add_argument("--at-most", type=int, default=1000, help="so many new runs in this call")
    arguments.add_argument("--files", type=Path, help="folder to keep camera, sound and page in between calls")
    arguments.add_argument("--keep", type=Path, help="folder for what was observed in each run, and the server's log")
    return arguments.parse_args()


def main() -> int:
    """Program; non-zero when it could not measure."""
    chosen = options()
    names = chosen.rows.split(",") if chosen.rows else [*LOSS_ROWS, *([] if chosen.quick else DROP_ROWS)]
    rows: dict[str, list[dict[str, Any]]] = {}
    if chosen.json is not None and chosen.json.exists():
        before = json.loads(chosen.json.read_text("utf-8"))
        rows = before["rows"] if before.get("commit") == commit() else {}
    todo = missing(rows, names, 1 if chosen.quick else chosen.runs)[: chosen.at_most]
    with tempfile.TemporaryDirectory(prefix="badlink-") as temporary:
        files = make_files(chosen.files or Path(temporary))
        for row, seed in todo:
            found = run_once(row, seed, files, (chosen.keep or Path(temporary)) / f"{row}-{seed}")
            rows.setdefault(row, []).append(found)
            if chosen.json is not None:
                result = {
                    "commit": commit(),
                    "figures": table(rows).splitlines(),
                    "targets": targets(rows),
                    "rows": rows,
                }
                chosen.json.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    print(table(rows))
    for target in targets(rows):
        line = f"{target['name']} {target['target']}: {target['figure']:.4g} [{target['worst']:.4g}]"
        print("met   " if target["met"] else "MISSED", line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
