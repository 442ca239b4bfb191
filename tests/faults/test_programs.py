# SPDX-License-Identifier: Apache-2.0
"""The short form of `make faults` with real programs: each is killed once; and the checks see what they are for."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from storage import manifest
from tests.faults.numbered import NumberedTrack, Sent
from tests.faults.programs import Kill, Ledger, Outcome, run

END_UTC_MS = 20_000.0


@pytest.mark.alone
@pytest.mark.timeout(300)
async def test_every_program_is_killed_in_a_call(tmp_path: Path) -> None:
    outcome = await run(tmp_path, 20, 4)
    assert outcome.faults == []
    assert len(outcome.kills) == 4 and outcome.recorded > 500 and outcome.markers > 0
    assert outcome.joins > 2, "the mediaserver's death sent everybody out"


def track(kind: str = "audio") -> NumberedTrack:
    """One that has sent for ten seconds, a packet in every 20 ms."""
    made = NumberedTrack(kind, random.Random(1))
    made.sent = [Sent(number, number * 20.0, 1, number) for number in range(500)]
    return made


def held(missing: range, *gaps: manifest.Gap, kills: tuple[Kill, ...] = (), back: float = 0.0) -> list[str]:
    """Faults of a record in which these packets are missing."""
    outcome = Outcome(list(kills))
    made = manifest.Manifest(1, "c", "s", "r", 0, 0, "", (), (), (), gaps, (), True)
    numbers = [number for number in range(500) if number not in missing]
    Ledger(made, "p-mic", track(), numbers, [0.0, back], outcome).hold(END_UTC_MS)
    return outcome.faults


def test_what_is_lost_without_a_kill_is_seen() -> None:
    assert held(range(0)) == []
    (unknown, unlisted) = held(range(200, 201))
    assert "lost without reason" in unknown and "in no gap" in unlisted


DEATH = Kill("mediaserver", 4_000, 5_000)


def test_a_death_excuses_what_came_while_nobody_was_there_and_one_part_before() -> None:
    gap = manifest.Gap(None, 3_980, 6_000, "mediaserver_down")
    assert held(range(199, 300), gap, kills=(DEATH,), back=6_000) == []
    early = manifest.Gap(None, 2_000, 6_000, "mediaserver_down")
    assert all("without reason" in fault for fault in held(range(100, 300), early, kills=(DEATH,), back=6_000))
    late = manifest.Gap(None, 3_980, 7_000, "mediaserver_down")
    assert any("without reason" in fault for fault in held(range(199, 350), late, kills=(DEATH,), back=6_000))


def test_a_gap_that_is_none_and_a_gap_of_no_death_are_seen() -> None:
    gap = manifest.Gap("p-mic", 3_000, 6_000, "mediaserver_down")
    faults = held(range(199, 300), gap, kills=(DEATH,), back=6_000)
    assert any("is there in spite of" in fault for fault in faults)
    faults = held(range(0), manifest.Gap("p-mic", 7_000, 7_200, "mediaserver_down"), kills=(DEATH,), back=6_000)
    assert len(faults) == 1 and "no mediaserver was killed" in faults[0]


def test_a_packet_that_is_there_twice_is_seen() -> None:
    outcome = Outcome([])
    made = manifest.Manifest(1, "c", "s", "r", 0, 0, "", (), (), (), (), (), True)
    Ledger(made, "p-mic", track(), [*range(300), *range(299, 500)], [0.0], outcome).hold(END_UTC_MS)
    assert len(outcome.faults) == 1 and "twice" in outcome.faults[0]
