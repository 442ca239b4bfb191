# SPDX-License-Identifier: Apache-2.0
"""No text is missing, left over, defined twice or built differently in one of the languages."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from fluent.syntax import FluentParser, ast
from fluent.syntax.visitor import Visitor

from tests.web.ui.conftest import ROOT

LANGUAGES = ("zh-CN", "en")
LOCALES = ROOT / "web" / "locales"
_TEXT_ID = r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*"
_LITERAL = re.compile(rf'"({_TEXT_ID})"')
_TEMPLATE = re.compile(r"`([a-z][a-z0-9-]*-\$\{[^`]*)`")
_F_STRING = re.compile(r'f"([a-z][a-z0-9-]*-\{[^"]*)"')
_JINJA = re.compile(r'"([a-z][a-z0-9-]*-)" ~')
_T_CALL = re.compile(rf'\bt\(\s*"({_TEXT_ID})"')


class _Variables(Visitor):
    def __init__(self) -> None:
        self.names: set[str] = set()

    def visit_VariableReference(self, node: ast.VariableReference) -> None:
        self.names.add(node.id.name)


def messages(language: str) -> list[tuple[str, str, frozenset[str]]]:
    """(file, id, names of its variables) of every message."""
    found = []
    for file in sorted((LOCALES / language).glob("*.ftl")):
        for entry in FluentParser().parse(file.read_text("utf-8")).body:
            assert not isinstance(entry, ast.Junk), f"{file}: {entry.content!r}"
            if isinstance(entry, ast.Message):
                variables = _Variables()
                variables.visit(entry)
                found.append((file.name, entry.id.name, frozenset(variables.names)))
    return found


def sources() -> list[str]:
    """Texts of all sources that may name a message: pages and server."""
    server = [
        path for kind in ("*.py", "*.j2") for path in (ROOT / "web").rglob(kind) if "node_modules" not in path.parts
    ]
    return [path.read_text("utf-8") for path in (*page_sources(), *server)]


def page_sources() -> list[Path]:
    """What the pages are made of, without their own tests."""
    files = [*(ROOT / "web/ui/src").rglob("*.ts"), *(ROOT / "web/ui/src").rglob("*.tsx")]
    return [path for path in files if not path.name.endswith((".test.ts", "fixture.ts"))]


def patterns(texts: list[str]) -> list[re.Pattern[str]]:
    """Ids put together at run time: `role-${role}` in a page, f"status-{code}" or "ca-" ~ system on the server."""
    found = [
        part for text in texts for part in (*_TEMPLATE.findall(text), *_F_STRING.findall(text), *_JINJA.findall(text))
    ]
    heads = {re.split(r"\$?\{", part)[0] for part in found}
    return [re.compile(rf"{re.escape(head)}[a-z0-9-]+") for head in heads]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_defined_twice(language: str) -> None:
    count = Counter(name for _, name, _ in messages(language))
    assert [name for name, times in count.items() if times > 1] == []


def test_languages_say_the_same_things_with_the_same_values() -> None:
    first, second = (set(messages(language)) for language in LANGUAGES)
    assert first == second


def test_every_text_that_a_page_asks_for_exists() -> None:
    known = {name for _, name, _ in messages("zh-CN")}
    asked = {name for text in sources() for name in _T_CALL.findall(text)}
    assert len(asked) > 100
    assert asked - known == set()


def test_every_text_is_used() -> None:
    texts = sources()
    named = {name for text in texts for name in _LITERAL.findall(text)}
    built = patterns(texts)
    left_over = [
        f"{file}: {name}"
        for file, name, _ in messages("zh-CN")
        if name not in named and not any(pattern.fullmatch(name) for pattern in built)
    ]
    assert left_over == []


def test_every_state_has_its_word() -> None:
    """States come from the server: the words for them are put together at run time and no search finds them missing."""
    known = {name for _, name, _ in messages("zh-CN")}
    wanted = {
        *(f"role-{role}" for role in ("administrator", "station-officer", "hq-officer", "clerk", "set")),
        *(f"session-{state}" for state in ("open", "live", "ended")),
        *(
            f"recording-{state}"
            for state in ("off", "on", "paused", "stopped", "uploading", "sealed", "sealed-gaps", "error", "expired")
        ),
        *(f"recording-warning-{name}" for name in ("store-away", "disk-full", "disk-low", "recorder-away")),
        *(f"text-{state}" for state in ("queued", "running", "done", "failed", "expired")),
        *(f"place-kind-{kind}" for kind in ("station", "desk")),
        *(f"state-{state}" for state in ("ok", "warn", "fail")),
    }
    assert wanted - known == set()


def test_no_chinese_stands_in_the_sources_of_the_pages() -> None:
    """Words belong into the locale files. (The name of a language is written in that language.)"""
    allowed = {"中文", "、"}
    for path in page_sources():
        code = _without_comments(path)
        found = set(re.findall(r"[\u3000-\u303f\u4e00-\u9fff]+", code)) - allowed
        assert not found, f"{path}: {found}"


def _without_comments(path: Path) -> str:
    code = re.sub(r"/\*.*?\*/", "", path.read_text("utf-8"), flags=re.S)
    return re.sub(r"(?m)(^|\s)//.*$", "", code)
