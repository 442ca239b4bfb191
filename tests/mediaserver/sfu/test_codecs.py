# SPDX-License-Identifier: Apache-2.0
"""Other codecs than VP8: what is negotiated, what passes, how layers of one stream (SVC) are left out."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import pytest

from mediaserver.errors import PeerFault
from mediaserver.rtp import codecs, rtcp
from mediaserver.rtp import packet as rtp
from mediaserver.sfu import events
from mediaserver.sfu.parameters import read_send_parameters
from mediaserver.sfu.room import Room
from mediaserver.signalling.capabilities import router_rtp_capabilities
from tests.mediaserver.rtp.test_video import dependency
from tests.video import encode, payloads

pytestmark = pytest.mark.usefixtures("plane")

IDS = {uri: 20 - number for number, uri in enumerate(codecs.EXTENSION_IDS)}
L2T2 = [0, 1, 2, 1, 3]
"""Templates 60 (key), 61 and 62 (T0, T1 of the lower layer) and 63, 0 (of the upper one)."""


def offer(mime: str, rids: int = 1, **parameters: Any) -> dict[str, Any]:
    return {
        "mid": "0",
        "codecs": [
            {"mimeType": mime, "payloadType": 96, "clockRate": 90000, "parameters": parameters},
            {"mimeType": "video/rtx", "payloadType": 97, "clockRate": 90000, "parameters": {"apt": 96}},
        ],
        "headerExtensions": [{"uri": uri, "id": number} for uri, number in IDS.items()],
        "encodings": [{"ssrc": 10 + index, "rtx": {"ssrc": 20 + index}} for index in range(rids)],
    }


@dataclass
class Pair:
    """A publisher `a` of one codec and a viewer `b`, without a network between."""

    mime: str
    parameters: dict[str, Any] = field(default_factory=dict)
    rids: int = 1

    def __post_init__(self) -> None:
        ssrcs = itertools.count(1_000)
        self.room = Room("r", new_ssrc=lambda: next(ssrcs), wallclock_offset_s=0.0, allocate=False)
        self.now = 5.0
        self.sequence = [65_534, 7, 99, 0]
        for peer in ("a", "b"):
            self.room.join(peer, peer, "", 0)
        self.room.add_transport("a-s", "a", "send")
        self.room.add_transport("b-r", "b", "recv")
        self.room.produce("a-s", "cam", "video", offer(self.mime, self.rids, **self.parameters), self.now)
        for transport in ("a-s", "b-r"):
            self.room.transport_up(transport, self.now)
        (self.consumer,) = self.room.consumers("b")
        (self.downlink,) = self.room._ports["b-r"].downlinks.values()

    def send(
        self,
        payload: bytes,
        *,
        marker: bool = True,
        time: float | None = None,
        layer: int = 0,
        extensions: dict[str, bytes] | None = None,
    ) -> None:
        block = rtp.build_extensions([(IDS[uri], value) for uri, value in (extensions or {}).items()])
        packet = rtp.build(
            payload_type=96,
            sequence_number=self.sequence[layer],
            timestamp=int((time or self.now) * 90_000) + layer * 1_000_000,
            ssrc=10 + layer,
            payload=payload,
            marker=marker,
            extension_block=block,
        )
        self.sequence[layer] += 1
        self.room.receive_rtp("a-s", packet, self.now)

    def received(self) -> list[tuple[rtp.Header, bytes, dict[int, bytes]]]:
        """What came to the viewer since the last call: header, payload, extensions by our id."""
        found = []
        for transport, data, is_rtcp in self.room.drain_packets():
            header = rtp.read_header(data)
            if transport == "b-r" and not is_rtcp and header is not None:
                values = {number: bytes(data[at : at + length]) for number, at, length in rtp.extensions(data, header)}
                found.append((header, bytes(data[header.payload_offset :]), values))
        return found

    def plis(self) -> list[int]:
        self.room.handle_timer(self.now)
        found = []
        for transport, data, is_rtcp in self.room.drain_packets():
            if transport == "a-s" and is_rtcp:
                found += [r.media_ssrc for r in rtcp.parse(data)[0] if isinstance(r, rtcp.KeyframeRequest)]
        return found


def test_the_router_offers_every_codec_with_numbers_of_its_own() -> None:
    offered = router_rtp_capabilities()
    numbers = [entry["preferredPayloadType"] for entry in offered["codecs"]]
    assert len(set(numbers)) == len(numbers)
    assert all(96 <= number < 127 for number in numbers), "127 belongs to the client's probator"
    names = [entry["mimeType"].lower() for entry in offered["codecs"]]
    assert names[0] == "audio/opus"
    assert next(name for name in names if name.startswith("video/")) == "video/vp8"
    assert {"audio/red", "video/h264", "video/vp9", "video/av1"} <= set(names)
    profiles = [e["parameters"]["profile-level-id"] for e in offered["codecs"] if e["mimeType"] == "video/H264"]
    assert profiles == ["42e01f", "64001f"]
    for entry in offered["codecs"]:
        if entry["mimeType"] == "video/rtx":
            assert entry["parameters"]["apt"] in numbers
    twcc = [e for e in offered["headerExtensions"] if e["uri"] == codecs.TRANSPORT_CC_URI]
    assert {(e["kind"], e["direction"]) for e in twcc} == {("audio", "sendrecv"), ("video", "sendrecv")}


@pytest.mark.parametrize(
    ("mime", "parameters", "payload_type"),
    [
        ("video/H264", {"profile-level-id": "42e01f", "packetization-mode": 1}, 103),
        ("video/h264", {"profile-level-id": "42001f", "packetization-mode": 1}, 103),
        ("video/H264", {"profile-level-id": "640032", "packetization-mode": 1}, 105),
        ("video/H264", {"profile-level-id": "4d0029"}, 105),
        ("video/VP9", {"profile-id": 0}, 107),
        ("video/AV1", {}, 109),
    ],
)
def test_a_publishers_codec_finds_ours(mime: str, parameters: dict[str, Any], payload_type: int) -> None:
    assert read_send_parameters("video", offer(mime, **parameters)).codec.payload_type == payload_type


def test_ten_bit_vp9_is_refused() -> None:
    with pytest.raises(PeerFault, match="codecs"):
        read_send_parameters("video", offer("video/VP9", **{"profile-id": 2}))


@pytest.mark.parametrize(
    ("extra", "rids", "expected"),
    [
        (
            [{"scaleResolutionDownBy": 1}, {"scaleResolutionDownBy": 4}, {"scaleResolutionDownBy": 2}],
            ["a", "b", "c"],
            ["b", "c", "a"],
        ),
        ([{"maxBitrate": 900}, {"maxBitrate": 100}], ["a", "b"], ["b", "a"]),
        ([{}, {}, {}], ["h", "m", "l"], ["l", "m", "h"]),
        ([{}, {}, {}], ["f", "h", "q"], ["q", "h", "f"]),
        ([{}, {}, {}], ["r0", "r1", "r2"], ["r0", "r1", "r2"]),
    ],
)
def test_layers_are_put_in_order(extra: list[dict[str, Any]], rids: list[str], expected: list[str]) -> None:
    made = offer("video/VP8")
    made["encodings"] = [{"rid": rid, **entry} for rid, entry in zip(rids, extra, strict=True)]
    assert [encoding.rid for encoding in read_send_parameters("video", made).encodings] == expected


@pytest.mark.parametrize(
    ("name", "mime", "parameters"),
    [
        ("h264", "video/H264", {"profile-level-id": "42e01f"}),
        ("h264 high", "video/H264", {"profile-level-id": "64001f"}),
        ("vp9", "video/VP9", {}),
        ("av1", "video/AV1", {}),
    ],
)
def test_a_real_stream_begins_at_its_key_frame_and_passes_whole(
    name: str, mime: str, parameters: dict[str, Any]
) -> None:
    """The viewer comes in the middle: a key frame is asked for, and nothing is sent before it."""
    pair = Pair(mime, parameters)
    frames = encode(name, frames=8, width=640, height=360, key_every=4)
    expected: list[bytes] = []
    for index, frame in enumerate(frames):
        parts = payloads(name, frame, index % 4 == 0)
        for number, payload in enumerate(parts):
            if index:
                pair.send(payload, marker=number == len(parts) - 1)
            if index >= 4:
                expected.append(payload)
        pair.now += 1 / 30
    got = pair.received()
    assert [payload for _, payload, _ in got] == expected
    assert [header.marker for header, _, _ in got].count(True) == 4
    numbers = [header.sequence_number for header, _, _ in got]
    assert numbers == [(numbers[0] + n) & 0xFFFF for n in range(len(numbers))]
    (stats,) = pair.room.stats(pair.now)["producers"]
    assert (stats["width"], stats["height"]) == (640, 360)


def test_extensions_get_our_ids_and_slots_of_our_own() -> None:
    """One-byte and two-byte form: what the publisher says of the picture passes, what it says of its link does not."""
    pair = Pair("video/VP8")
    passed = {
        codecs.VIDEO_ORIENTATION_URI: b"\1",
        codecs.ABS_CAPTURE_TIME_URI: b"capture!",
        codecs.PLAYOUT_DELAY_URI: b"\0\x10\x20",
    }
    own = {
        codecs.TRANSPORT_CC_URI: b"\xff\xff",
        codecs.ABS_SEND_TIME_URI: b"\xee\xee\xee",
        codecs.MID_URI: b"0",
        codecs.DEPENDENCY_DESCRIPTOR_URI: dependency(60, 1),
    }
    pair.send(b"\x10\0" + bytes(9), extensions=passed | own)
    pair.send(b"\x00\0" + bytes(9), extensions=passed | {codecs.ABS_CAPTURE_TIME_URI: b"capture time of 18"})
    for index, (_, _, values) in enumerate(pair.received()):
        capture = b"capture!" if index == 0 else b"capture time of 18"
        assert values == {
            codecs.EXTENSION_IDS[codecs.TRANSPORT_CC_URI]: (index + 1).to_bytes(2),
            codecs.EXTENSION_IDS[codecs.ABS_SEND_TIME_URI]: (int(pair.now * 262144) & 0xFFFFFF).to_bytes(3),
            codecs.EXTENSION_IDS[codecs.VIDEO_ORIENTATION_URI]: b"\1",
            codecs.EXTENSION_IDS[codecs.ABS_CAPTURE_TIME_URI]: capture,
            codecs.EXTENSION_IDS[codecs.PLAYOUT_DELAY_URI]: b"\0\x10\x20",
        }
    ssrc = pair.consumer["rtp_parameters"]["encodings"][0]["ssrc"]
    pair.room.receive_rtcp("b-r", rtcp.build_nack(1, ssrc, [pair.downlink.first_sequence]), pair.now)
    ((header, payload, values),) = pair.received()
    assert header.payload_type == codecs.VP8.rtx_payload_type
    assert payload == pair.downlink.first_sequence.to_bytes(2) + b"\x10\0" + bytes(9)
    assert values[codecs.EXTENSION_IDS[codecs.TRANSPORT_CC_URI]] == b"\0\3", "a repair has a number of its own"
    declared = {entry["id"] for entry in pair.consumer["rtp_parameters"]["headerExtensions"]}
    assert declared == set(values)


def unit(pair: Pair, number: int, *, key: bool = False, temporal: int = 0) -> None:
    """One AV1 temporal unit with two spatial layers of two packets each."""
    for spatial in (0, 1):
        template = {(0, 0): 61, (0, 1): 62, (1, 0): 63, (1, 1): 0}[spatial, temporal]
        frame = number * 2 + spatial
        for index in (0, 1):
            new = key and spatial == 0 and index == 0
            value = dependency(60 if new else template, frame, L2T2 if new else None, start=index == 0)
            if index == 0:
                value = bytes([value[0] & 0xBF]) + value[1:]
            payload = bytes([0x18 if new else 0x10]) + f"{number} {spatial} {temporal} {index}".encode()
            pair.send(payload, marker=spatial == 1 and index == 1, extensions={codecs.DEPENDENCY_DESCRIPTOR_URI: value})
    pair.now += 1 / 30


def layers(got: list[tuple[rtp.Header, bytes, dict[int, bytes]]]) -> list[tuple[int, int, int]]:
    """(temporal unit, spatial, temporal) of the packets received, once for each frame."""
    found = []
    for _, payload, _ in got:
        number, spatial, temporal, index = (int(word) for word in payload[1:].split())
        if index == 0:
            found.append((number, spatial, temporal))
    return found


def test_layers_of_one_stream_are_left_out_by_the_dependency_descriptor() -> None:
    pair = Pair("video/AV1")
    unit(pair, 0, key=True)
    unit(pair, 1, temporal=1)
    assert layers(pair.received()) == [(0, 0, 0), (0, 1, 0), (1, 0, 1), (1, 1, 1)]
    pair.room.set_target(pair.downlink, 0, 1, "bandwidth", pair.now)
    unit(pair, 2)
    unit(pair, 3, temporal=1)
    lower = pair.received()
    assert layers(lower) == [(2, 0, 0), (3, 0, 1)]
    assert [header.marker for header, _, _ in lower] == [False, True, False, True], (
        "the picture ends with its last layer"
    )
    numbers = [header.sequence_number for header, _, _ in lower]
    assert numbers == list(range(numbers[0], numbers[0] + 4)), "what was left out leaves no gap"
    descriptor = codecs.EXTENSION_IDS[codecs.DEPENDENCY_DESCRIPTOR_URI]
    frames = [int.from_bytes(values[descriptor][1:3]) for _, _, values in lower]
    assert frames == [4, 4, 6, 6], "frames point at each other by number: they keep them"
    pair.room.set_target(pair.downlink, 0, 0, "bandwidth", pair.now)
    unit(pair, 4)
    unit(pair, 5, temporal=1)
    assert layers(pair.received()) == [(4, 0, 0)]
    pair.room.set_target(pair.downlink, 1, 1, None, pair.now)
    unit(pair, 6)
    unit(pair, 7, temporal=1)
    assert layers(pair.received()) == [(6, 0, 0), (7, 0, 1)], (
        "more in time at once, more in space not without a key frame"
    )
    assert pair.plis() == [10]
    unit(pair, 8, key=True)
    assert layers(pair.received()) == [(8, 0, 0), (8, 1, 0)]
    pair.now += 0.2
    pair.room.handle_timer(pair.now)
    told = [(e.spatial, e.temporal) for e in pair.room.drain_events() if isinstance(e, events.ConsumerLayers)]
    assert told[-1] == (1, 1)


def vp9(number: int, spatial: int, *, key: bool = False, end: bool = True) -> bytes:
    """I L, not flexible; picture id of 15 bits; TL0PICIDX."""
    head = 0xA8 | (0x04 if end else 0) | (0 if key or spatial else 0x40)
    return bytes(
        [head, 0x80 | number >> 8, number & 0xFF, spatial << 1 | (1 if spatial else 0), number & 0xFF, spatial]
    )


def test_vp9_layers_are_left_out_by_the_payload_descriptor() -> None:
    pair = Pair("video/VP9")
    for spatial in (0, 1, 2):
        pair.send(vp9(300, spatial, key=spatial == 0), marker=spatial == 2)
    assert len(pair.received()) == 3
    pair.room.set_target(pair.downlink, 1, 2, "bandwidth", pair.now)
    pair.now += 0.04
    for spatial in (0, 1, 2):
        pair.send(vp9(301, spatial), marker=spatial == 2)
    got = pair.received()
    assert [payload for _, payload, _ in got] == [vp9(301, 0), vp9(301, 1)]
    assert [header.marker for header, _, _ in got] == [False, True]


@pytest.mark.parametrize("reports", [True, False])
def test_h264_layers_change_at_a_key_frame(reports: bool) -> None:
    pair = Pair("video/H264", {"profile-level-id": "42e01f"}, rids=2)
    key = bytes([24, 0, 2, 0x67, 0x42, 0, 2, 0x68, 0x42])
    change = 60 if reports else 84  # without reports the change waits for them a while
    frames: list[tuple[int, int, bool]] = []
    for index in range(90):
        if reports and index % 30 == 3:
            for layer in (0, 1):
                ntp = int((3_000_000_000 + pair.now) * (1 << 32))
                at = int(pair.now * 90_000) + layer * 1_000_000
                pair.room.receive_rtcp(
                    "a-s", rtcp.build_sender_report(rtcp.SenderReport(10 + layer, ntp, at, 0, 0)), pair.now
                )
        for layer in (0, 1):
            pair.send(key if index in (0, change) else bytes([0x61, index, layer]), layer=layer)
        pair.room.handle_timer(pair.now)
        frames += [(header.timestamp, header.sequence_number, payload == key) for header, payload, _ in pair.received()]
        pair.now += 1 / 30
    numbers = [number for _, number, _ in frames]
    assert numbers == [(numbers[0] + n) & 0xFFFF for n in range(len(numbers))]
    assert len(frames) == 91, "at the change one picture is shown in both sizes"
    assert [index for index, frame in enumerate(frames) if frame[2]] == [0, change, change + 1]
    times = [time for time, _, _ in frames]
    steps = [(after - before) & 0xFFFFFFFF for before, after in itertools.pairwise(times)]
    assert steps[change] == 90
    assert all(abs(step - 3000) <= 91 for index, step in enumerate(steps) if index != change)
    assert pair.downlink.current == (1, 0)
