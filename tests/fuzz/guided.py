# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.fuzz.guided TARGET [--seconds N] [--found FOLDER]`: the engine atheris, which changes inputs towards
code that no input has reached. Needs `pip install atheris`; `python -m tests.fuzz --engine atheris TARGET` comes here.

It begins with the kept corpus and leaves that as it is: what it finds new goes to the folder `found`, and so does an
input that broke something (`crash-…`). Copied into tests/fuzz/corpus/TARGET it is tried first by every run.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from pathlib import Path

import structlog


def main() -> int:
    """Does not return: the engine ends the process, with 77 where an input broke a promise."""
    try:
        import atheris  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        sys.exit("The engine atheris is not installed here: pip install atheris, or leave --engine out.")
    # What is loaded before this is not seen by the engine: our packages are loaded here for the first time.
    with atheris.instrument_imports(include=["mediaserver", "storage", "tests.fuzz"]):
        from tests.fuzz import corpus
        from tests.fuzz.targets import TARGETS
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.guided")
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--found", type=Path, default=None, help="folder for new inputs; default: a new one")
    wanted = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    found = wanted.found or Path(tempfile.mkdtemp(prefix="videohome-fuzz-"))
    found.mkdir(parents=True, exist_ok=True)
    kept = corpus.FOLDER / wanted.target
    print(f"New inputs go to {found}.", flush=True)

    def one(data: bytes) -> None:
        with contextlib.suppress(UnicodeDecodeError):  # text targets take text alone
            corpus.replay(wanted.target, data)

    options = [
        f"-max_total_time={int(wanted.seconds)}",
        f"-max_len={corpus.LARGEST_BYTES}",
        f"-artifact_prefix={found}/",
    ]
    atheris.Setup([sys.argv[0], *options, str(found), *([str(kept)] if kept.is_dir() else [])], one)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
