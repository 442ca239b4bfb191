# SPDX-License-Identifier: Apache-2.0
"""The build of the pages: Node out of a pip package, nothing built twice, and what a first visit has to load."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hatch_build import LOCALES, UI, PagesFault, build_pages, node_programs, sources_digest
from tests.web.ui.conftest import ROOT

FIRST_LOAD_BYTES = 300_000
"""Compressed: what a station's slow line loads before it sees any page but the call."""
LANGUAGES = ("src/locales/zh-CN.ts", "src/locales/en.ts")
CALL = "src/pages/Call.tsx"


def test_no_node_on_the_path_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    node, npm = node_programs()
    assert node.is_file() and npm.is_file()


@pytest.mark.parametrize(
    "words", [("--test", "src/**/*.test.ts"), ("node_modules/typescript/bin/tsc", "--noEmit")], ids=["units", "types"]
)
@pytest.mark.usefixtures("built_pages")
def test_the_pages_own_checks_hold(words: tuple[str, ...]) -> None:
    command = [str(node_programs()[0]), *words]
    done = subprocess.run(command, cwd=ROOT / UI, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    if "--test" in words:
        ran = re.search(r"^\S+ tests (\d+)$", done.stdout, re.MULTILINE)
        assert ran and int(ran[1]) > 100, "the pattern finds them"


def test_pages_are_not_built_again_while_nothing_changed(built_pages: Path) -> None:
    before = (built_pages / "index.html").stat().st_mtime_ns
    assert build_pages(ROOT) is False
    assert (built_pages / "index.html").stat().st_mtime_ns == before


def sources(folder: Path) -> Path:
    """A copy of everything that the pages are built from."""
    shutil.copytree(ROOT / UI, folder / UI, ignore=shutil.ignore_patterns("node_modules", "dist"))
    shutil.copytree(ROOT / LOCALES, folder / LOCALES)
    return folder


@pytest.mark.parametrize("changed", [UI / "src" / "main.tsx", UI / "package-lock.json", LOCALES / "en" / "common.ftl"])
def test_every_kind_of_source_counts(tmp_path: Path, changed: Path) -> None:
    copy = sources(tmp_path)
    before = sources_digest(copy)
    assert before == sources_digest(ROOT)
    with (copy / changed).open("a", encoding="utf-8") as file:
        file.write("\n")
    assert sources_digest(copy) != before


def test_a_file_that_moved_counts(tmp_path: Path) -> None:
    copy = sources(tmp_path)
    before = sources_digest(copy)
    (copy / UI / "src" / "time.ts").rename(copy / UI / "src" / "hours.ts")
    assert sources_digest(copy) != before


def test_a_registry_that_is_away_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = sources(tmp_path)
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    with pytest.raises(PagesFault, match="npm registry"):
        build_pages(copy)


def closure(manifest: dict[str, Any], name: str) -> set[str]:
    """Files that a browser loads for one entry of the manifest, without what is imported only when asked for."""
    files: set[str] = set()
    waiting, seen = [name], set()
    while waiting:
        key = waiting.pop()
        if key in seen:
            continue
        seen.add(key)
        chunk = manifest[key]
        files |= {chunk["file"], *chunk.get("css", [])}
        waiting += chunk.get("imports", [])
    return files


def pages(manifest: dict[str, Any]) -> list[str]:
    return [name for name in manifest if name.startswith("src/pages/") and manifest[name].get("isDynamicEntry")]


def test_first_load_is_small(built_pages: Path) -> None:
    manifest = json.loads((built_pages / ".vite" / "manifest.json").read_text("utf-8"))
    assert CALL in pages(manifest) and len(pages(manifest)) >= 11
    for page in pages(manifest):
        if page == CALL:
            continue
        for language in LANGUAGES:
            files = closure(manifest, "index.html") | closure(manifest, page) | closure(manifest, language)
            size = sum(len(gzip.compress((built_pages / file).read_bytes(), 9)) for file in files)
            assert size < FIRST_LOAD_BYTES, f"{page} loads {size} bytes: {sorted(files)}"


def test_the_call_library_comes_only_with_the_call(built_pages: Path) -> None:
    manifest = json.loads((built_pages / ".vite" / "manifest.json").read_text("utf-8"))
    for page in pages(manifest):
        if page != CALL:
            for file in closure(manifest, "index.html") | closure(manifest, page):
                assert b"mediasoup" not in (built_pages / file).read_bytes(), f"{page} loads {file}"


def test_every_text_file_has_compressed_siblings(built_pages: Path) -> None:
    texts = [file for file in built_pages.rglob("*") if file.suffix in {".js", ".css", ".html", ".svg"}]
    assert len(texts) > 10
    for file in texts:
        if file.parent.name == "offline":
            continue  # goes into copies as it is, and to no browser
        assert gzip.decompress(file.with_name(file.name + ".gz").read_bytes()) == file.read_bytes()
        assert file.with_name(file.name + ".br").is_file()
