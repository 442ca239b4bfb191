# SPDX-License-Identifier: Apache-2.0
"""Speech models on disk: where they are, whether they are whole, and whether they are what they were.

A model is a folder in CTranslate2's form. Installed ones lie in `data_dir/models/NAME`; a folder of one's own is named
by the setting `whisper_model_dir`. Digests of a known model are pinned here; those of any other model are recorded when
it is installed (or, for a folder of one's own, first used) and compared ever after. No model is
swapped for another.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from storage.settings import Settings
from transcribe.faults import TranscriptFault

MODEL_FILE = "model.bin"
_ENGLISH_VOCABULARY = 51_864
_FIRST_128_MEL_VOCABULARY = 51_866

PINNED_DIGESTS: Mapping[str, Mapping[str, str]] = {
    # Systran/faster-whisper-base at revision ebe41f70d5b6, which the two packages rebuild byte for byte.
    "base": {
        "model.bin": "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
        "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
        "tokenizer.json": "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
        "vocabulary.txt": "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
    },
}

HUB_REPOSITORIES: Mapping[str, str] = {
    "tiny": "Systran/faster-whisper-tiny",
    "base": "Systran/faster-whisper-base",
    "small": "Systran/faster-whisper-small",
    "medium": "Systran/faster-whisper-medium",
    "large-v2": "Systran/faster-whisper-large-v2",
    "large-v3": "Systran/faster-whisper-large-v3",
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
}


@dataclass(frozen=True, slots=True)
class Model:
    """A folder whose files were compared with their digests just now."""

    name: str
    folder: Path
    digests: Mapping[str, str]
    """File name to sha256 in hex."""
    pinned: bool
    """True when the digests are the published ones, False when only those seen at installation."""

    @property
    def digest(self) -> str:
        """sha256 over the sorted lines `digest  name`: one value for the whole model."""
        lines = "".join(f"{self.digests[name]}  {name}\n" for name in sorted(self.digests))
        return hashlib.sha256(lines.encode()).hexdigest()


def models_dir(settings: Settings) -> Path:
    """Folder of the installed models."""
    return settings.data_dir / "models"


def file_digest(path: Path) -> str:
    """sha256 of a file in hex."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def missing_files(folder: Path) -> list[str]:
    """Names of the files that faster-whisper needs and that are not there, in order.

    `preprocessor_config.json` is needed by models with 128 mel bins only (large-v3 and turbo, known by their
    vocabulary): without it the engine would make 80 and fail at the first word. Without `tokenizer.json` it would go
    to the hub.
    """
    missing = [name for name in (MODEL_FILE, "config.json", "tokenizer.json") if not (folder / name).is_file()]
    if not any((folder / name).is_file() for name in ("vocabulary.json", "vocabulary.txt")):
        missing.append("vocabulary.json")
    elif _vocabulary_size(folder) >= _FIRST_128_MEL_VOCABULARY and not (folder / "preprocessor_config.json").is_file():
        missing.append("preprocessor_config.json")
    return missing


def _vocabulary_size(folder: Path) -> int:
    if (folder / "vocabulary.json").is_file():
        try:
            return len(json.loads((folder / "vocabulary.json").read_text("utf-8")))
        except ValueError:
            return 0
    # One token a line; a token itself never holds a line feed.
    return (folder / "vocabulary.txt").read_bytes().rstrip(b"\n").count(b"\n") + 1


def is_english_only(folder: Path) -> bool:
    """True for the `.en` models, known by their vocabulary, which has one token less."""
    return 0 < _vocabulary_size(folder) <= _ENGLISH_VOCABULARY


def check_folder(name: str, folder: Path, language: str) -> None:
    """Raises TranscriptFault when files are missing (each is named) or the model cannot speak the language."""
    if not folder.is_dir():
        raise TranscriptFault(
            "model_missing",
            f"The speech model {name} is not installed (folder {folder}). "
            f"Install it with: videohome models install {name}",
        )
    missing = missing_files(folder)
    if missing:
        listed = "".join(f"\nMissing file: {folder / file}" for file in missing)
        raise TranscriptFault("model_incomplete", f"The speech model {name} is not complete.{listed}")
    if language != "en" and is_english_only(folder):
        raise TranscriptFault(
            "model_english_only", f"The speech model {name} knows English only; the sessions are in '{language}'."
        )


