# SPDX-License-Identifier: Apache-2.0
"""The gap ledger and the manifest, row by row: which stretch is missing, why, and whether that is a fault."""

from __future__ import annotations

from typing import Any

import pytest

from mediaserver.recording import ledger, summary
from mediaserver.recording import state as journal
from mediaserver.recording.state import Line, SessionState
from storage.manifest import Manifest
from storage.seal import manifest_chain

ORIGIN = 1_000_000


class Script:
    """Writes a session's journal, times on the session clock."""

    def __init__(self) -> None:
        self.state = SessionState()
        self.feed = 0
        self.version = 0
        self.epochs: dict[str, int] = {}
        self.add(journal.SESSION, county="default", session="s", room="s")
        self.boot("b1")

    def add(self, kind: str, **facts: Any) -> None:
        line: Line = {"t": kind, **facts}
        self.state.apply(line)

    def boot(self, name: str) -> None:
        self.add(journal.BOOT, boot=name)

    def order(self, recording: str, at_ms: int, reason: str = "") -> None:
        self.version += 1
        self.add(
            journal.ORDER,
            recording=recording,
            version=self.version,
            utc_ms=ORIGIN + at_ms,
            reason=reason,
            c=self.version,
        )

    def epoch(self, track: str, start_ms: int, end_ms: int, *, reports: Any = (), holes: Any = ()) -> None:
        """One file with one part from `start_ms` to `end_ms`."""
        self.feed += 1
        peer, source = track.split("-")
        kind, rate = ("audio", 48_000) if source == "mic" else ("video", 90_000)
        info = {"track_id": track, "peer_id": peer, "peer_name": "所", "place": "室", "source": source, "kind": kind}
        self.add(journal.OPEN, feed=self.feed, track=info, c=0)
        number = self.epochs[track] = self.epochs.get(track, 0) + 1
        name = {"track": track, "epoch": number, "feed": self.feed}
        self.add(
            journal.EPOCH,
            **name,
            origin_ms=start_ms,
            rtp_origin=1 << 32,
            clock_rate=rate,
            first=0x10000,
            size=[1, 0],
            codec="opus" if kind == "audio" else "vp8",
        )
        span = {"offset": 10, "bytes": 90, "header": 10, "start_ms": start_ms, "end_ms": end_ms, "key": True}
        found = {"reports": reports, "holes": holes, "seq": 0x10010, "rtp": 1 << 32, "utc_ms": ORIGIN + end_ms}
        self.add(journal.PART, **name, segment=0, packets=17, ack=17, size=[1, 0], **span, **found)
        self.add(journal.END, **name, ack=17, **found | {"holes": (), "reports": ()})
        self.add(journal.SEALED, **name, segment=0, sha256="00" * 32, sm3="11" * 32)

    def manifest(self) -> Manifest:
        return summary.build(self.state, "test", lambda track, epoch, segment: f"{track}/{epoch}/{segment}")

    def gaps(self) -> list[tuple[str | None, int, int, str]]:
        return [(gap.track_id, gap.from_ms, gap.to_ms, gap.cause) for gap in self.manifest().gaps]


def script(*rows: tuple[Any, ...]) -> Script:
    made = Script()
    for row in rows:
        if row[0] == "boot":
            made.boot(row[1])
        elif row[0] == "suspend":
            made.add(journal.SUSPEND, on=row[1], utc_ms=ORIGIN + row[2])
        elif "-" in row[0]:
            made.epoch(*row)
        else:
            made.order(*row)
    return made


WHOLE = [("on", 0), ("p-mic", 0, 9_000), ("stopped", 9_000)]


@pytest.mark.parametrize(
    ("rows", "gaps", "complete"),
    [
        (WHOLE, [], True),
        ([("on", 0), ("stopped", 5)], [], True),
        (
            [
                ("on", 0),
                ("p-mic", 0, 3_000),
                ("paused", 3_000),
                ("on", 7_000),
                ("p-mic", 7_010, 9_000),
                ("stopped", 9_000),
            ],
            [(None, 3_000, 7_000, "paused")],
            True,
        ),
        (
            [("on", 0), ("p-mic", 0, 3_000), ("paused", 3_000), ("stopped", 8_000)],
            [(None, 3_000, 8_000, "paused")],
            True,
        ),
        (
            [("on", 0), ("p-mic", 0, 3_000), ("p-mic", 4_000, 9_000), ("stopped", 9_000)],
            [("p-mic", 3_000, 4_000, "publisher_away")],
            True,
        ),
        (
            [("on", 0), ("p-mic", 0, 3_000), ("p-mic", 3_000 + ledger.AWAY_MS - 1, 9_000), ("stopped", 9_000)],
            [],
            True,
        ),
        (
            [
                ("on", 0),
                ("p-mic", 0, 3_000),
                ("boot", "b2"),
                ("on", 6_000),
                ("p-mic", 7_000, 9_000),
                ("stopped", 9_000),
            ],
            [(None, 3_000, 6_000, "mediaserver_down"), ("p-mic", 6_000, 7_000, "mediaserver_down")],
            False,
        ),
        (
            [
                ("on", 0),
                ("p-mic", 0, 3_000),
                ("boot", "b2"),
                ("on", 6_000),
                ("p-mic", 6_000 + ledger.FRAME_MS, 9_000),
                ("stopped", 9_000),
            ],
            [(None, 3_000, 6_000, "mediaserver_down"), ("p-mic", 6_000, 6_050, "mediaserver_down")],
            False,
        ),
        (
            [
                ("on", 0),
                ("p-mic", 0, 2_980),
                ("p-cam", 0, 3_000),
                ("boot", "b2"),
                ("on", 6_000),
                ("p-mic", 6_000, 9_000),
                ("p-cam", 6_000 + ledger.FRAME_MS - 1, 9_000),
                ("stopped", 9_000),
            ],
            [(None, 3_000, 6_000, "mediaserver_down")],
            False,
        ),
        (
            [("on", 0), ("p-mic", 0, 3_000), ("boot", "b2"), ("stopped", 6_000)],
            [(None, 3_000, 6_000, "mediaserver_down")],
            False,
        ),
        (
            [("on", 0), ("p-mic", 0, 2_000), ("paused", 2_000), ("boot", "b2"), ("paused", 5_000), ("stopped", 6_000)],
            [(None, 2_000, 6_000, "paused")],
            True,
        ),
        ([("on", 0), ("boot", "b2"), ("on", 4_000), ("stopped", 6_000)], [(None, 0, 4_000, "mediaserver_down")], False),
        (
            [("on", 0), ("suspend", True, 0), ("suspend", False, 3_000), ("p-mic", 3_000, 6_000), ("stopped", 6_000)],
            [(None, 0, 3_000, "disk_full")],
            False,
        ),
        ([("on", 0), ("suspend", True, 0), ("stopped", 6_000)], [(None, 0, 6_000, "disk_full")], False),
    ],
)
def test_what_is_missing_and_why(rows: list[tuple[Any, ...]], gaps: list[Any], complete: bool) -> None:
    made = script(*rows)
    assert made.gaps() == gaps
    assert made.manifest().complete is complete


