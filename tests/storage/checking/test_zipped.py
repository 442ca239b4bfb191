# SPDX-License-Identifier: Apache-2.0
"""Zips that are made to deceive: each is refused in one sentence, and none makes the program unpack without end."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from storage import seal
from storage.checking import sources, zipped
from storage.checking.checks import check_manifest, check_segments, segments_of
from storage.checking.sources import CannotCheck, Differs
from storage.checking.zipped import ZipSource
from tests.storage.exported import export, files
from tests.storage.exported import zipped as make_zip

Deceit = Callable[[zipfile.ZipFile], None]


@pytest.fixture
def honest(tmp_path: Path) -> Path:
    """A zip of a good recording."""
    export(tmp_path / "export", seal.load_key(tmp_path / "secrets"))
    return make_zip(tmp_path / "export", "export/")


def check(path: Path) -> list[str]:
    """Differences found in the segments."""
    with ZipSource(path) as source:
        made = check_manifest(source, None).manifest
        return check_segments(source, made, segments_of(made), lambda count: None)


def entry(name: str, mode: int = 0o100644, kind: int = zipfile.ZIP_STORED) -> Deceit:
    info = zipfile.ZipInfo(name)
    info.external_attr, info.compress_type = mode << 16, kind
    return lambda out: out.writestr(info, b"x")


@pytest.mark.parametrize(
    ("deceit", "words"),
    [
        (entry("../evil"), "leads elsewhere"),
        (entry("export/tracks/../../evil"), "leads elsewhere"),
        (entry("/etc/passwd"), "leads elsewhere"),
        (entry("export//x"), "leads elsewhere"),
        (entry("export/./x"), "leads elsewhere"),
        (entry("C:evil"), "leads elsewhere"),
        (entry("..\\evil"), "leads elsewhere"),
        (entry("export/tracks/p1-mic/e001-s00000.webm"), "more than one entry"),
        (entry("export/MANIFEST.json"), "more than one entry"),
        (entry("other/manifest.json"), "more than one manifest"),
        (entry("export/link", 0o120777), "a link"),
        (entry("export/big", kind=zipfile.ZIP_BZIP2), "packed in a way that is not read"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_deceitful_entry_is_refused(honest: Path, deceit: Deceit, words: str) -> None:
    assert check(honest) == []
    with zipfile.ZipFile(honest, "a") as out:
        deceit(out)
    with pytest.raises((Differs, CannotCheck), match=words):
        check(honest)


def test_a_zero_byte_in_a_name_is_refused(honest: Path) -> None:
    """Some programs stop reading there, others do not."""
    with zipfile.ZipFile(honest, "a") as out:
        out.writestr("export/notes.txt#x", b"x")
    honest.write_bytes(honest.read_bytes().replace(b"export/notes.txt#x", b"export/notes.txt\0x"))
    with pytest.raises(Differs, match="leads elsewhere"):
        check(honest)


def test_an_encrypted_entry_is_said(honest: Path) -> None:
    data = bytearray(honest.read_bytes())
    at = data.index(b"PK\x01\x02") + 8
    data[at] |= 1
    honest.write_bytes(data)
    with pytest.raises(CannotCheck, match="encrypted"):
        check(honest)


def test_a_bomb_in_a_segments_place_is_unpacked_no_further_than_its_sealed_size(honest: Path) -> None:
    folder = honest.with_name("export")
    files(folder)[1].write_bytes(bytes(64 << 20))
    read = 0

    def count(more: int) -> None:
        nonlocal read
        read += more

    with ZipSource(make_zip(folder)) as source:
        made = check_manifest(source, None).manifest
        found = check_segments(source, made, segments_of(made), count)
    assert len(found) == 1 and "e001-s00001.webm has more than the 3000 bytes" in found[0]
    assert read == 7 * 3_000


def test_a_bomb_in_the_manifests_place_has_a_limit(honest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipped, "MANIFEST_LIMIT_BYTES", 2 << 20)
    monkeypatch.setattr(sources, "MANIFEST_LIMIT_BYTES", 2 << 20)
    folder = honest.with_name("export")
    (folder / "manifest.json").write_bytes(bytes(8 << 20))
    with pytest.raises(CannotCheck, match="larger than 2 MiB"):
        check(make_zip(folder))


def test_too_many_entries_are_refused(honest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipped, "MOST_ENTRIES", 3)
    with pytest.raises(CannotCheck, match="at most 3"):
        check(honest)


@pytest.mark.parametrize("lie", ["checksum", "size"])
def test_an_entry_that_lies_about_itself_is_named(honest: Path, lie: str) -> None:
    with zipfile.ZipFile(honest) as box:
        info = box.getinfo("export/tracks/p1-mic/e001-s00001.webm")
    data = bytearray(honest.read_bytes())
    central = data.rindex(b"PK\x01\x02", 0, data.rindex(info.filename.encode()))
    if lie == "checksum":
        data[central + 16] ^= 1
    else:
        data[central + 24 : central + 28] = struct.pack("<I", 1_000)
    honest.write_bytes(data)
    found = check(honest)
    assert len(found) == 1 and "e001-s00001.webm" in found[0]


def test_a_torn_zip_is_no_zip(honest: Path) -> None:
    honest.write_bytes(honest.read_bytes()[:-200])
    with pytest.raises(CannotCheck, match="is no zip"):
        check(honest)


def test_a_wrong_byte_in_a_packed_entry_is_named(honest: Path) -> None:
    with zipfile.ZipFile(honest) as box:
        info = box.getinfo("export/tracks/p2-cam/e001-s00003.webm")
    data = bytearray(honest.read_bytes())
    data[info.header_offset + 30 + len(info.filename) + 1_000] ^= 0xFF
    honest.write_bytes(data)
    found = check(honest)
    assert len(found) == 1 and "e001-s00003.webm" in found[0]
