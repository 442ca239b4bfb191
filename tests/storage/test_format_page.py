# SPDX-License-Identifier: Apache-2.0
"""docs/format.md is true: the programs on it check a recording, and find what was changed."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from storage import manifest, seal
from storage.integrity_code import integrity_code
from storage.timestamp import question
from tests.storage.authority import Authority
from tests.storage.exported import Change, export, flip_bit, last_removed_everywhere, remove, unlisted

PAGE = (Path(__file__).parents[2] / "docs" / "format.md").read_text("utf-8")


def program(language: str) -> str:
    """The page's program in that language."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)
    return str(found)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    export(tmp_path / "export", seal.load_key(tmp_path / "secrets"))
    return tmp_path / "export"


def python(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program("python")], cwd=folder, capture_output=True, text=True)


def test_the_python_program_finds_it_good_and_tells_the_code(folder: Path) -> None:
    code = integrity_code(hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest())
    assert python(folder).stdout == f"good; integrity code {code}\n"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (flip_bit, "was changed"),
        (remove, "FileNotFoundError"),
        (last_removed_everywhere, "the list is not the one that was sealed"),
        (unlisted, "not listed"),
    ],
)
def test_the_python_program_finds_what_was_changed(folder: Path, change: Change, words: str) -> None:
    change(folder)
    found = python(folder)
    assert found.returncode == 1 and words in found.stderr


def test_the_shell_program_checks_signature_and_time_stamp(folder: Path, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    digest = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    (folder / "manifest.tsr").write_bytes(authority.reply(question(digest, 7)))
    shutil.copy(authority.root, folder / "root.pem")
    key = seal.load_key(tmp_path / "secrets").public_key().public_bytes_raw().hex()

    def run() -> str:
        command = ["sh", "-c", f"KEY={key}\n{program('sh')}"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        return done.stdout + done.stderr

    good = run()
    assert "Signature Verified Successfully" in good and "Verification: OK" in good
    path = folder / "manifest.json"
    path.write_bytes(path.read_bytes().replace("局信访办".encode(), "局信访处".encode()))
    bad = run()
    assert "Signature Verification Failure" in bad and "Verification: FAILED" in bad


def test_every_field_stands_on_the_page() -> None:
    kinds = (
        manifest.Manifest, manifest.Track, manifest.Epoch, manifest.Segment, manifest.Part, manifest.Gap,
        manifest.Event, manifest.Seal, manifest.Peer, manifest.Clock,
    )  # fmt: skip
    names = {field.name for kind in kinds for field in fields(kind)} - {"sender_reports"}
    assert {name for name in names if f"`{name}`" not in PAGE} == set()
