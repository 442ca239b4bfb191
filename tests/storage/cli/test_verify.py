# SPDX-License-Identifier: Apache-2.0
"""`videohome verify` on an export: whatever was changed is named in a sentence, and the exit status is 1."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console

from storage import manifest, seal
from storage.cli.verify import SHOWN, Expected, run
from storage.integrity_code import integrity_code
from storage.keyed_format import MAGIC
from storage.settings import Settings
from storage.timestamp import question
from tests.storage.authority import Authority
from tests.storage.exported import CHANGES, SESSION, Change, export, files, flip_bit, in_manifest, with_segments, zipped


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A good recording, sealed by the key of the data folder `home`."""
    export(tmp_path / "export", seal.load_key(tmp_path / "home" / "secrets"))
    return tmp_path / "export"


def check(
    target: Path, *, key: str = "", code: str = "", authority: Path | None = None, home: str = "home"
) -> tuple[int, str]:
    """Exit status and what was printed."""
    out = StringIO()
    settings = Settings(data_dir=target.parent / home)
    status = run(settings, str(target), Expected(key, code, authority), Console(file=out, width=400))
    return status, out.getvalue()


@pytest.mark.parametrize("form", [lambda folder: folder, zipped, lambda folder: zipped(folder, "导出/")])
def test_a_good_recording_is_told_in_words(folder: Path, form: Callable[[Path], Path]) -> None:
    status, text = check(form(folder))
    assert status == 0
    for words in (
        "as it was sealed on 2023-11-14 22:13:20 UTC",
        "the expected key",
        "2 tracks with 8 segments",
        "24000 bytes",
    ):
        assert words in text
    assert "The recording is complete" in text and "Not covered" not in text


def test_on_a_machine_without_the_key_the_reader_must_compare_it(folder: Path) -> None:
    status, text = check(folder, home="elsewhere")
    assert status == 0 and "a key this machine does not know" in text
    assert not (folder.parent / "elsewhere").exists()


@pytest.mark.parametrize("form", [lambda folder: folder, zipped], ids=["folder", "zip"])
@pytest.mark.parametrize(("change", "words"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES])
def test_what_was_changed_is_named(folder: Path, change: Change, words: str, form: Callable[[Path], Path]) -> None:
    change(folder)
    status, text = check(form(folder))
    assert status == 1
    assert words in text and "as it was sealed on" not in text


@pytest.mark.parametrize("form", [lambda folder: folder, zipped], ids=["folder", "zip"])
def test_what_was_taken_from_the_store_encrypted_is_told(folder: Path, form: Callable[[Path], Path]) -> None:
    (folder / "manifest.json").write_bytes(MAGIC + bytes(100))
    status, text = check(form(folder))
    assert status == 1 and "is encrypted with the session's own key; open it first" in text


def test_every_difference_is_named_up_to_a_number(folder: Path) -> None:
    flip_bit(folder)
    files(folder)[0].unlink()
    for number in range(SHOWN):
        (folder / "tracks" / f"{number}.txt").touch()
    lines = check(folder)[1].strip().splitlines()
    assert len(lines) == SHOWN + 1
    assert "e001-s00000.webm is missing" in lines[0] and "e001-s00002.webm was changed" in lines[1]
    assert lines[-1] == "And 2 more differences."


@pytest.mark.parametrize("form", [lambda folder: folder, zipped], ids=["folder", "zip"])
def test_what_the_seal_does_not_cover_is_said(folder: Path, form: Callable[[Path], Path]) -> None:
    (folder / "transcript.docx").write_bytes(b"x")
    status, text = check(form(folder))
    assert status == 0 and "- Not covered by the seal, so not checked: transcript.docx." in text


def test_an_expected_key_can_be_given(folder: Path) -> None:
    ours = seal.load_key(folder.parent / "home" / "secrets").public_key().public_bytes_raw().hex()
    assert check(folder, key=ours, home="elsewhere")[0] == 0
    theirs = Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex()
    assert check(folder, key=theirs)[0] == 1


def test_the_code_on_the_paper_is_compared(folder: Path) -> None:
    ours = integrity_code(hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest())
    assert f"Integrity code: {ours}; compare it" in check(folder)[1]
    status, text = check(folder, code=ours.lower().replace("-", " "))
    assert status == 0 and f"Integrity code: {ours}, the one you gave" in text
    status, text = check(folder, code=integrity_code("a" * 64))
    assert status == 1 and text.startswith("This is another recording") and ours in text
    status, text = check(folder, code=ours[:-1] + ("0" if ours[-1] != "0" else "1"))
    assert status == 1 and "mistyped" in text


@pytest.mark.parametrize("form", [lambda folder: folder, zipped], ids=["folder", "zip"])
def test_a_time_stamp_is_checked_against_the_given_root(
    folder: Path, tmp_path: Path, form: Callable[[Path], Path]
) -> None:
    digest = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    authority = Authority(tmp_path / "authority")
    assert "there is none of an outside authority" in check(form(folder))[1]
    (folder / "manifest.tsr").write_bytes(authority.reply(question(digest, 7)))
    status, text = check(form(folder))
    assert status == 0 and "not checked; give" in text and "Not covered" not in text
    status, text = check(form(folder), authority=authority.root)
    assert status == 0 and "says CN=Test stamps" in text
    stranger = Authority(tmp_path / "stranger")
    assert "not the trusted authority's" in check(form(folder), authority=stranger.root)[1]
    assert "cannot be read" in check(form(folder), authority=tmp_path / "nothing")[1]
    assert "no certificate" in check(form(folder), authority=folder / "manifest.json")[1]
    (folder / "manifest.tsr").write_bytes(authority.reply(question("a" * 64, 7)))
    status, text = check(form(folder), authority=authority.root)
    assert status == 1 and "belongs to other bytes" in text
    (folder / "manifest.tsr").write_bytes(bytes(1 << 20))
    assert "larger than" in check(form(folder), authority=authority.root)[1]


def test_a_key_that_leads_to_another_file_is_named(folder: Path) -> None:
    """Sealed by the right key but pointing elsewhere: our own fault, and found all the same."""

    def elsewhere(made: manifest.Manifest) -> manifest.Manifest:
        wrong = with_segments(made, lambda s: (replace(s[0], key="default/sessions/../secrets/seal.key"), *s[1:]))
        return seal.seal(wrong, seal.load_key(folder.parent / "home" / "secrets"), 5)

    in_manifest(elsewhere)(folder)
    status, text = check(folder)
    assert status == 1 and "where segment 0 of p1-mic belongs" in text


@pytest.mark.parametrize("target", ["nonsense", SESSION])
def test_what_cannot_be_checked_is_said(tmp_path: Path, target: str) -> None:
    out = StringIO()
    assert run(Settings(data_dir=tmp_path), target, console=Console(file=out, width=400)) == 1
    assert "neither a folder, a zip nor a session" in out.getvalue() or "store" in out.getvalue()


def test_a_folder_without_manifest_and_a_file_that_is_no_zip_are_said(folder: Path) -> None:
    assert "is no zip" in check(folder / "manifest.json", home="../home")[1]
    with zipfile.ZipFile(folder.parent / "cut.zip", "w") as out:
        out.writestr("tracks/x", b"")
    assert "holds no manifest.json" in check(folder.parent / "cut.zip")[1]
    (folder / "manifest.json").unlink()
    status, text = check(folder)
    assert status == 1 and "manifest.json cannot be read" in text
