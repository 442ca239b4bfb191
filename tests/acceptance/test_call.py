# SPDX-License-Identifier: Apache-2.0
"""A real call from sign-in to the clerk's downloads: two Chromium browsers, one of them on a second host."""

from __future__ import annotations

import io
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docx
import pysubs2
import pytest
from playwright.sync_api import expect, sync_playwright

from tests.acceptance import checks, machine, people, picture
from tests.acceptance.pages import REMEMBER_SOUNDS_JS, Screen, hook
from tests.acceptance.recorded import Picture, Recorded, Sound
from tests.acceptance.speech import SpokenSession, Turn, decode, mixed, sessions, write_microphone
from tests.speech_scoring import character_error_rate
from transcribe.engine import EngineOptions

LEAD_S = 32.0
"""Silence before the beep: joining, consent and the start of the recording happen in it."""
TRACKS = {"zhou": ("hq",), "liu": ("station", "villager")}
"""Which tracks of the spoken session each person's microphone plays."""
TITLE = "水田租金纠纷"
OPTIONS = EngineOptions("zh", "以下是普通话的句子。")
"""What the worker is expected to decode with."""


@pytest.mark.alone
@pytest.mark.timeout(900)
@pytest.mark.parametrize("session", sessions(), ids=lambda session: session.name)
def test_call(session: SpokenSession, tmp_path: Path) -> None:
    """Sign-in, call, hang-up, progress, transcript, playback, downloads; then the store's content against the truth."""
    machine.require("certutil", "ip", machine.CHROMIUM)
    with machine.second_host() as host:
        server = machine.Server(tmp_path)
        server.start()
        try:
            _call(server, host, session, tmp_path)
        except BaseException:
            print(server.output, server.logs(), sep="\n")
            raise
        finally:
            status = server.stop()
        assert status == 0, server.output
        assert not server.everything(), "something is left running"


def _devices(folder: Path, session: SpokenSession, person: str, shade: int, tint: tuple[int, int]) -> list[str]:
    camera, microphone = folder / f"{person}.y4m", folder / f"{person}.wav"
    picture.write_y4m(camera, shade, tint)
    write_microphone(microphone, mixed(session, TRACKS[person]), LEAD_S)
    return machine.media_flags(camera, microphone)


def _call(server: machine.Server, host: machine.Host, session: SpokenSession, folder: Path) -> None:
    root = server.root_certificate(folder)
    near = _devices(folder, session, "zhou", 60, (110, 150))
    far = _devices(folder, session, "liu", 90, (150, 110))
    with (
        sync_playwright() as playwright,
        people.browser(playwright, folder / "near", root, near) as here,
        people.browser(playwright, folder / "far", root, far, host.namespace) as there,
    ):
        office = Screen(here, server.url())
        everyone = people.set_up(office.page, server)
        office.context.clear_cookies()
        zhou, liu = Screen(here, server.url()), Screen(there, server.url(host.server_address))
        try:
            session_id, peers = _meet(zhou, liu, everyone, session)
        except BaseException:
            zhou.photograph(folder / "zhou.png")
            liu.photograph(folder / "liu.png")
            raise
        clerk = Screen(here, server.url())
        clerk.page.add_init_script(REMEMBER_SOUNDS_JS)
        clerk.accept_link(everyone["chen"])
        with ThreadPoolExecutor(1) as beside:  # the worker has one core, the model by itself the other
            direct = {name: beside.submit(_heard_directly, server, name) for name in peers}
            _watch_progress(clerk)
            recorded = Recorded(server.data_dir, session_id)
            tracks = _check_recording(recorded, peers)
            heard = {name: text.result() for name, text in direct.items()}
        _check_transcript(clerk, session, heard, recorded, session_id, peers, tracks)
        for screen in (zhou, liu, clerk):
            assert not screen.errors, screen.errors


def _heard_directly(server: machine.Server, name: str) -> str:
    played = decode(server.data_dir.parent / f"{name}.wav", 16_000)
    return checks.heard_directly(server.data_dir / "models" / "base", OPTIONS, played)


def _meet(
    zhou: Screen, liu: Screen, everyone: dict[str, people.Person], session: SpokenSession
) -> tuple[str, dict[str, str]]:
    """The call itself. Returns the session's id and each person's peer id."""
    liu.accept_link(everyone["liu"])
    zhou.accept_link(everyone["zhou"])
    session_id = liu.open_session(TITLE)
    liu.prepare([("王德福", "party")])
    zhou.enter_session()
    zhou.prepare([])
    joined = time.monotonic()
    liu.join()
    zhou.join()
    for screen in (liu, zhou):  # only then does every track reach back to the start of the recording
        machine.wait_until(lambda screen=screen: screen.number_shown() is not None, 10, "the other one's picture")
    liu.start_recording()
    zhou.expect_recording("on")
    assert time.monotonic() - joined < LEAD_S - 8, "too slow: the beep would be missed"
    detail = people.api(liu.page, "GET", f"/api/sessions/{session_id}")
    peers = {p["name"]: p["peer_id"] for p in detail["participants"]}
    assert {a["name"] for p in detail["participants"] for a in p["attendees"]} == {"刘卫国", "王德福", "周敏"}
    assert all(a["agreed"] and a["agreed_utc_ms"] for p in detail["participants"] for a in p["attendees"])
    heard = {"liu": 0.0, "zhou": 0.0}
    until = joined + LEAD_S + 4 + session.duration_s
    seen: dict[str, set[int]] = {"liu": set(), "zhou": set()}
    while time.monotonic() < until:
        for name, screen in (("liu", liu), ("zhou", zhou)):
            number = screen.number_shown()
            if number is not None:
                seen[name].add(number)
            heard[name] = max(heard[name], screen.sound_level())
        liu.page.wait_for_timeout(1500)
    for name in ("liu", "zhou"):
        assert len(seen[name]) > 10, f"the picture that {name} sees stands still: {sorted(seen[name])}"
        assert heard[name] > 0.02, f"{name} hears nothing"
    liu.expect_recording("on")
    liu.end_session()
    hook(zhou.page, "call-after").wait_for()
    return session_id, {"liu": peers["刘卫国"], "zhou": peers["周敏"]}


