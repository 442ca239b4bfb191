# SPDX-License-Identifier: Apache-2.0
"""docs/format.md is true: the programs on it check a recording, and find what was changed."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

from storage import manifest, seal
from storage.integrity_code import integrity_code
from storage.layout import session_folder
from storage.objects import KeyedStore
from storage.own_keys import new_own_key
from storage.timestamp import question
from tests.faults.store import FolderStore
from tests.storage.authority import Authority
from tests.storage.exported import SESSION, Change, export, flip_bit, last_removed_everywhere, remove, unlisted

COUNTY = "default"
PAGE = (Path(__file__).parents[2] / "docs" / "format.md").read_text("utf-8")


def program(language: str, number: int = 0) -> str:
    """The page's program in that language, by its place there."""
    return str(re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)[number])


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


@pytest.fixture
def bucket(folder: Path, tmp_path: Path) -> Path:
    """The same recording as it lies in a store under a key of its own, below this folder."""
    names, made = session_folder(COUNTY, SESSION), tmp_path / "bucket"
    store = KeyedStore(FolderStore(made), tmp_path / "secrets")  # type: ignore[arg-type]
    key = new_own_key(tmp_path / "secrets", SESSION, may_make=True).encode()
    store.put_bytes(f"{names}own-key.json", key)
    (folder / "empty").touch()
    (folder / "large").write_bytes(bytes(range(256)) * 1024)
    for path in folder.rglob("*"):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            store.put_file(names + name, path, hashlib.sha256(path.read_bytes()).hexdigest())
    return made


def open_bucket(bucket: Path) -> subprocess.CompletedProcess[str]:
    arguments = ["../secrets/recording.key", f"{COUNTY}/sessions/{SESSION}", "../opened"]
    command = [sys.executable, "-c", program("python", 1), *arguments]
    return subprocess.run(command, cwd=bucket, capture_output=True, text=True)


def test_the_second_python_program_opens_what_has_a_key_of_its_own(bucket: Path, folder: Path, tmp_path: Path) -> None:
    done = open_bucket(bucket)
    assert done.returncode == 0, done.stderr
    opened = tmp_path / "opened"
    for path in folder.rglob("*"):
        assert path.is_dir() or (opened / path.relative_to(folder)).read_bytes() == path.read_bytes()
    assert len(list(opened.rglob("*"))) == len(list(folder.rglob("*")))
    assert python(opened).stdout.startswith("good; integrity code")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x"), "InvalidTag"),
        (lambda path: path.write_bytes(b"plain, and long enough to have a header of that length"), "is not encrypted"),
        (lambda path: path.with_name("own-key.json").write_bytes(b"{}"), "KeyError"),
        (lambda path: path.rename(path.with_name("other")), "InvalidTag"),
    ],
)
def test_the_second_python_program_finds_what_was_changed(
    bucket: Path, change: Callable[[Path], object], words: str
) -> None:
    change(bucket / session_folder(COUNTY, SESSION) / "manifest.json")
    done = open_bucket(bucket)
    assert done.returncode == 1 and words in done.stderr, done.stderr


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
