# SPDX-License-Identifier: Apache-2.0
"""The door to Fluent: sentences in the language of whoever reads them, from `web/locales/LANGUAGE/*.ftl`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import structlog
from fluent.runtime import FluentBundle, FluentResource

LANGUAGES: Final = ("zh-CN", "en")
"""All languages, the default first."""

_LOCALES = Path(__file__).with_name("locales")
_ID = re.compile(r"^([a-zA-Z][\w-]*) *=", re.MULTILINE | re.ASCII)
log = structlog.get_logger(__name__)


def choose_language(accept_language: str) -> str:
    """The language that a browser's Accept-Language header likes best (RFC 9110, 12.5.4); the default without one."""
    best, best_weight = LANGUAGES[0], 0.0
    for item in accept_language.split(",")[:20]:
        tag, _, quality = item.partition(";")
        try:
            weight = float(quality.strip().removeprefix("q=")) if quality.strip() else 1.0
        except ValueError:
            continue
        primary = tag.strip().lower().partition("-")[0]
        for language in LANGUAGES:
            if primary == language.lower().partition("-")[0] and weight > best_weight:
                best, best_weight = language, weight
    return best


class Words:
    """All sentences of the server.

    They are read at once; a file is parsed when its first sentence is wanted, because a start should not wait for all.
    """

    def __init__(self, folder: Path = _LOCALES) -> None:
        """Raises OSError when a language has no folder."""
        self._languages = {language: _Language(folder / language, language) for language in LANGUAGES}

    def has(self, message_id: str, language: str) -> bool:
        """True when the language has this sentence."""
        return self._languages[language].has(message_id)

    def say(self, message_id: str, language: str, params: Mapping[str, object] | None = None) -> str:
        """The sentence, lists joined; the id itself when no language has it (a fault of ours, logged)."""
        for each in dict.fromkeys((language, *LANGUAGES)):
            if each not in self._languages or not self._languages[each].has(message_id):
                continue
            bundle = self._languages[each].bundle_with(message_id)
            pattern = bundle.get_message(message_id).value
            assert pattern is not None, f"{message_id} has only attributes"
            text, faults = bundle.format_pattern(pattern, _arguments(params or {}, each))
            if faults:
                log.error("sentence_faulty", message=message_id, language=each, faults=[str(f) for f in faults])
            return str(text)
        log.error("sentence_missing", message=message_id)
        return message_id

    def error(self, code: str, language: str, params: Mapping[str, object] | None = None) -> str:
        """The sentence of an error code."""
        return self.say(f"error-{code.replace('_', '-')}", language, params)


class _Language:
    """The sentences of one language. Sentences refer only to others of their own file."""

    def __init__(self, folder: Path, language: str) -> None:
        # Isolating marks around values are for mixed directions; both of our languages run left to right.
        self._bundle = FluentBundle([language], use_isolating=False)
        self._texts = {path: path.read_text("utf-8") for path in sorted(folder.iterdir()) if path.suffix == ".ftl"}
        self._file_of = {name: path for path, text in self._texts.items() for name in _ID.findall(text)}

    def has(self, message_id: str) -> bool:
        return message_id in self._file_of

    def bundle_with(self, message_id: str) -> FluentBundle:
        """The bundle, in which this sentence stands."""
        text = self._texts.pop(self._file_of[message_id], None)
        if text is not None:
            self._bundle.add_resource(FluentResource(text))
        return self._bundle


def _arguments(params: Mapping[str, object], language: str) -> dict[str, object]:
    """Values as Fluent takes them: a list becomes one text."""
    comma = "、" if language == "zh-CN" else ", "
    return {
        name: comma.join(map(str, value)) if isinstance(value, list | tuple) else _scalar(value)
        for name, value in params.items()
    }


def _scalar(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    return "" if value is None else str(value)
