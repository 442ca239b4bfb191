# SPDX-License-Identifier: Apache-2.0
"""H264, VP9 and AV1 payloads and the dependency descriptor: real streams where there are encoders, else by the bit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediaserver.rtp import av1, h264
from mediaserver.rtp.payload import read_vp8, red_primary
from mediaserver.rtp.vp9 import read_vp9
from tests.video import encode, payloads, units


@pytest.mark.parametrize("profile", ["h264", "h264 high"])
@pytest.mark.parametrize(("width", "height"), [(320, 178), (640, 360), (1280, 720), (186, 106)])
def test_h264_key_frames_and_their_size(profile: str, width: int, height: int) -> None:
    frames = encode(profile, frames=4, width=width, height=height, key_every=2)
    for index, frame in enumerate(frames):
        found = [h264.read_h264(payload) for payload in payloads(profile, frame, index % 2 == 0)]
        sets = [each for each in found if each is not None and each.parameter_sets]
        slices = [each for each in found if each is not None and each.idr_start]
        assert (len(sets), bool(slices)) == ((1, True) if index % 2 == 0 else (0, False))
        for each in sets:
            assert h264.sps_size(each.sps) == (width, height)


def test_h264_single_units_and_fragments_are_told_apart() -> None:
    frame = encode("h264", frames=1, width=640, height=360)[0]
    by_kind = {unit[0] & 31: unit for unit in units(frame)}
    sps = h264.read_h264(by_kind[h264.SPS])
    assert sps is not None
    assert sps.sps == by_kind[h264.SPS]
    assert h264.read_h264(by_kind[h264.PPS]) == h264.H264Payload(False, False, b"")
    assert h264.read_h264(bytes([28, 0x85, 1])) == h264.H264Payload(False, True, b"")
    assert h264.read_h264(bytes([28, 0x45, 1])) == h264.H264Payload(False, False, b"")
    assert h264.read_h264(bytes([28, 0x81, 1])) == h264.H264Payload(False, False, b"")
    assert h264.read_h264(bytes([0x65, 1])) == h264.H264Payload(False, True, b"")
    assert h264.read_h264(bytes([25, 1])) is None  # STAP-B belongs to mode 2
    assert list(h264.aggregated(bytes([24, 0, 1, 7, 0, 0, 9]))) == [bytes([7])]
    assert list(h264.aggregated(bytes([24, 0, 9, 7]))) == []


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        # I=1 P=0 L=1 F=0 B=1 E=0 V=1, picture id 0x1234, T0 S0, TL0PICIDX 9, one layer of 640x360, a picture group
        (
            bytes([0xAA, 0x92, 0x34, 0x00, 9, 0x18, 0x02, 0x80, 0x01, 0x68, 2, 0x04, 1, 0x20]) + b"x",
            (14, True, False, True, 0x1234, 15, 9, 4, 0, 0, False, (640, 360)),
        ),
        # I=1 P=1 L=1 F=1 B=1 E=1: picture id 5 (7 bits), T2 U S1, two references
        (
            bytes([0xFC, 0x05, 0x52, 0x03, 0x04]) + b"x",
            (5, True, True, False, 5, 7, None, 0, 2, 1, True, None),
        ),
        # the upper layer of a key picture leans on nothing but the lower one: no start for a receiver
        (bytes([0xA8, 0x05, 0x02, 7]) + b"x", (4, True, False, False, 5, 7, 7, 3, 0, 1, False, None)),
        (bytes([0x08]) + b"x", (1, True, False, True, None, 0, None, 0, 0, 0, False, None)),
        (bytes([0x40]) + b"x", (1, False, False, False, None, 0, None, 0, 0, 0, False, None)),
    ],
)
def test_vp9_descriptors(payload: bytes, expected: tuple[object, ...]) -> None:
    assert read_vp9(payload) == expected
    for end in range(expected[0]):  # type: ignore[call-overload]
        assert read_vp9(payload[:end]) is None or end == 1


def test_av1_key_frames_and_their_size() -> None:
    frames = encode("av1", frames=3, width=322, height=180)
    first = payloads("av1", frames[0], key=True)
    found = [av1.read_av1(payload) for payload in first]
    assert [each.keyframe for each in found if each is not None] == [True] + [False] * (len(first) - 1)
    sequence = av1.read_sequence_header(av1.obu_elements(first[0])[0])
    assert sequence is not None
    assert (sequence.width, sequence.height, sequence.profile) == (322, 180, 0)
    assert av1.read_av1(payloads("av1", frames[1], key=False)[0]) is not None


def test_av1_elements_by_count_and_by_length() -> None:
    assert av1.obu_elements(bytes([0x20, 2, 1, 1, 7, 8])) == [b"\1\1", b"\7\x08"]
    assert av1.obu_elements(bytes([0x00, 1, 9, 2, 7, 8])) == [b"\t", b"\7\x08"]
    assert av1.obu_elements(bytes([0x00, 1, 9, 5, 7, 8])) == [b"\t"]


def dependency(template: int, frame: int, structure: list[int] | None = None, *, start: bool = True) -> bytes:
    """A descriptor; `structure` lists the next_layer_idc of each template (3 ends it), the first template id is 60."""
    head = bytes([(0x80 if start else 0) | 0x40 | template, frame >> 8, frame & 0xFF])
    if structure is None:
        return head
    bits = "10000" + f"{60:06b}" + f"{1:05b}" + "".join(f"{step:02b}" for step in structure)
    bits += "0" * (-len(bits) % 8 + 16)
    return head + int(bits, 2).to_bytes(len(bits) // 8)


def test_the_dependency_descriptor_names_layers_once_the_structure_is_known() -> None:
    reader = av1.DependencyReader()
    before = reader.read(dependency(61, 7))
    assert before is not None
    assert (before.spatial, before.temporal, before.frame_number) == (-1, -1, 7)
    key = reader.read(dependency(60, 0x1234, [0, 1, 2, 1, 3]))
    assert key == av1.Dependency(True, True, 0x1234, 0, 0, True)
    layers = [reader.read(dependency(template % 64, 8)) for template in range(60, 66)]
    found = [(each.spatial, each.temporal) for each in layers if each is not None]
    assert found == [(0, 0), (0, 0), (0, 1), (1, 0), (1, 1), (-1, -1)]
    assert reader.read(b"\x80\x00") is None
    assert reader.read(dependency(60, 1, [0])[:5]) is None, "a structure that ends too soon"


def test_red_gives_its_newest_block() -> None:
    heads = bytes([0x80 | 111, 0, 0, 3]) + bytes([111])
    assert red_primary(heads + b"oldnew") == (111, 8)
    assert red_primary(bytes([111]) + b"new") == (111, 1)
    assert red_primary(bytes([0x80 | 111, 0, 0, 9, 111]) + b"short") is None
    assert red_primary(bytes([0x80 | 111, 0])) is None
    assert red_primary(b"") is None


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    read_vp8(data)
    found = read_vp9(data)
    assert found is None or found.data_offset < len(data)
    payload = h264.read_h264(data)
    if payload is not None and payload.sps:
        h264.sps_size(payload.sps)
    h264.sps_size(data)
    assert sum(len(element) for element in av1.obu_elements(data)) <= len(data)
    av1.read_sequence_header(data)
    av1.DependencyReader().read(data)
    primary = red_primary(data)
    assert primary is None or primary[1] <= len(data)
