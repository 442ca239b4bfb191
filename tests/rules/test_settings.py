# SPDX-License-Identifier: Apache-2.0
"""The README lists every setting as it is. `python -m tests.rules.test_settings` writes the list anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import SecretStr

from storage.settings import Settings

README = Path(__file__).parents[2] / "README.md"
BEGIN = "<!-- settings: written by `python -m tests.rules.test_settings` -->"
END = "<!-- end of settings -->"


def default_text(value: Any) -> str:
    """A default as one would write it."""
    if isinstance(value, SecretStr) or value is None or value == "" or value == []:
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def table() -> str:
    """The block that belongs into the README."""
    rows = [
        f"| `{name}` | {default_text(field.get_default(call_default_factory=True))} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join([BEGIN, "", "| Setting | Default | Meaning |", "| --- | --- | --- |", *rows, "", END])


def test_every_setting_stands_in_the_readme_as_the_program_knows_it() -> None:
    assert table() in README.read_text("utf-8"), "run: python -m tests.rules.test_settings"


def test_every_setting_says_what_it_means() -> None:
    assert [name for name, field in Settings.model_fields.items() if not (field.description or "").endswith(".")] == []


def write() -> None:
    """Replaces the block, or adds it at the end."""
    text = README.read_text("utf-8")
    if BEGIN in text:
        before, rest = text.split(BEGIN, 1)
        text = before + table() + rest.split(END, 1)[1]
    else:
        text = text.rstrip("\n") + "\n\n" + table() + "\n"
    README.write_text(text, "utf-8")


if __name__ == "__main__":
    write()