def model_file_digests(folder: Path, digest_of: Callable[[Path], str] = file_digest) -> dict[str, str]:
    """Digests of all files that make up the model."""
    return {
        path.name: digest_of(path)
        for path in sorted(folder.iterdir())
        if path.is_file() and path.suffix in {".bin", ".json", ".txt"}
    }


def record_path(settings: Settings, name: str, folder: Path) -> Path:
    """Where the digests seen at installation are kept: beside the folder, never in it."""
    if folder == models_dir(settings) / name:
        return models_dir(settings) / f"{name}.digests.json"
    key = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    return models_dir(settings) / f"folder-{key}.digests.json"


def write_record(path: Path, folder: Path, digests: Mapping[str, str]) -> None:
    """Keeps digests, replacing an older record at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps({"folder": str(folder), "digests": dict(digests)}, indent=1), "utf-8")
    os.replace(temporary, path)


def expected_digests(settings: Settings, name: str, folder: Path) -> tuple[Mapping[str, str] | None, bool]:
    """Pinned digests (True) or recorded ones (False), or None when this model was never seen."""
    if name in PINNED_DIGESTS and folder == models_dir(settings) / name:
        return PINNED_DIGESTS[name], True
    path = record_path(settings, name, folder)
    if not path.is_file():
        return None, False
    digests: Mapping[str, str] = json.loads(path.read_text("utf-8"))["digests"]
    return digests, False


def compare(name: str, folder: Path, expected: Mapping[str, str], found: Mapping[str, str]) -> None:
    """Raises TranscriptFault that names each file whose bytes are not the expected ones."""
    wrong = [file for file in sorted(expected) if found.get(file) != expected[file]]
    if wrong:
        listed = "".join(f"\nWrong file: {folder / file}" for file in wrong)
        raise TranscriptFault("model_damaged", f"The speech model {name} is not what was installed.{listed}")


class ModelStore:
    """Finds and verifies the configured model; remembers digests of files that have not changed since."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._seen: dict[tuple[str, int, int, int], str] = {}

    def folder(self, name: str) -> Path:
        """Where the model of that name is expected."""
        if self._settings.whisper_model_dir is not None and name == self._settings.whisper_model:
            return self._settings.whisper_model_dir
        return models_dir(self._settings) / name

    def verified(self, name: str, language: str) -> Model:
        """The model, whole and unchanged. Raises TranscriptFault (model_…) otherwise."""
        folder = self.folder(name)
        check_folder(name, folder, language)
        found = model_file_digests(folder, self._digest)
        expected, pinned = expected_digests(self._settings, name, folder)
        if expected is None:
            write_record(record_path(self._settings, name, folder), folder, found)
        else:
            compare(name, folder, expected, found)
        return Model(name, folder, found, pinned)

    def _digest(self, path: Path) -> str:
        stat = path.stat()
        key = (str(path), stat.st_size, stat.st_mtime_ns, stat.st_ino)
        if key not in self._seen:
            self._seen[key] = file_digest(path)
        return self._seen[key]


def check_configured(settings: Settings) -> tuple[bool, str]:
    """Whether the configured model is whole, unchanged and speaks the sessions' language, and a sentence that says so.

    The embedded default counts as good before the first start: the worker then installs it from its packages.
    """
    name = settings.whisper_model
    by_itself = name == "base" and settings.whisper_model_dir is None
    if by_itself and not (models_dir(settings) / name).exists():
        return True, f"{name} is put in place from its two packages when the speech worker first starts."
    try:
        model = ModelStore(settings).verified(name, settings.language)
    except TranscriptFault as fault:
        return False, _in_one_sentence(fault, settings)
    except OSError as error:
        return False, f"The speech model {name} cannot be read ({error.strerror}); give this user access to its folder."
    how = "published" if model.pinned else "recorded"
    return True, f"{name} in {model.folder} matches its {how} digests."


def _in_one_sentence(fault: TranscriptFault, settings: Settings) -> str:
    head, *details = fault.sentence.splitlines()
    if not details:
        return head
    own = settings.whisper_model_dir is not None
    repair = (
        "put the right files there." if own else f"install it again: videohome models install {settings.whisper_model}"
    )
    return f"{head.rstrip('.')} ({'; '.join(detail[:1].lower() + detail[1:] for detail in details)}); {repair}"
