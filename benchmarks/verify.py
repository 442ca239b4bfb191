# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks.verify [--gigabytes 3] [--json FILE]`: how fast `videohome verify` goes through a recording.

A sealed folder of segments as 24 parties make them (10 s at 1 Mbit/s), on this machine's disk and from its cache, all
cores; and from that, how long three hours of 24 parties take.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console

from benchmarks.badlink.__main__ import commit
from storage.checking.sources import local_name
from storage.cli.verify import run
from storage.files import digests_of_bytes
from storage.layout import segment_key
from storage.manifest import Clock, Epoch, Manifest, Part, Segment, Track, next_chain
from storage.seal import sealed_bytes
from storage.settings import Settings

SEGMENT_BYTES = 1_250_000
SESSION = "0" * 26
THREE_HOURS_BYTES = 16e9


def make(folder: Path, size: float) -> None:
    """A sealed recording of about so many bytes."""
    chain, segments = "", []
    for number in range(int(size / SEGMENT_BYTES)):
        data = os.urandom(SEGMENT_BYTES)
        key = segment_key("default", SESSION, "p-cam", 1, number)
        path = folder / local_name(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        found = digests_of_bytes(data)
        chain = next_chain(chain, found.sha256)
        parts = tuple(Part(n * 125_000, 125_000, number * 10_000 + n * 1_000, n == 0) for n in range(10))
        start_ms = number * 10_000
        digests = (found.sha256, found.sm3, chain)
        segments.append(Segment(key, number, start_ms, start_ms + 9_999, len(data), 0, *digests, parts, 1_000, 0))
    epoch = Epoch(1, "vp8", 90_000, 0, 0, segments[-1].end_ms, Clock(), tuple(segments))
    tracks = (Track("p-cam", "p", "cam", "video", (epoch,)),)
    made = Manifest(1, "default", SESSION, SESSION, 1, 2, "benchmark", ("b",), (), tracks, (), (), complete=True)
    (folder / "manifest.json").write_bytes(sealed_bytes(made, Ed25519PrivateKey.generate(), 3))


def main() -> int:
    """Prints MB/s and the projection."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verify")
    parser.add_argument("--gigabytes", type=float, default=3.0)
    parser.add_argument("--json", type=Path, default=None)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder, wanted.gigabytes * 1e9)
        out, started, cpu = io.StringIO(), time.monotonic(), time.process_time()
        status = run(Settings(data_dir=folder / "home"), str(folder), console=Console(file=out))
        seconds, cpu = time.monotonic() - started, time.process_time() - cpu
    assert status == 0, out.getvalue()
    speed = wanted.gigabytes * 1e9 / seconds
    facts: dict[str, Any] = {
        "commit": commit(), "date": datetime.now(UTC).strftime("%Y-%m-%d"), "cores": os.cpu_count(),
        "gigabytes": wanted.gigabytes, "seconds": round(seconds, 2), "cpu_seconds": round(cpu, 2),
        "MB_per_s": round(speed / 1e6), "MB_per_cpu_s": round(wanted.gigabytes * 1e3 / cpu),
        "three_hours_of_24_parties_s": round(THREE_HOURS_BYTES / speed, 1),
    }  # fmt: skip
    if wanted.json is not None:
        wanted.json.write_text(json.dumps(facts, indent=1) + "\n", "utf-8")
    print(facts)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
