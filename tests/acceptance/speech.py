# SPDX-License-Identifier: Apache-2.0
"""The spoken sessions of the acceptance test: microphone files from a reference, and the beep found again."""

from __future__ import annotations

import json
import os
import wave
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

RATE = 48_000
BEEP_HZ = 1_000.0
BEEP_S = 0.5
AFTER_BEEP_S = 1.5
"""Silence between the beep and the first sample of the session."""
DATA = Path(__file__).parents[1] / "data"


@dataclass(frozen=True)
class Turn:
    """One stretch of speech of the reference."""

    track: str
    start_s: float
    """Seconds after the first sample of the session."""
    end_s: float
    text: str


@dataclass(frozen=True)
class SpokenSession:
    """A session to play: which tracks exist and who says what when."""

    name: str
    folder: Path
    duration_s: float
    turns: tuple[Turn, ...]


FIRST_MINUTE_S = 63.3
"""Of synth-a: in a pause, after each of the three has spoken twice at least."""


def sessions() -> list[SpokenSession]:
    """synth-a; where recordings of real people lie beside the project real-a, and of synth-a the first minute."""
    beside = Path(os.environ.get("VIDEOHOME_SPEECH_DIR", Path(__file__).parents[3] / "shared" / "speech"))
    if (beside / "sessions" / "real-a" / "reference.json").exists():
        return [load(DATA / "synth-a", FIRST_MINUTE_S), load(beside / "sessions" / "real-a")]
    return [load(DATA / "synth-a")]


def load(folder: Path, until_s: float = float("inf")) -> SpokenSession:
    """Read a session's reference; only what is said before `until_s`."""
    reference = json.loads((folder / "reference.json").read_text("utf-8"))
    turns = tuple(Turn(t["track"], t["start"], t["end"], t["text"]) for t in reference["turns"])
    said = tuple(turn for turn in turns if turn.end_s < until_s)
    return SpokenSession(reference["id"], folder, min(reference["duration"], until_s), said)


def decode(path: Path, rate: int = RATE) -> NDArray[np.float32]:
    """A sound file as mono floats."""
    pieces = []
    with av.open(str(path)) as box:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
        for decoded in box.decode(audio=0):
            pieces += [f.to_ndarray()[0] for f in resampler.resample(decoded)]
        pieces += [f.to_ndarray()[0] for f in resampler.resample(None)]
    return np.concatenate(pieces).astype(np.float32) / 32768.0


def mixed(session: SpokenSession, tracks: tuple[str, ...]) -> NDArray[np.float32]:
    """The named tracks mixed, as one microphone in a shared room hears them."""
    sounds = [decode(session.folder / f"{track}.opus") for track in tracks]
    total = np.zeros(max(map(len, sounds)), np.float32)
    for sound in sounds:
        total[: len(sound)] += sound
    return np.clip(total[: round(session.duration_s * RATE)], -1, 1)


def beep() -> NDArray[np.float32]:
    """A tone with soft edges."""
    t = np.arange(int(BEEP_S * RATE)) / RATE
    edge = np.minimum(1, np.minimum(t, BEEP_S - t) / 0.01)
    return (0.5 * edge * np.sin(2 * np.pi * BEEP_HZ * t)).astype(np.float32)


def write_microphone(path: Path, sound: NDArray[np.float32], lead_s: float) -> None:
    """lead_s of silence, the beep, AFTER_BEEP_S of silence, then the sound; 48 kHz 16-bit mono."""
    silence = np.zeros(int(lead_s * RATE), np.float32)
    after = np.zeros(int(AFTER_BEEP_S * RATE), np.float32)
    write_sound(path, np.concatenate([silence, beep(), after, sound, np.zeros(RATE * 5, np.float32)]))


def write_sound(path: Path, sound: NDArray[np.float32]) -> None:
    """Just this, 48 kHz 16-bit mono."""
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes((sound * 32767).astype("<i2").tobytes())


def find_beep(sound: NDArray[np.float32], rate: int) -> float:
    """Seconds at which the beep begins: the first half second whose power lies in BEEP_HZ.

    Raises AssertionError when there is none.
    """
    hop = rate // 200
    window = rate // 20
    t = np.arange(window) / rate
    probe = np.exp(-2j * np.pi * BEEP_HZ * t)
    need = int(BEEP_S * 0.6 * 200)
    run = 0
    for index in range(0, len(sound) - window, hop):
        piece = sound[index : index + window]
        power = float(np.mean(piece**2))
        tone = 2 * float(np.abs(np.dot(piece, probe)) / window) ** 2
        run = run + 1 if power > 1e-3 and tone > 0.7 * power else 0
        if run >= need:
            first = index - (need - 1) * hop
            # The window reaches ahead: the beep starts where its power passes a tenth of the full tone.
            block = sound[first : first + 2 * window]
            loud = np.flatnonzero(np.abs(block) > 0.1)
            return (first + int(loud[0])) / rate
    raise AssertionError("no beep in this track")
