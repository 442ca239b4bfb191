# SPDX-License-Identifier: Apache-2.0
"""Every error code has its sentence in both languages, and no sentence is without a code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fluent.syntax import FluentParser, FluentSerializer
from fluent.syntax import ast as ftl

from web.words import LANGUAGES, Words, choose_language

WEB = Path(__file__).parents[2] / "web"
_CODE = re.compile(r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$")
_SAYERS = re.compile(r"(Fault|(?<!Media)Refused|error_answer|unique_or|error)$")
"""What the mediaserver refuses (MediaRefused) is told to people in web's own words."""
_TABLES = {"_HTTP_CODES", "_DOOR_CODES"}
"""Tables of codes that are said later."""


def sources() -> Iterator[ast.Module]:
    for path in sorted(WEB.rglob("*.py")):
        yield ast.parse(path.read_text("utf-8"), str(path))


def said_codes() -> set[str]:
    """Codes that the source says: first texts given to ApiFault(...), Refused(...) and their like."""
    found = set()
    for module in sources():
        for node in ast.walk(module):
            if isinstance(node, ast.Call) and _SAYERS.search(_name(node.func)) and not _is_log(node.func):
                texts = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
                # An f-string or a variable is checked where its values stand.
                choices = [arg for arg in node.args if isinstance(arg, ast.IfExp)]
                for choice in choices:
                    texts += [end.value for end in (choice.body, choice.orelse) if isinstance(end, ast.Constant)]
                found |= {code for code in texts[: 2 if choices else 1] if _CODE.match(code)}
            if isinstance(node, ast.Assign) and any(_name(target) in _TABLES for target in node.targets):
                assert isinstance(node.value, ast.Dict)
                found |= {str(value.value) for value in node.value.values if isinstance(value, ast.Constant)}
    return found


def _name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _is_log(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and _name(node.value) == "log"


def messages(language: str, file: str) -> dict[str, set[str]]:
    """Message id -> variables that its sentence uses."""
    resource = FluentParser().parse((WEB / "locales" / language / file).read_text("utf-8"))
    assert not [entry for entry in resource.body if isinstance(entry, ftl.Junk)], f"{language}/{file} does not parse"
    return {
        entry.id.name: set(re.findall(r"\$(\w+)", _source(entry)))
        for entry in resource.body
        if isinstance(entry, ftl.Message)
    }


def error_messages(language: str) -> set[str]:
    """Ids of all error sentences, whichever file they stand in."""
    files = sorted((WEB / "locales" / language).glob("*errors.ftl"))
    return {name for file in files for name in messages(language, file.name)}


def _source(entry: ftl.Message) -> str:
    return FluentSerializer().serialize_entry(entry)


def test_the_source_says_some_codes() -> None:
    assert {"bad_credentials", "set_in_use", "password_too_short", "not_found", "session_ended"} <= said_codes()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_has_its_sentence(language: str) -> None:
    known = error_messages(language)
    assert {code for code in said_codes() if f"error-{code.replace('_', '-')}" not in known} == set()


def test_no_sentence_is_without_a_code() -> None:
    literals = {
        node.value
        for module in sources()
        for node in ast.walk(module)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    codes = {name.removeprefix("error-").replace("-", "_") for name in error_messages("zh-CN")}
    assert codes - literals == set()


@pytest.mark.parametrize("file", sorted(path.name for path in (WEB / "locales" / "zh-CN").glob("*.ftl")))
def test_both_languages_say_the_same_things_with_the_same_values(file: str) -> None:
    assert messages("zh-CN", file) == messages("en", file)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_can_be_found_in_its_file_and_refers_to_no_other_file(language: str) -> None:
    """Files are parsed one by one, when they are needed."""
    words, seen = Words(), set[str]()
    for path in sorted((WEB / "locales" / language).glob("*.ftl")):
        own = set(messages(language, path.name))
        assert not own & seen, "two files have the same sentence"
        seen |= own
        assert all(words.has(name, language) for name in own)
        assert set(re.findall(r"\{ *(-?[a-z][a-z0-9-]+) *\}", path.read_text("utf-8"))) <= own


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "zh-CN"),
        ("zh", "zh-CN"),
        ("en-GB,en;q=0.9", "en"),
        ("fr,en;q=0.5,zh;q=0.4", "en"),
        ("en;q=0.3, zh-TW;q=0.8", "zh-CN"),
        ("fr", "zh-CN"),
        ("en;q=x", "zh-CN"),
        ("en;q=0", "zh-CN"),
    ],
)
def test_the_language_that_the_browser_likes_best(header: str, language: str) -> None:
    assert choose_language(header) == language


def test_values_stand_in_the_sentence() -> None:
    words = Words()
    assert words.error("password_too_short", "zh-CN", {"min": 10}) == "密码太短，请至少使用 10 个字符。"
    assert "at least 10 characters" in words.error("password_too_short", "en", {"min": 10})
