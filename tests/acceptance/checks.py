# SPDX-License-Identifier: Apache-2.0
"""What must hold of a recorded and transcribed call, measured against what was played into the microphones."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from faster_whisper import WhisperModel
from numpy.typing import NDArray

from storage.manifest import Track
from tests.acceptance.picture import FRAMES
from tests.acceptance.recorded import Picture, Recorded, Sound
from tests.acceptance.speech import AFTER_BEEP_S, BEEP_S, RATE, SpokenSession, Turn, find_beep
from tests.speech_scoring import Owner, Span, character_error_rate, misplaced_s, turns_of_lines
from transcribe.engine import EngineOptions
from transcribe.script import simplified

EDGE_TOLERANCE_S = 0.4
"""How far a track's first and last sound may lie from the button: a packet on its way, and a busy machine's delay."""
LENGTH_TOLERANCE_S = 0.2
"""A decoded track is as long as it was recorded, give or take this."""
PLACE_TOLERANCE_S = 1.0
PLACED_SHARE = 0.95
"""Share of the lines that lie within PLACE_TOLERANCE_S of where they were spoken."""
PAUSE_S = 1.5
"""Turns at one microphone nearer than this may stand in one line: the engine's words reach over such a pause."""
CER_POINTS = 0.05
"""The transcript's character error rate is at most this much above faster-whisper's on the same sound."""


@dataclass(frozen=True)
class ShownLine:
    """One line of the transcript as the API gives it."""

    start_s: float
    end_s: float
    peer_id: str
    text: str


def shown_lines(answer: dict[str, Any]) -> list[ShownLine]:
    """Lines of GET /api/sessions/{id}/transcript."""
    return [ShownLine(x["start_ms"] / 1000, x["end_ms"] / 1000, x["peer_id"], x["text"]) for x in answer["lines"]]


def check_length(recorded: Recorded, track: Track) -> Sound | list[Picture]:
    """The stored segments of a track, joined and decoded, reach from its first to its last moment."""
    start_s, end_s = track.epochs[0].start_ms / 1000, track.epochs[-1].end_ms / 1000
    for epoch in track.epochs:  # read when the test fails
        print(track.track_id[-8:], epoch.epoch, epoch.origin_ms, epoch.start_ms, epoch.end_ms, epoch.clock)
    if track.kind == "audio":
        sound = recorded.sound(track)
        found_start_s, found_end_s = sound.start_s, sound.end_s
        missing_s = (sound.end_s - sound.start_s) - sound.decoded_s
        assert missing_s < LENGTH_TOLERANCE_S, f"{track.track_id}: {missing_s:.2f} s of sound are missing inside"
        result: Sound | list[Picture] = sound
    else:
        pictures = recorded.pictures(track)
        found_start_s, found_end_s = pictures[0].at_s, pictures[-1].at_s
        result = pictures
    assert abs(found_start_s - start_s) < LENGTH_TOLERANCE_S, (track.track_id, found_start_s, start_s)
    assert abs(found_end_s - end_s) < LENGTH_TOLERANCE_S, (track.track_id, found_end_s, end_s)
    return result


def check_duration(recorded: Recorded, sound: Sound) -> None:
    """A sound track reaches from the start of the recording to its end, by the server's own clock."""
    at_ms = {event.type: event.at_ms for event in recorded.manifest.events}
    length_s = (at_ms["recording_stopped"] - at_ms["recording_started"]) / 1000
    assert abs(sound.start_s) < EDGE_TOLERANCE_S, (sound.start_s, length_s)
    assert abs(sound.end_s - length_s) < EDGE_TOLERANCE_S, (sound.end_s, length_s)


