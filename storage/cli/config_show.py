# SPDX-License-Identifier: Apache-2.0
"""Prints the settings in force."""

from __future__ import annotations

import os

from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from storage.settings import Settings


def rows(settings: Settings) -> list[tuple[str, str, str, str]]:
    """(name, value, where it comes from, meaning) of every setting; a secret shows only whether it is set."""
    found = []
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            text = "(set)" if value.get_secret_value() else "(empty)"
        else:
            text = "" if value is None else ", ".join(value) if isinstance(value, list) else str(value)
        if f"VIDEOHOME_{name.upper()}" in os.environ:
            source = "environment"
        else:
            source = "file" if name in settings.model_fields_set else "default"
        found.append((name, text, source, field.description or ""))
    return found


def show(settings: Settings) -> None:
    """Print a table of all settings."""
    table = Table("setting", "value", "from", "meaning", title="Video Home settings")
    for row in rows(settings):
        table.add_row(*row)
    console = Console()
    console.print(table)
    console.print("Change one in videohome.toml (name = value) or by VIDEOHOME_NAME in the environment.")
