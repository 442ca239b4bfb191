# SPDX-License-Identifier: Apache-2.0
"""`videohome verify` on a handed-out copy: what is not in it is told, and a copy that was thinned out is found."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from storage import manifest, seal
from storage.copies import CopiedFile, Copy, sign
from tests.storage.cli.test_verify import check, files
from tests.storage.cli.test_verify import folder as folder  # the same recording

CERTIFICATE = b"%PDF-1.4 certificate"


@pytest.fixture
def copy(folder: Path) -> Path:
    """Segments 1 and 2 of the recording's first track with a certificate, as handed out."""
    made = manifest.from_bytes((folder / "manifest.json").read_bytes())
    kept = [segment.key for segment in made.tracks[0].segments()][1:3]
    for n in (3, 0):
        files(folder)[n].unlink()
    shutil.rmtree(folder / "tracks" / "p2-cam")
    (folder / "copy-certificate.pdf").write_bytes(CERTIFICATE)
    described = Copy(
        version=1,
        copy_id="c" * 26,
        county=made.county,
        session_id=made.session_id,
        manifest_sha256=hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest(),
        purpose="移送法院",
        recipient="永安法庭",
        asked_by="赵",
        asked_utc_ms=1,
        approved_by="钱",
        approved_utc_ms=2,
        made_utc_ms=1_700_000_100_000,
        from_ms=12_000,
        to_ms=25_000,
        segments=tuple(kept),
        files=(CopiedFile("copy-certificate.pdf", len(CERTIFICATE), hashlib.sha256(CERTIFICATE).hexdigest()),),
        public_key="",
    )
    save(folder, described)
    return folder


def save(folder: Path, described: Copy, key: Ed25519PrivateKey | None = None) -> None:
    ours = seal.load_key(folder.parent / "home" / "secrets")
    (folder / "copy.json").write_bytes(sign(described, key or ours).to_bytes())


def read(folder: Path) -> Copy:
    from storage.copies import from_bytes

    return from_bytes((folder / "copy.json").read_bytes())


def test_a_part_is_told_in_words(copy: Path) -> None:
    status, text = check(copy)
    assert status == 0, text
    for words in (
        "a copy of a part, made on 2023-11-14 22:15:00 UTC: 2 of 8 segments",
        "For 永安法庭; purpose: 移送法院",
        "Asked for by 赵, approved by 钱",
        "as handed out: copy-certificate.pdf",
        "Not in the copy: p1-mic, 0:00:00 to 0:00:10 (1 segments)",
        "Not in the copy: p1-mic, 0:00:30 to 0:00:40 (1 segments)",
        "Not in the copy: p2-cam, 0:00:00 to 0:00:40 (4 segments)",
        "6000 bytes",
    ):
        assert words in text, text


def thinned(copy: Path) -> None:
    files(copy)[0].unlink()


def changed(copy: Path) -> None:
    files(copy)[0].write_bytes(files(copy)[0].read_bytes()[::-1])


def claims_less(copy: Path) -> None:
    files(copy)[0].unlink()
    described = read(copy)
    (copy / "copy.json").write_bytes(replace(described, segments=described.segments[1:]).to_bytes())


def signed_by_another(copy: Path) -> None:
    save(copy, read(copy), Ed25519PrivateKey.generate())


def of_another_recording(copy: Path) -> None:
    save(copy, replace(read(copy), manifest_sha256="0" * 64))


def other_certificate(copy: Path) -> None:
    (copy / "copy-certificate.pdf").write_bytes(CERTIFICATE + b"!")


def leads_elsewhere(copy: Path) -> None:
    save(copy, replace(read(copy), files=(CopiedFile("../elsewhere/seal.key", 32, "0" * 64),)))


def more_than_listed(copy: Path) -> None:
    extra = files(copy)[0].with_name("e001-s00003.webm")
    extra.write_bytes(b"x")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (thinned, "e001-s00001.webm is missing"),
        (changed, "e001-s00001.webm was changed"),
        (claims_less, "copy.json was changed after it was signed"),
        (signed_by_another, "signed with another key"),
        (of_another_recording, "belongs to another recording"),
        (other_certificate, "copy-certificate.pdf is not the file that was handed out"),
        (leads_elsewhere, "which is no file of a copy"),
        (more_than_listed, "e001-s00003.webm lies beside the recording"),
        (lambda copy: (copy / "copy.json").write_bytes(b"{}"), "is no description of a copy"),
        (lambda copy: (copy / "copy-certificate.pdf").unlink(), "copy-certificate.pdf is missing"),
    ],
)
def test_what_is_wrong_with_a_copy_is_named(copy: Path, change: Callable[[Path], None], words: str) -> None:
    change(copy)
    status, text = check(copy)
    assert status == 1
    assert words in text and len(text.strip().splitlines()) == 1, text


def test_without_its_description_a_copy_is_a_recording_with_holes(copy: Path) -> None:
    (copy / "copy.json").unlink()
    status, text = check(copy)
    assert status == 1
    assert text.count("is missing") == 6 and "e001-s00000.webm is missing" in text