def check_pictures(pictures: list[Picture], least_per_s: float, longest_s: float = 2.0) -> None:
    """The running number goes on through the whole track, and no `longest_s` are without a picture."""
    numbers = [p.number % FRAMES for p in pictures]
    steps = [(b - a) % FRAMES for a, b in itertools.pairwise(numbers)]
    backwards = sum(step > FRAMES // 2 for step in steps)
    assert backwards <= len(steps) * 0.02, f"{backwards} of {len(steps)} pictures go back"
    assert sum(step > 0 for step in steps) > len(steps) * 0.5, "the number stands still"
    length_s = pictures[-1].at_s - pictures[0].at_s
    assert len(pictures) / length_s > least_per_s, f"{len(pictures)} pictures in {length_s:.1f} s"
    pause_s = max(b.at_s - a.at_s for a, b in itertools.pairwise(pictures))
    assert pause_s < longest_s, f"{pause_s:.1f} s without a picture"


def spoken_from_s(sound: Sound) -> float:
    """Session time at which the spoken session begins in this track, as its beep says."""
    return sound.start_s + find_beep(sound.samples, RATE) + BEEP_S + AFTER_BEEP_S


def check_places(lines: list[ShownLine], turns: list[Turn], from_s: float) -> tuple[int, int]:
    """At least PLACED_SHARE of a peer's lines lie where their words were spoken. Returns (right, all)."""
    owners = turns_of_lines([t.text for t in turns], [line.text for line in lines])
    wrong = []
    for line, owner in zip(lines, owners, strict=True):
        span = Span(line.start_s - from_s, line.end_s - from_s)
        spoken = _spoken(turns, owner)
        off_s = misplaced_s(span, Span(spoken[0].start_s, spoken[-1].end_s)) if spoken else float("inf")
        if off_s > PLACE_TOLERANCE_S:
            wrong.append(f"{off_s:.2f} s off: {line.text!r} at {span.start_s:.1f}, spoken {spoken}")
    assert len(wrong) <= (1 - PLACED_SHARE) * len(lines), "\n".join(wrong)
    return len(lines) - len(wrong), len(lines)


def _spoken(turns: list[Turn], owner: Owner) -> list[Turn]:
    """The turns of which a line was made: one, or several that follow each other without a pause.

    Where a line begins or ends with misheard words, the turn next to it may have given them. Words from turns that lie
    farther apart make a glued line, which was spoken nowhere: no turn.
    """
    numbers = list(owner.turns)
    if not numbers:
        return []
    first, last = numbers[0], numbers[-1]
    if owner.head and first > 0 and turns[first].start_s - turns[first - 1].end_s < PAUSE_S:
        numbers.insert(0, first - 1)
    if owner.tail and last + 1 < len(turns) and turns[last + 1].start_s - turns[last].end_s < PAUSE_S:
        numbers.append(last + 1)
    found = [turns[number] for number in numbers]
    apart_s = max((b.start_s - a.end_s for a, b in itertools.pairwise(found)), default=0.0)
    return found if apart_s < PAUSE_S else []


def check_speakers(lines: list[ShownLine], turns_by_peer: dict[str, list[Turn]]) -> None:
    """Each line stands under the peer whose turns it resembles most."""
    wrong = []
    for line in lines:
        rates = {
            peer: min(character_error_rate(window, line.text) for window in _windows(turns, line.text))
            for peer, turns in turns_by_peer.items()
        }
        if rates[line.peer_id] > min(rates.values()) + 0.1:
            wrong.append((line.text, rates))
    # A word of two characters resembles anything; one such line in twenty is no fault of the speakers' order.
    assert len(wrong) <= len(lines) * 0.05, wrong


def _windows(turns: list[Turn], text: str) -> list[str]:
    """Stretches of the reference about as long as `text`."""
    size = max(4, len(text))
    found = []
    for turn in turns:
        found += [turn.text[start : start + size] for start in range(0, max(1, len(turn.text) - size // 2), 2)]
    return found


def heard_directly(model_dir: Path, options: EngineOptions, sound_16k: NDArray[np.float32]) -> str:
    """What faster-whisper itself makes of a sound with a transcript's options, nothing of ours between."""
    model = WhisperModel(str(model_dir), device="cpu", compute_type="int8", cpu_threads=1)
    segments, _ = model.transcribe(
        sound_16k,
        language=options.language,
        beam_size=options.beam_size,
        vad_filter=options.vad_filter,
        word_timestamps=options.word_timestamps,
        condition_on_previous_text=options.condition_on_previous_text,
        initial_prompt=options.prompt or None,
        hotwords="、".join(options.hotwords) or None,
    )
    return simplified("".join(segment.text for segment in segments))


def check_error_rates(rates: list[tuple[int, float, float]]) -> None:
    """The session's lines are about as good as the engine itself. Of each peer: characters spoken, ours, the engine's.

    Of the session and not of each peer: some hundred characters of one voice vary by more than that from call to call.
    """
    characters = sum(count for count, _, _ in rates)
    ours = sum(count * rate for count, rate, _ in rates) / characters
    direct = sum(count * rate for count, _, rate in rates) / characters
    assert ours <= direct + CER_POINTS, f"character error rate {ours:.3f}, faster-whisper alone {direct:.3f}"


def mean_level(session: SpokenSession, sound: Sound, from_s: float) -> float:
    """Root mean square of the recorded speech, to see that it is not silence."""
    first = round((from_s - sound.start_s) * RATE)
    piece = sound.samples[first : first + round(session.duration_s * RATE)]
    return float(np.sqrt(np.mean(piece**2)))
