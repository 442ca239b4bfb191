# SPDX-License-Identifier: Apache-2.0
"""The supervisor with small real programs: stopping at the worst moment, programs that will not end, long lines."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import psutil
import pytest

from storage.cli import supervisor
from storage.cli.supervisor import Program, Supervisor

FOREVER = "import signal, time\nprint('ready', flush=True)\ntime.sleep(600)"
STUBBORN = (
    "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('ready', flush=True)\ntime.sleep(600)"
)


def children() -> list[int]:
    return [child.pid for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]


async def until_log_says(folder: Path, name: str, text: str) -> None:
    path = folder / f"{name}.log"
    async with asyncio.timeout(30):
        while not path.exists() or text not in path.read_text("utf-8"):
            await asyncio.sleep(0.02)


def make(folder: Path) -> tuple[Supervisor, list[tuple[str, int]]]:
    ends: list[tuple[str, int]] = []
    return Supervisor(folder, lambda name, status: ends.append((name, status))), ends


@pytest.mark.parametrize("turns", range(6))
async def test_a_stop_while_a_program_is_being_started_leaves_nothing(tmp_path: Path, turns: int) -> None:
    before = children()
    keeper, _ = make(tmp_path)
    keeper.start(Program("one", ["-c", FOREVER]))
    for _ in range(turns):  # so many steps of the loop into the start
        await asyncio.sleep(0)
    await keeper.stop()
    assert children() == before


async def test_a_dead_program_is_started_again_and_told(tmp_path: Path) -> None:
    keeper, ends = make(tmp_path)
    keeper.start(Program("one", ["-c", "print('hello', flush=True)\nraise SystemExit(3)"]))
    async with asyncio.timeout(30):
        while len(ends) < 2:
            await asyncio.sleep(0.02)
    await keeper.stop()
    assert set(ends) == {("one", 3)}
    assert (tmp_path / "one.log").read_text("utf-8").count("hello\n") >= 2


async def test_a_program_that_refuses_its_settings_is_not_started_again(tmp_path: Path) -> None:
    keeper, ends = make(tmp_path)
    keeper.start(Program("one", ["-c", "print('Port 0 is no port.')\nraise SystemExit(78)"]))
    assert await asyncio.wait_for(keeper.fault, 30) == "The program one cannot run: Port 0 is no port."
    assert keeper.states() == {"one": None}
    await keeper.stop()
    assert ends == []


async def test_programs_that_end_together_are_told_at_once_and_the_others_are_kept(tmp_path: Path) -> None:
    waits = "import signal, time\nsignal.signal(signal.SIGTERM, lambda *_: print('told', flush=True))\n"
    waits += "signal.signal(signal.SIGINT, lambda *_: exit(0))\nprint('ready', flush=True)\nwhile True: time.sleep(600)"
    keeper, ends = make(tmp_path)
    for name in ("one", "two"):
        keeper.start(Program(name, ["-c", waits]))
    keeper.start(Program("other", ["-c", FOREVER]))
    for name in ("one", "two", "other"):
        await until_log_says(tmp_path, name, "ready")
    stopping = asyncio.create_task(keeper.stop_together(["one", "two"], 60))
    for name in ("one", "two"):
        await until_log_says(tmp_path, name, "told")
    keeper.send_signal(["other"], signal.SIGKILL)
    async with asyncio.timeout(30):
        while not ends:
            await asyncio.sleep(0.02)
    keeper.send_signal(["one", "two"], signal.SIGINT)
    await asyncio.wait_for(stopping, 30)
    assert ends == [("other", -signal.SIGKILL)], "nobody was killed for being slow, and the other one is started again"
    states = keeper.states()
    assert states["one"] is states["two"] is None
    await keeper.stop()


async def test_a_program_that_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "STOP_GRACE_S", 0.3)
    keeper, ends = make(tmp_path)
    keeper.start(Program("one", ["-c", STUBBORN]))
    await until_log_says(tmp_path, "one", "ready")
    pid = keeper.states()["one"]
    await keeper.stop()
    assert ends == [("one", -signal.SIGKILL)]
    assert pid is not None
    assert not psutil.pid_exists(pid)


async def test_a_program_waiting_to_be_started_again_does_not_delay_the_stop(tmp_path: Path) -> None:
    keeper, ends = make(tmp_path)
    keeper.start(Program("one", ["-c", "raise SystemExit(1)"]))
    async with asyncio.timeout(30):
        while not ends:
            await asyncio.sleep(0.02)
    async with asyncio.timeout(supervisor.STOP_GRACE_S):
        await keeper.stop()
    assert keeper.states() == {"one": None}


@pytest.mark.parametrize("length", [65_535, 65_536, 65_537, 200_000])
async def test_long_lines_are_kept_in_pieces(tmp_path: Path, length: int) -> None:
    keeper, _ = make(tmp_path)
    keeper.start(
        Program("one", ["-c", f"print('x' * {length})\nprint('end', flush=True)\nimport time\ntime.sleep(600)"])
    )
    await until_log_says(tmp_path, "one", "end\n")
    await keeper.stop()
    assert (tmp_path / "one.log").read_text("utf-8").count("x") == length


async def test_a_folder_of_the_same_name_where_it_is_started_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "storage").mkdir()
    (tmp_path / "storage" / "ids.py").write_text("print('an intruder')")
    monkeypatch.chdir(tmp_path)
    keeper, _ = make(tmp_path)
    keeper.start(Program("one", ["-c", "from storage.ids import new_id\nprint('ours', len(new_id()), flush=True)"]))
    await until_log_says(tmp_path, "one", "ours 26\n")
    await keeper.stop()
    assert "intruder" not in (tmp_path / "one.log").read_text("utf-8")


async def test_programs_end_in_the_order_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "ends").touch()
    told = "import pathlib, signal, sys\nprint('ready', flush=True)\nsignal.sigwait([signal.SIGTERM])\n"
    told = told.replace("print", "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])\nprint")
    keeper, _ = make(tmp_path)
    for name in ("a", "b", "c", "d"):
        keeper.start(Program(name, ["-c", f"{told}open({str(tmp_path / 'ends')!r}, 'a').write('{name}')"]))
        await until_log_says(tmp_path, name, "ready")
    await keeper.stop(("b", "a"))
    assert (tmp_path / "ends").read_text() == "badc"
