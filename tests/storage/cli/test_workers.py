# SPDX-License-Identifier: Apache-2.0
"""Which programs `serve` runs for several media processes, and the settings that follow from their number."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from storage.cli import serve
from storage.settings import Settings


def names(settings: Settings) -> dict[str, str]:
    programs = [*serve._early_programs(settings), *serve._late_programs(settings)]
    return {program.name: program.environment.get("VIDEOHOME_WORKER", "") for program in programs}


def test_each_media_process_has_a_recorder_and_its_number(tmp_path: Path) -> None:
    one = names(Settings(data_dir=tmp_path))
    assert one == {"store": "", "web": "", "mediaserver": "0", "recorder": "0", "worker": ""}
    two = names(Settings(data_dir=tmp_path, workers=2))
    assert two == one | {"mediaserver-1": "1", "recorder-1": "1"}


def test_recordings_of_a_process_that_is_not_run_any_more_are_still_looked_after(tmp_path: Path) -> None:
    (tmp_path / "spool-3" / "c" / "sessions" / "s").mkdir(parents=True)
    (tmp_path / "spool-4").mkdir()
    assert names(Settings(data_dir=tmp_path)).keys() == {
        "store", "web", "mediaserver", "recorder", "recorder-3", "worker",
    }  # fmt: skip


def test_every_process_has_port_sockets_and_spool_of_its_own(tmp_path: Path) -> None:
    made = [Settings(data_dir=tmp_path, workers=3, worker=number, media_port=7000) for number in range(3)]
    assert [settings.worker_port for settings in made] == [7000, 7001, 7002] == list(made[0].media_ports)
    assert len({settings.worker_dir() for settings in made}) == len({settings.spool_dir for settings in made}) == 3
    assert made[0].worker_dir() == made[0].run_dir and made[0].spool_dir.name == "spool"
    assert made[0].worker_dir(2) == made[2].worker_dir()


@pytest.mark.parametrize(("port", "workers", "good"), [(65_520, 16, True), (65_521, 16, False), (65_535, 1, True)])
def test_ports_end_where_they_end(tmp_path: Path, port: int, workers: int, good: bool) -> None:
    if good:
        Settings(data_dir=tmp_path, media_port=port, workers=workers)
        return
    with pytest.raises(ValidationError, match="beyond 65535"):
        Settings(data_dir=tmp_path, media_port=port, workers=workers)


@pytest.mark.parametrize("workers", [0, 17])
def test_how_many_there_can_be(tmp_path: Path, workers: int) -> None:
    with pytest.raises(ValidationError):
        Settings(data_dir=tmp_path, workers=workers)


def test_the_banner_names_all_ports(tmp_path: Path) -> None:
    assert serve._ports_text(Settings(data_dir=tmp_path, media_port=7000)) == "port 7000"
    assert serve._ports_text(Settings(data_dir=tmp_path, media_port=7000, workers=4)) == "ports 7000 to 7003"