def test_lost_packets_stand_at_their_final_time_with_their_numbers() -> None:
    """The clock fit moves the epoch by 40 ms; its holes move along, its file times are told by the clock."""
    made = script(("on", 0))
    reports = [(3.9e12 + at, (1 << 32) + at * 48, 40 + at) for at in range(0, 9_000, 1_000)]
    made.epoch("p-mic", 0, 9_000, reports=reports, holes=[[0x10005, 0x10006, 100, 160]])
    made.order("stopped", 9_000)
    manifest = made.manifest()
    (gap,) = manifest.gaps
    assert (gap.cause, gap.rtp_from, gap.rtp_to, gap.packets) == ("loss", 5, 6, 2)
    assert (gap.from_ms, gap.to_ms) == (140, 200)
    epoch = manifest.tracks[0].epochs[0]
    assert (epoch.origin_ms, epoch.start_ms, epoch.end_ms, epoch.clock.offset_ms) == (0, 40, 9_040, 40)
    assert (epoch.segments[0].lost, epoch.segments[0].packets) == (2, 17)
    assert not manifest.complete


def test_the_manifest_lists_tracks_events_and_peers_and_its_chain_holds() -> None:
    made = Script()
    made.add(
        journal.EVENT, c=1, type="peer_joined", data={"peer_id": "q", "name": "听", "place": ""}, utc_ms=ORIGIN - 7
    )
    for row in WHOLE[:2]:
        made.order(*row) if row[0] == "on" else made.epoch(*row)
    made.epoch("p-cam", 10, 8_000)
    made.order("paused", 8_000, "withdrawn")
    made.order("on", 8_500)
    made.order("stopped", 9_000)
    manifest = made.manifest()
    assert [track.track_id for track in manifest.tracks] == ["p-cam", "p-mic"]
    assert [peer.peer_id for peer in manifest.peers] == ["p", "q"]
    assert [(event.at_ms, event.type) for event in manifest.events] == [
        (-7, "peer_joined"),
        (0, "recording_started"),
        (8_000, "recording_paused"),
        (8_500, "recording_resumed"),
        (9_000, "recording_stopped"),
    ]
    assert manifest.events[2].data == {"reason": "withdrawn"}
    assert manifest_chain(manifest.tracks)
    assert summary.duration_ms(manifest) == 9_000


def test_sound_with_a_single_late_report_keeps_in_step_with_the_picture() -> None:
    """After a break sound tells its clock once, the picture each second: both go by the least delayed report."""

    def told(rate_khz: int, late_ms: int, *at_ms: int) -> list[tuple[float, int, int]]:
        return [(3.9e12 + at, (1 << 32) + at * rate_khz, late_ms + at) for at in at_ms]

    made = script(("on", 0))
    made.epoch("p-mic", 0, 9_000, reports=told(48, 60, 4_000))
    made.epoch("p-cam", 0, 9_000, reports=told(90, 5, *range(500, 9_000, 1_000)))
    made.epoch("q-cam", 0, 9_000, reports=told(90, 25, *range(0, 9_000, 1_000)))
    made.order("stopped", 9_000)
    clocks = {track.track_id: track.epochs[0].clock for track in made.manifest().tracks}
    assert {track: clock.offset_ms for track, clock in clocks.items()} == {"p-mic": 5, "p-cam": 5, "q-cam": 25}


def test_a_fit_that_moves_too_far_is_not_believed() -> None:
    made = script(("on", 0))
    far = summary.MAX_OFFSET_MS + 1_000
    made.epoch("p-mic", 0, 9_000, reports=[(3.9e12 + at, (1 << 32) + at * 48, far + at) for at in range(0, 9_000, 500)])
    made.order("stopped", 9_000)
    assert made.manifest().tracks[0].epochs[0].clock.offset_ms == 0
