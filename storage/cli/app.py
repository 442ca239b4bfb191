# SPDX-License-Identifier: Apache-2.0
"""The `videohome` command. Each program is a sub-command that can also be started alone, for example under systemd.

The programs are loaded by name: the shared library must not import them.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from storage.settings import EXIT_CONFIGURATION, Settings, SettingsFault, load_settings

PROGRAMS = {
    "mediaserver": "mediaserver",
    "recorder": "mediaserver.recorder",
    "worker": "transcribe",
    "web": "web",
}
"""Program name -> module that runs it."""

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Video Home 视频之家: meet, record, transcribe.")
config_app = typer.Typer(no_args_is_help=True, help="Show the settings in force.")
app.add_typer(config_app, name="config")


def settings_or_exit() -> Settings:
    """The settings, or exit status 78 with one sentence for each fault."""
    try:
        return load_settings()
    except SettingsFault as fault:
        Console(stderr=True).print(str(fault), style="red", markup=False, highlight=False)
        raise SystemExit(EXIT_CONFIGURATION) from None


def _become(module: str) -> NoReturn:
    """Replace this process by `python -m module`, so that signals reach the program itself."""
    os.execv(sys.executable, [sys.executable, "-m", module])  # noqa: S606 - a fixed module, no shell


@app.command()
def serve() -> None:
    """Run everything on this machine; Ctrl-C stops it."""
    from storage.cli.serve import run

    raise SystemExit(run(settings_or_exit()))


@app.command()
def mediaserver() -> None:
    """Run the media server alone."""
    _become(PROGRAMS["mediaserver"])


@app.command()
def recorder() -> None:
    """Run the recorder alone; it belongs on the media server's machine."""
    _become(PROGRAMS["recorder"])


@app.command()
def worker() -> None:
    """Run one speech worker alone."""
    _become(PROGRAMS["worker"])


@app.command()
def web() -> None:
    """Run the HTTPS front alone."""
    _become(PROGRAMS["web"])


@app.command()
def doctor(
    json_out: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check ports, certificate, disk, bucket, model, codecs and clock; say what is wrong and what to do."""
    from storage.cli.doctor import run

    raise SystemExit(run(settings_or_exit(), json_out=json_out))


@config_app.command("show")
def config_show() -> None:
    """Print every setting in force and where to change it; secrets are hidden."""
    from storage.cli.config_show import show

    show(settings_or_exit())


def main() -> None:
    """Entry point of the `videohome` command."""
    for name, module, attribute in (("models", "transcribe.models_command", "app"),):
        app.add_typer(getattr(importlib.import_module(module), attribute), name=name)
    app()


if __name__ == "__main__":
    main()