def _watch_progress(clerk: Screen) -> None:
    """The clerk finds the session in the list and sees recording and transcription get on, without reloading."""
    clerk.page.goto(clerk.url + "/sessions")
    row = hook(clerk.page, "session-row").filter(has_text=TITLE)
    expect(row).to_contain_text("青石镇派出所")
    expect(row.locator('[data-test="transcript-state"]')).to_have_attribute(
        "data-state", re.compile("queued|running|done"), timeout=60_000
    )
    clerk.open_record(TITLE)
    expect(hook(clerk.page, "transcript-line").first).to_be_visible(timeout=300_000)


def _check_recording(recorded: Recorded, peers: dict[str, str]) -> dict[tuple[str, str], Sound | list[Picture]]:
    """Every track is in the store, whole, and as long as the call."""
    found: dict[tuple[str, str], Sound | list[Picture]] = {}
    for name, peer_id in peers.items():
        for source in ("mic", "cam"):
            found[name, source] = checks.check_length(recorded, recorded.track(peer_id, source))
        sound, pictures = found[name, "mic"], found[name, "cam"]
        assert isinstance(sound, Sound) and isinstance(pictures, list)
        checks.check_duration(recorded, sound)
        checks.check_pictures(pictures, least_per_s=8)
    assert recorded.manifest.complete, recorded.manifest.gaps
    return found


def _check_transcript(
    clerk: Screen,
    session: SpokenSession,
    heard: dict[str, str],
    recorded: Recorded,
    session_id: str,
    peers: dict[str, str],
    tracks: dict[tuple[str, str], Sound | list[Picture]],
) -> None:
    shown = people.api(clerk.page, "GET", f"/api/sessions/{session_id}/transcript")
    lines = checks.shown_lines(shown)
    whole = json.loads(clerk.download("json"))
    assert whole["transcript"]["options"] == json.loads(json.dumps(OPTIONS.to_json()))
    turns: dict[str, list[Turn]] = {peers[n]: [t for t in session.turns if t.track in TRACKS[n]] for n in peers}
    checks.check_speakers(lines, turns)
    rates: list[tuple[int, float, float]] = []
    for name, peer_id in peers.items():
        sound = tracks[name, "mic"]
        assert isinstance(sound, Sound)
        from_s = checks.spoken_from_s(sound)
        assert checks.mean_level(session, sound, from_s) > 0.005
        own = [line for line in lines if line.peer_id == peer_id]
        right, count = checks.check_places(own, turns[peer_id], from_s)
        spoken = "".join(turn.text for turn in turns[peer_id])
        rate, direct = (
            character_error_rate(spoken, text) for text in ("".join(line.text for line in own), heard[name])
        )
        rates.append((len(spoken), rate, direct))
        print(f"{session.name} {name}: {right} of {count} lines in place, CER {rate:.3f}, faster-whisper {direct:.3f}")
    checks.check_error_rates(rates)
    _check_playing(clerk, recorded, peers, tracks)
    _check_files(clerk, [line.text for line in lines], whole)


def _check_playing(
    clerk: Screen, recorded: Recorded, peers: dict[str, str], tracks: dict[tuple[str, str], Sound | list[Picture]]
) -> None:
    """A click on a line plays that moment: the right picture, and sound in step with it."""
    shown = hook(clerk.page, "transcript-line")
    for index in (2, shown.count() - 2):
        line = shown.nth(index)
        start_s = int(line.get_attribute("data-start-ms") or 0) / 1000
        moments = clerk.play_line(line, list(peers.values()))
        for name, peer_id in peers.items():
            moment = moments[peer_id]
            assert -0.2 <= moment.video_s - start_s <= 4, (moment, start_s)
            assert len(moment.audio_s) == len(peers), moment
            assert all(abs(at_s - moment.video_s) < 0.1 for at_s in moment.audio_s), moment
            pictures = tracks[name, "cam"]
            assert isinstance(pictures, list)
            truth = max((p for p in pictures if p.at_s <= moment.video_s + 0.01), key=lambda p: p.at_s)
            assert moment.number is not None
            off = (moment.number - truth.number + picture.FRAMES // 2) % picture.FRAMES - picture.FRAMES // 2
            assert abs(off) <= 5, (moment, truth)
        hook(clerk.page, "player-play").click()


def _check_files(clerk: Screen, lines: list[str], whole: dict[str, object]) -> None:
    """Word, subtitles and JSON open and hold the lines."""
    assert [line["text"] for line in whole["lines"]] == lines  # type: ignore[attr-defined, index]
    document = docx.Document(io.BytesIO(clerk.download("docx")))
    text = "\n".join(p.text for p in document.paragraphs) + "\n".join(
        cell.text for table in document.tables for row in table.rows for cell in row.cells
    )
    subtitles = pysubs2.SSAFile.from_string(clerk.download("srt").decode("utf-8"), format_="srt")
    told = "\n".join(event.text for event in subtitles)
    for line in lines:
        assert line in text, line
        assert line in told, line
    assert "王德福" in text
