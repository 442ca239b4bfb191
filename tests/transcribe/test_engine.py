# SPDX-License-Identifier: Apache-2.0
"""The engine's child process with the real model: windows, hotwords, and every way in which it may end."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from storage.settings import Settings
from tests.acceptance.speech import DATA, decode
from tests.embedded_store import wait
from transcribe.engine import EngineOptions, WhisperEngine
from transcribe.engine_child import plan_windows, read_pcm
from transcribe.faults import TranscriptFault
from transcribe.model_install import install_base_from_packages

OPTIONS = EngineOptions("zh", "以下是普通话的句子。")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_base_from_packages(Settings(data_dir=tmp_path_factory.mktemp("base"))).folder


@pytest.fixture(scope="module")
def pcm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The hq officer's track as the worker keeps it."""
    path = tmp_path_factory.mktemp("pcm") / "track.pcm"
    samples = decode(DATA / "synth-a" / "hq.opus", 16_000)
    path.write_bytes((samples * 32767).astype("<i2").tobytes())
    return path


@pytest.fixture
def engine(model: Path) -> Iterator[WhisperEngine]:
    made = WhisperEngine(model)
    yield made
    made.close()


def child_of(engine: WhisperEngine) -> psutil.Process:
    assert engine._child is not None
    return psutil.Process(engine._child.pid)


@pytest.mark.parametrize(
    ("ranges", "speech", "wanted"),
    [
        ([], [], []),
        ([(0, 100)], [], [(0, 100)]),
        ([(5, 600_005)], [], [(5, 600_005)]),
        ([(0, 600_001)], [], [(0, 570_000), (570_000, 600_001)]),
        ([(0, 700_000)], [(540_000, 580_000)], [(0, 590_000), (590_000, 700_000)]),
        ([(0, 700_000)], [(540_000, 550_000), (552_000, 600_000)], [(0, 551_000), (551_000, 700_000)]),
        ([(0, 700_000)], [(540_000, 600_000)], [(0, 600_000), (600_000, 700_000)]),
        ([(0, 10), (20, 20), (30, 40)], [], [(0, 10), (30, 40)]),
    ],
)
def test_long_stretches_are_cut_in_the_longest_silence(
    ranges: list[tuple[int, int]], speech: list[tuple[int, int]], wanted: list[tuple[int, int]]
) -> None:
    assert plan_windows(ranges, 600_000, lambda low, high: speech) == wanted


def test_a_stretch_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "pcm"
    path.write_bytes(np.arange(-16_000, 16_000, dtype="<i2").tobytes())
    assert read_pcm(path, 0, 1).tolist() == [(n - 16_000) / 32768 for n in range(16)]
    assert len(read_pcm(path, 1_999, 5_000)) == 16
    assert len(read_pcm(path, 2_000, 5_000)) == 0


@pytest.mark.timeout(240)
def test_words_lie_on_the_session_clock_and_progress_rises(engine: WhisperEngine, pcm: Path) -> None:
    told: list[float] = []
    got = engine.recognise(pcm, (22_000, 60_000), OPTIONS, told.append)
    assert all(22_000 <= word.start_ms <= word.end_ms <= 60_000 for word in got.heard.words)
    assert abs(got.heard.words[0].start_ms - 24_431) < 1_000
    assert "大" in "".join(word.text for word in got.heard.words)
    assert told == sorted(told)
    assert told
    assert max(word.segment for word in got.heard.words) < len(got.heard.segments)
    assert got.hotwords_left_out == ()


@pytest.mark.timeout(240)
def test_hotwords_that_do_not_fit_are_named_and_the_rest_helps(engine: WhisperEngine, pcm: Path) -> None:
    names = ("周敏", *(f"榆树沟第{number}村民小组" for number in range(60)))
    got = engine.recognise(pcm, (0, 12_000), EngineOptions("zh", OPTIONS.prompt, names), lambda _: None)
    assert 0 < len(got.hotwords_left_out) < 50
    assert got.hotwords_left_out == names[-len(got.hotwords_left_out) :]
    assert "周敏" in "".join(word.text for word in got.heard.words)


def test_silence_gives_nothing_and_takes_no_model(engine: WhisperEngine, tmp_path: Path) -> None:
    path = tmp_path / "silence.pcm"
    path.write_bytes(bytes(60 * 32_000))
    assert engine.windows(path, [(0, 60_000)]) == [(0, 60_000)]
    assert engine.recognise(path, (0, 60_000), OPTIONS, lambda _: None).heard.words == ()


@pytest.mark.timeout(240)
def test_a_child_that_is_killed_is_a_named_fault_and_the_next_request_starts_another(
    engine: WhisperEngine, pcm: Path
) -> None:
    engine.windows(pcm, [(0, 1_000)])
    child = child_of(engine)
    threading.Timer(1.0, child.kill).start()
    with pytest.raises(TranscriptFault, match="engine_failed: The speech engine ended in the middle of work"):
        engine.recognise(pcm, (0, 140_000), OPTIONS, lambda _: None)
    assert engine.windows(pcm, [(0, 1_000)]) == [(0, 1_000)]
    assert child_of(engine).pid != child.pid


def test_a_model_that_cannot_be_loaded_is_a_named_fault(tmp_path: Path, pcm: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"no weights")
    broken = WhisperEngine(tmp_path)
    with pytest.raises(TranscriptFault, match="engine_failed"):
        broken.recognise(pcm, (0, 1_000), OPTIONS, lambda _: None)
    broken.close()


def test_the_child_ends_with_its_parent(engine: WhisperEngine, pcm: Path) -> None:
    engine.windows(pcm, [(0, 1_000)])
    child = child_of(engine)
    assert engine._child is not None
    assert engine._child.stdin is not None
    os.kill(child.pid, signal.SIGCONT)
    engine._child.stdin.close()  # what the kernel does when the parent dies
    wait(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 10, "the child's end")


def test_the_child_gives_way_to_calls(engine: WhisperEngine, pcm: Path) -> None:
    engine.windows(pcm, [(0, 1_000)])
    assert child_of(engine).nice() == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 10)
