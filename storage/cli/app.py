# SPDX-License-Identifier: Apache-2.0
"""The `videohome` command. Each program is a sub-command that can also be started alone, for example under systemd.

The programs are loaded by name: the shared library must not import them.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
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
node_app = typer.Typer(no_args_is_help=True, help="Media nodes: other machines that hold calls.")
app.add_typer(node_app, name="node")


def settings_or_exit() -> Settings:
    """The settings, or exit status 78 with one sentence for each fault."""
    try:
        return load_settings()
    except SettingsFault as fault:
        Console(stderr=True, soft_wrap=True).print(str(fault), style="red", markup=False, highlight=False)
        raise SystemExit(EXIT_CONFIGURATION) from None


def _become(module: str) -> NoReturn:
    """Replace this process by `python -m module`, so that signals reach the program itself."""
    from storage.cli.supervisor import program_environment

    os.execve(sys.executable, [sys.executable, "-m", module], program_environment())  # noqa: S606 - no shell


@app.command()
def serve() -> None:
    """Run everything on this machine, or on a media node its part; Ctrl-C stops it."""
    from storage.cli import serve, serve_node

    settings = settings_or_exit()
    raise SystemExit(serve_node.run(settings) if settings.node_name else serve.run(settings))


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


@app.command()
def verify(
    target: Annotated[
        str, typer.Argument(help="Session id (read from the store), or the folder or zip it was exported to.")
    ],
    key: Annotated[str, typer.Option(help="Public key (hex) that must have sealed it; default: this machine's.")] = "",
    code: Annotated[str, typer.Option(help="Integrity code that must be the recording's, as it stands on paper.")] = "",
    authority: Annotated[
        Path | None,
        typer.Option(help="Root certificate (PEM) of the time stamp authority; default: timestamp_certificate."),
    ] = None,
    copy: Annotated[bool, typer.Option("--copy", help="Read it from the second store.")] = False,
) -> None:
    """Check a recording: its seal, its chain, and every segment's size and digests."""
    from storage.cli.verify import Expected, run

    raise SystemExit(run(settings_or_exit(), target, Expected(key, code, authority, copy)))


@app.command("verify-audit")
def verify_audit(
    noted: Annotated[str, typer.Option(help="An end noted earlier (NUMBER:SHA-256); it must be there.")] = "",
) -> None:
    """Check the audit: its chain from the first row to the last, none changed, missing or moved."""
    from storage.cli.verify_audit import run

    raise SystemExit(run(settings_or_exit(), noted=noted))


@app.command()
def expire(
    really: Annotated[bool, typer.Option("--really", help="Delete; without it nothing is changed.")] = False,
    json_out: Annotated[bool, typer.Option("--json", help="Print what is due as JSON.")] = False,
) -> None:
    """List the recordings that reached their time, or delete them. Nothing under hold, nothing before its time."""
    run = importlib.import_module("web.expire_command").run
    raise SystemExit(run(settings_or_exit(), really=really, json_out=json_out))


@app.command()
def reconcile(json_out: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False) -> None:
    """Compare database, store and spool; say what is missing, left over or unknown. Changes nothing."""
    from storage.cli.reconcile import run

    raise SystemExit(run(settings_or_exit(), json_out=json_out))


@node_app.command("add")
def node_add(
    name: Annotated[str, typer.Argument(help="Name of the new node.")],
    out: Annotated[Path | None, typer.Option(help="File to write; default: NAME.node.")] = None,
) -> None:
    """On the machine with the pages: make the file by which another machine becomes a media node."""
    add = importlib.import_module("web.node_command").add
    raise SystemExit(add(settings_or_exit(), name, out or Path(f"{name}.node")))


@node_app.command("join")
def node_join(
    file: Annotated[Path, typer.Argument(help="The file that was made; it is removed.")],
    secret: Annotated[str, typer.Option(prompt="Secret", hide_input=True, help="What was shown with it.")],
) -> None:
    """On the other machine, with node_name set: take that file."""
    from storage.cli.node_join import run

    raise SystemExit(run(settings_or_exit(), file, secret))


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
