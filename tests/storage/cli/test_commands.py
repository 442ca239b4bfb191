# SPDX-License-Identifier: Apache-2.0
"""The command line's small commands: what is in force, programs alone, wrong settings."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from storage.settings import Settings
from tests.embedded_store import wait
from tests.ports import free_port


def videohome(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    packages = str(Path(__file__).parents[3])
    return subprocess.run(
        [sys.executable, "-m", "storage.cli.app", *arguments],
        env={**os.environ, "COLUMNS": "300", "PYTHONPATH": packages, **environment},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_settings_in_force_and_where_they_come_from(tmp_path: Path) -> None:
    (tmp_path / "videohome.toml").write_text(
        'county = "qingyang"\nhttps_port = 9443\ns3_secret_key = "from-the-file"\n'
    )
    shown = videohome(
        "config", "show", cwd=tmp_path, VIDEOHOME_HTTPS_PORT="10443", VIDEOHOME_S3_ACCESS_KEY="from-outside"
    )
    assert (shown.returncode, shown.stderr) == (0, "")
    rows = {
        cells[1]: cells for line in shown.stdout.splitlines() if len(cells := [c.strip() for c in line.split("│")]) > 4
    }
    assert set(Settings.model_fields) <= set(rows)
    assert rows["county"][2:4] == ["qingyang", "file"]
    assert rows["https_port"][2:4] == ["10443", "environment"]
    assert rows["media_port"][2:4] == ["7882", "default"]
    assert rows["s3_secret_key"][2:4] == ["(set)", "file"]
    assert rows["s3_access_key"][2:4] == ["(set)", "environment"]
    assert "from-" not in shown.stdout


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("county = 5\n", "Setting county: Input should be a valid string."),
        ("countyy = 'a'\n", "Setting countyy: Extra inputs are not permitted."),
        ("county = 'A B'\n", "Setting county: String should match pattern '^[a-z0-9-]{1,32}$'."),
        ("county =\n", "The settings file cannot be read: "),
    ],
)
@pytest.mark.parametrize("command", ["serve", "doctor"])
def test_a_wrong_settings_file_is_one_sentence(tmp_path: Path, text: str, sentence: str, command: str) -> None:
    (tmp_path / "videohome.toml").write_text(text)
    refused = videohome(command, cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (78, "")
    assert refused.stderr.startswith(sentence)
    assert refused.stderr.count("\n") == 1


@pytest.mark.timeout(120)
def test_a_program_alone_ends_with_a_signal(tmp_path: Path) -> None:
    """From a folder that has a module of the same name, which must not be run."""
    (tmp_path / "mediaserver").mkdir()
    (tmp_path / "mediaserver" / "__main__.py").write_text("print('an intruder')")
    log = tmp_path / "log"
    with log.open("wb") as target:
        program = subprocess.Popen(
            [sys.executable, "-P", "-m", "storage.cli.app", "mediaserver"],
            env={
                **os.environ,
                "PYTHONPATH": str(Path(__file__).parents[3]),
                "VIDEOHOME_DATA_DIR": str(tmp_path / "data"),
                "VIDEOHOME_MEDIA_PORT": str(free_port()),
            },
            cwd=tmp_path,
            stdout=target,
            stderr=target,
        )
    try:
        wait(lambda: (tmp_path / "data" / "run" / "media.sock").exists(), 60, "the media server's socket")
        program.send_signal(signal.SIGTERM)
        assert program.wait(30) == 0
    finally:
        program.kill()
        program.wait()
    assert "intruder" not in log.read_text()
