# SPDX-License-Identifier: Apache-2.0
"""A packet that looks as others of its stream did is taken as if it were the first of its kind, to the last bit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediaserver.rtp import codecs
from mediaserver.sfu import intake
from mediaserver.sfu.plane import Plane
from mediaserver.sfu.room import Room
from mediaserver.sfu.shape import MOST_SHAPES
from mediaserver.shell import native_port
from tests.mediaserver.rtp.test_video import dependency
from tests.mediaserver.sfu.test_relay import OTHER, RTX, SOUND, VIDEO, plain, state
from tests.mediaserver.sfu.test_relay import room as relay_room
from tests.sim.call import IDS, vp8_payload

SCREEN, RED, SECOND = 7777, 5555, 2323
LAYERED_IDS = {**IDS, codecs.DEPENDENCY_DESCRIPTOR_URI: 7, codecs.VIDEO_ORIENTATION_URI: 13}
TYPES = {VIDEO: 96, RTX: 97, SOUND: 111, OTHER: 111, SCREEN: 45, RED: 63}


@pytest.fixture(autouse=True)
def python_plane() -> Iterator[None]:
    native_port.use(None)
    yield
    intake.remembers = True


def room() -> Room:
    """Picture and sound from `a`, a microphone from `d`; from `e` a layered screen, and sound with copies of earlier
    packets (RED), which `b` understands and `c` does not."""
    made = relay_room(top_audio=1)
    made.join("e", "e", "desk", 1.0)
    made.add_transport("e-send", "e", "send")
    extensions = [{"uri": uri, "id": number} for uri, number in LAYERED_IDS.items()]
    screen = {"mimeType": "video/AV1", "payloadType": 45, "clockRate": 90000, "parameters": {}}
    sound = [
        {"mimeType": "audio/opus", "payloadType": 111, "clockRate": 48000, "channels": 2, "parameters": {}},
        {"mimeType": "audio/red", "payloadType": 63, "clockRate": 48000, "channels": 2},
    ]
    for mid, source, kind, entries, ssrc in (
        ("5", "screen", "video", [screen], SCREEN),
        ("6", "screen_audio", "audio", sound, RED),
    ):
        made.produce(
            "e-send",
            source,  # type: ignore[arg-type]
            kind,  # type: ignore[arg-type]
            {"mid": mid, "codecs": entries, "headerExtensions": extensions, "encodings": [{"ssrc": ssrc}]},
            1.0,
        )
    made.add_transport("f-recv", "c", "recv", receives_red=True)
    for transport in ("e-send", "f-recv"):
        made.transport_up(transport, 1.0)
    made.drain_events()
    return made


VALUES = st.binary(min_size=1, max_size=16)
DESCRIPTORS = st.builds(
    dependency, st.integers(60, 63), st.integers(0, 99), st.sampled_from([None, None, [0, 1, 2, 1, 3]])
)
ODD_ELEMENTS = st.lists(st.tuples(st.integers(0, 15), VALUES), max_size=5)
VP8 = st.builds(
    lambda first, flags, rest, data: bytes([first, flags]) + rest + data,
    st.sampled_from([0x80, 0x90, 0x10, 0x00, 0x91]),
    st.sampled_from([0x00, 0x80, 0xC0, 0xE0, 0xF0, 0x20, 0x10, 0x40]),
    st.binary(max_size=5),
    st.sampled_from([b"", b"\x10\x00\x00\x9d\x01\x2a\x00\x05\xd0\x02", b"\x11" + bytes(30)]),
)
PACKETS = st.fixed_dictionaries(
    {
        "ssrc": st.sampled_from([VIDEO, VIDEO, VIDEO, SOUND, SOUND, OTHER, SCREEN, RED, RTX]),
        "step": st.sampled_from([1] * 12 + [0, -1, 2, 3, 2_000]),
        "since_s": st.sampled_from([0.0, 0.001, 0.01, 0.02, 0.6]),
        "marker": st.booleans(),
        "key": st.sampled_from([False, False, False, True]),
        "level": st.integers(0, 255),
        "descriptor": DESCRIPTORS,
        "elements": st.one_of(*[st.none()] * 6, ODD_ELEMENTS),
        "payload": st.none() | st.none() | st.one_of(VP8, st.binary(max_size=20)),
        "form": st.sampled_from([1] * 30 + [0, 2, 3]),
        "csrcs": st.sampled_from([0] * 30 + [2]),
        "padding": st.sampled_from([None] * 30 + [0, 1, 4, 255]),
        "red": st.booleans(),
        "cut": st.sampled_from([0] * 40 + [3, 500]),
        "mutable": st.booleans(),
    }
)
EVENTS = st.sampled_from(["record", "stop", "mute", "unmute", "rest", "wake", "timer", "second", "up"])
STEPS = st.lists(st.one_of(PACKETS, PACKETS, PACKETS, PACKETS, EVENTS), min_size=30, max_size=70)


class Publishers:
    """Makes packets from what was drawn."""

    def __init__(self) -> None:
        self.numbers = dict.fromkeys(TYPES, 65_530)
        self.wide = 65_530

    def packet(self, drawn: dict[str, Any], now: float) -> bytes | bytearray:
        """The next one."""
        ssrc = drawn["ssrc"]
        self.numbers[ssrc] = number = self.numbers[ssrc] + drawn["step"] & 0xFFFF
        self.wide = self.wide + 1 & 0xFFFF
        elements = [(3, self.wide.to_bytes(2))]
        if ssrc in (SOUND, OTHER, RED):
            elements.insert(0, (12, bytes([drawn["level"]])))
        if ssrc == SCREEN:
            elements.append((7, drawn["descriptor"]))
        elements = elements if drawn["elements"] is None else drawn["elements"]
        payload = drawn["payload"]
        if payload is None:
            payload = vp8_payload(number, key=drawn["key"], start=drawn["key"] or drawn["marker"], size=30)
        payload_type = TYPES[ssrc]
        if ssrc == RED and not drawn["red"]:
            payload_type = 111
        elif ssrc == RED:
            payload = bytes([0x80 | 111, 0, 0, 1, 111, 7]) + payload
        if ssrc == RTX:
            payload = (self.numbers[VIDEO] - 2 & 0xFFFF).to_bytes(2) + payload
        body = bytearray()
        for one, value in elements:
            if drawn["form"] == 1:
                body += bytes([one << 4 | len(value) - 1 & 15]) + value
            else:
                body += bytes([one, len(value)]) + value
        body += bytes(-len(body) % 4)
        block = b"" if not drawn["form"] else (0, 0xBEDE, 0x1000, 0x1234)[drawn["form"]].to_bytes(2)
        block += (len(body) // 4).to_bytes(2) + bytes(body) if block else b""
        padded = drawn["padding"] is not None
        first = 0x80 | (0x10 if block else 0) | (0x20 if padded else 0) | drawn["csrcs"]
        head = bytes([first, payload_type | (0x80 if drawn["marker"] else 0)]) + number.to_bytes(2)
        head += (int(now * 90_000) & 0xFFFFFFFF).to_bytes(4) + ssrc.to_bytes(4) + bytes(4 * drawn["csrcs"])
        made = head + block + payload + (bytes(3) + bytes([drawn["padding"]]) if padded else b"")
        made = made[: len(made) - drawn["cut"]] if drawn["cut"] < len(made) else made[:15]
        return bytearray(made) if drawn["mutable"] else made


def happens(made: Room, event: str, now: float) -> None:
    """Something other than a packet."""
    if event in ("record", "stop"):
        made.record(event == "record", now)
    elif event in ("mute", "unmute"):
        for producer in made.producers()[:2]:
            made.silence_producer(producer.producer_id, event == "mute", now)
    elif event in ("rest", "wake"):
        made.rest(event == "rest", now)
    elif event == "up":
        made.transport_up("c-recv", now)
    elif event == "second" and SECOND not in made._ports["d-send"].by_ssrc:
        # What the transport-wide number is called is then another.
        ids = [{"uri": codecs.TRANSPORT_CC_URI, "id": 12}]
        entry = {"mimeType": "video/VP8", "payloadType": 96, "clockRate": 90000, "parameters": {}}
        parameters = {"mid": "9", "codecs": [entry], "headerExtensions": ids, "encodings": [{"ssrc": SECOND}]}
        made.produce("d-send", "cam", "video", parameters, now)
    made.handle_timer(now)


def holds(made: Room, now: float) -> Any:
    """All that a packet may change."""
    uplinks = [uplink for producer in made._producers.values() for uplink in producer.uplinks]
    described = [(plain(uplink), uplink.width, uplink.height) for uplink in uplinks]
    return state(made, now), described, made._ports["e-send"].twcc.pending


def lives(made: Room, steps: list[Any], *, remembers: bool) -> Iterator[Any]:
    """What leaves the room and what it holds, step by step."""
    publishers, now = Publishers(), 1.0
    for index, step in enumerate(steps):
        intake.remembers = remembers
        if isinstance(step, str):
            now += 0.02
            happens(made, step, now)
        else:
            now += step["since_s"]
            sender = {OTHER: "d-send", SCREEN: "e-send", RED: "e-send"}.get(step["ssrc"], "a-send")
            made.receive_rtp(sender, publishers.packet(step, now), now)
        sent = [(transport, bytes(packet), is_rtcp) for transport, packet, is_rtcp in made.drain_packets()]
        yield sent, made.drain_events(), holds(made, now) if index % 8 == 7 or step is steps[-1] else None


@settings(max_examples=100, deadline=None)
@given(steps=STEPS)
def test_every_step_is_the_same_both_ways(steps: list[Any]) -> None:
    ours, theirs = room(), room()
    pairs = zip(lives(ours, steps, remembers=False), lives(theirs, steps, remembers=True), strict=True)
    for expected, found in pairs:
        assert found == expected
    assert all(not u.shapes for p in ours._producers.values() for u in p.uplinks)


PLAIN: dict[str, Any] = {
    "step": 1, "since_s": 0.005, "marker": False, "key": False, "level": 30, "descriptor": dependency(60, 1),
    "elements": None, "payload": None, "form": 1, "csrcs": 0, "padding": None, "red": False, "cut": 0, "mutable": False,
}  # fmt: skip


@pytest.mark.parametrize("ssrc", [VIDEO, SOUND, OTHER, SCREEN, RED])
@pytest.mark.parametrize("form", [0, 1])
def test_all_but_the_first_of_their_kind_are_known(ssrc: int, form: int, monkeypatch: pytest.MonkeyPatch) -> None:
    anew: list[int] = []
    way = Plane._take_any
    monkeypatch.setattr(Plane, "_take_any", lambda *arguments: (anew.append(1), way(*arguments)))
    steps = [PLAIN | {"ssrc": ssrc, "form": form, "level": n, "marker": bool(n & 1)} for n in range(9)]
    assert len(list(lives(room(), steps, remembers=True))) == 9
    assert len(anew) == 1


def test_a_publisher_of_ever_new_shapes_is_not_remembered_for_ever() -> None:
    made = room()
    steps = [PLAIN | {"ssrc": VIDEO, "elements": [(one, bytes(size))]} for one in range(1, 15) for size in range(1, 17)]
    for _ in lives(made, steps, remembers=True):
        assert all(len(u.shapes) <= MOST_SHAPES for p in made._producers.values() for u in p.uplinks)
