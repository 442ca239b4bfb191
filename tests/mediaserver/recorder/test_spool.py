# SPDX-License-Identifier: Apache-2.0
"""What a kill leaves in the spool, byte by byte, and what a restart makes of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mediaserver.recorder.session import LiveSession
from mediaserver.recorder.spool import JOURNAL, SessionSpool, find_sessions, read_feed, write_feed
from mediaserver.recording.state import JournalFault, SessionState
from storage.layout import KeyFault
from tests.mediaserver.recorder.media import Stream
from tests.mediaserver.recorder.test_full_disk import commit, live_session, play


@pytest.fixture
def recorded(tmp_path: Path) -> LiveSession:
    """12 s of sound on disk, in two files."""
    stream = Stream("audio")
    live = live_session(tmp_path, stream)
    play(live, stream, 12_010)
    assert commit(live, 1 << 30)
    return live


def load(live: LiveSession) -> SessionState:
    (spool,) = find_sessions(live.spool.folder.parents[2])
    return spool.load()


def journal(live: LiveSession) -> Path:
    return live.spool.folder / JOURNAL


def test_a_restart_finds_what_was_committed(recorded: LiveSession) -> None:
    state = load(recorded)
    assert state.tracks == recorded.state.tracks and state.feed == recorded.state.feed
    assert [segment.number for _, segment in state.tracks["p-mic"].segments()] == [0, 1]
    for path in (journal(recorded), recorded.spool.path("p-mic", 1, 0)):
        assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("cut_bytes", [1, 17, 100])
def test_a_torn_line_never_was(recorded: LiveSession, cut_bytes: int) -> None:
    """The journal's last line is half there: its part is cut off, the one before it stands."""
    data = journal(recorded).read_bytes()
    lines = data.splitlines(keepends=True)
    journal(recorded).write_bytes(data[:-cut_bytes])
    state = load(recorded)
    assert journal(recorded).read_bytes() == b"".join(lines[:-1])
    last = json.loads(lines[-1])
    path = recorded.spool.path("p-mic", last["epoch"], last["segment"])
    assert path.stat().st_size == (last["offset"] if last["offset"] > last["header"] else 0)
    assert state.feed[1].acknowledged < recorded.state.feed[1].acknowledged


def test_bytes_no_line_speaks_of_are_cut_off(recorded: LiveSession) -> None:
    path = recorded.spool.path("p-mic", 1, 1)
    whole = path.read_bytes()
    path.write_bytes(whole + b"half a cluster")
    load(recorded)
    assert path.read_bytes() == whole


@pytest.mark.parametrize("keep", ["all parts but half of one", "nothing"])
def test_a_file_shorter_than_promised_is_cut_to_whole_parts_and_listed(recorded: LiveSession, keep: str) -> None:
    """A disk that lied about its fsync: what is gone is a hole, and the journal says so from then on."""
    segment = recorded.state.tracks["p-mic"].epochs[0].segments[0]
    path = recorded.spool.path("p-mic", 1, 0)
    path.write_bytes(path.read_bytes()[: segment.bytes - 10 if keep != "nothing" else 0])
    for _ in range(2):
        state = load(recorded)
        (hole,) = state.holes
        assert hole.cause == "recorder_down" and hole.to_ms == segment.end_ms
        segments = [found.number for _, found in state.tracks["p-mic"].segments()]
        assert segments == ([0, 1] if keep != "nothing" else [1])
        if keep != "nothing":
            assert path.stat().st_size == segment.parts[-1].offset
    assert state.tracks["p-mic"].packets + hole.packets == recorded.state.tracks["p-mic"].packets


@pytest.mark.parametrize("content", [b"{}\n", b"no json\n", b'{"t":"part"}\n'])
def test_a_journal_of_others_is_refused(recorded: LiveSession, content: bytes) -> None:
    journal(recorded).write_bytes(content)
    with pytest.raises(JournalFault):
        load(recorded)


def test_names_that_lead_out_of_the_spool_are_refused(tmp_path: Path) -> None:
    for county, session in (("..", "01m86wtn24vp4mzv2yqy1mpt57"), ("default", "../../etc")):
        with pytest.raises(KeyFault):
            SessionSpool(tmp_path, county, session)


def test_the_feeds_place_is_kept(tmp_path: Path) -> None:
    assert read_feed(tmp_path) == ("", 0)
    write_feed(tmp_path, "boot", 7)
    assert read_feed(tmp_path) == ("boot", 7)
    (tmp_path / "feed.json").write_bytes(b"[]")
    assert read_feed(tmp_path) == ("", 0)
