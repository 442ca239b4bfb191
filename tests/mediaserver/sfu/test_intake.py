# SPDX-License-Identifier: Apache-2.0
"""A received packet is read and stored the same by both planes, whatever its bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mediaserver import native
from mediaserver.native.build import build
from mediaserver.rtp import codecs
from mediaserver.rtp import packet as rtp
from mediaserver.sfu import intake
from mediaserver.sfu.parameters import read_send_parameters
from mediaserver.sfu.ports import Producer, make_producer
from mediaserver.sfu.stored import OUR_IDS, Stored
from tests.mediaserver.rtp.test_video import dependency

SMALL_IDS = {uri: number for number, uri in enumerate(codecs.EXTENSION_IDS, 2)}
LARGE_IDS = {uri: number + 200 for uri, number in SMALL_IDS.items()}
MANY = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def compiled() -> Iterator[Any]:
    """The module, or no test: then there is nothing to compare."""
    build()
    module = native.load()
    if module is None:
        pytest.fail("the compiled plane cannot be built here")
    yield module
    intake.use(None)


def producer(mime: str, ids: dict[str, int]) -> Producer:
    kind = "audio" if mime.startswith("audio") else "video"
    clock = {"clockRate": 48000, "channels": 2} if kind == "audio" else {"clockRate": 90000}
    parameters = read_send_parameters(
        kind,  # type: ignore[arg-type]
        {
            "mid": "0",
            "codecs": [{"mimeType": mime, "payloadType": 96, "parameters": {}, **clock}],
            "headerExtensions": [{"uri": uri, "id": number} for uri, number in ids.items()],
            "encodings": [{"ssrc": 7}],
        },
    )
    return make_producer("p-cam-1", "p", "cam", kind, parameters, None)  # type: ignore[arg-type]


def fields(stored: Stored) -> dict[str, Any]:
    return {name: getattr(stored, name) for name in Stored.__slots__}


VP8 = st.builds(
    lambda first, flags, rest, data: bytes([first, flags]) + rest + data,
    st.sampled_from([0x80, 0x90, 0x10, 0x00, 0x91, 0xFF]),
    st.sampled_from([0x00, 0x80, 0xC0, 0xE0, 0xF0, 0x20, 0x10, 0x40, 0xFF]),
    st.binary(max_size=6),
    st.sampled_from([b"", b"\x10\x00\x00\x9d\x01\x2a\x00\x05\xd0\x02", b"\x11" + bytes(30)]),
)
PAYLOADS = st.one_of(VP8, st.binary(max_size=40), st.just(b""))
ELEMENTS = st.lists(
    st.tuples(
        st.integers(0, 16),
        st.one_of(
            st.binary(max_size=20),
            st.builds(dependency, st.integers(60, 63), st.integers(0, 99), st.sampled_from([None, [0, 1, 2, 1, 3]])),
        ),
    ),
    max_size=8,
)


def wire(elements: list[tuple[int, bytes]], payload: bytes, form: int, bits: dict[str, Any]) -> bytes:
    body = bytearray()
    for number, value in elements:
        if form == 1:
            value = value[:16] or b"\0"
            body += bytes([(number & 15) << 4 | (len(value) - 1)]) + value
        else:
            body += bytes([number + 200 if number else 0]) + (bytes([len(value)]) + value if number else b"")
    body += bytes(-len(body) % 4)
    block = {0: b"", 1: b"\xbe\xde", 2: b"\x10\x07", 3: b"\x12\x34"}[form]
    if form:
        block += (max(0, len(body) // 4 + bits["words"])).to_bytes(2) + bytes(body)
    csrcs = bytes(4 * bits["csrcs"])
    first = 0x80 | (0x10 if form else 0) | (0x20 if bits["padding"] is not None else 0) | bits["csrcs"]
    tail = b"" if bits["padding"] is None else bytes(3) + bytes([bits["padding"]])
    head = bytes([first, 96 | (0x80 if bits["marker"] else 0)]) + bits["number"].to_bytes(2)
    return head + bits["timestamp"].to_bytes(4) + b"\0\0\0\x07" + csrcs + block + payload + tail


BITS = st.fixed_dictionaries(
    {
        "csrcs": st.integers(0, 3),
        "padding": st.none() | st.sampled_from([0, 1, 4, 4, 30, 255]),
        "marker": st.booleans(),
        "number": st.integers(0, 0xFFFF),
        "timestamp": st.integers(0, 0xFFFFFFFF),
        "words": st.sampled_from([0, 0, 0, 0, 1, -1, 0x4000]),
    }
)


@MANY
@given(
    mime=st.sampled_from(["audio/opus", "video/VP8", "video/VP8", "video/VP9", "video/AV1", "video/H264"]),
    elements=ELEMENTS,
    payload=PAYLOADS,
    form=st.sampled_from([0, 1, 1, 2, 2, 3]),
    bits=BITS,
    now=st.floats(0, 1e7),
    red=st.booleans(),
    cut=st.integers(0, 30),
)
def test_both_planes_keep_the_same_packet(
    compiled: Any,
    mime: str,
    elements: list[tuple[int, bytes]],
    payload: bytes,
    form: int,
    bits: dict[str, Any],
    now: float,
    red: bool,
    cut: int,
) -> None:
    ids = LARGE_IDS if form == 2 else SMALL_IDS
    packet = wire(elements, payload, form, bits)
    packet = packet[: len(packet) - cut] if cut < 4 else packet
    found = []
    for module in (None, compiled):
        intake.use(module)
        made = producer(mime, ids)
        read = intake.read(packet, ids[codecs.TRANSPORT_CC_URI])
        kept = None
        if read is not None:
            stored, level = intake.store(made, made.uplinks[0], packet, read[0], 65_536, now, red=red)
            kept = fields(stored), level, made.uplinks[0].describer.size
        found.append((read, kept))
    assert found[0] == found[1]
    assert type(found[0][0]) is type(found[1][0])


@MANY
@given(packet=st.binary(max_size=80), number_id=st.integers(0, 255))
def test_any_bytes_are_read_the_same(compiled: Any, packet: bytes, number_id: int) -> None:
    found = []
    for module in (None, compiled):
        intake.use(module)
        found += [intake.read(packet, number_id), intake.read(bytearray(b"\x90" + packet), number_id)]
    assert found[:2] == found[2:]


def test_the_compiled_intake_refuses_what_it_does_not_know(compiled: Any) -> None:
    intake.use(compiled)
    good = bytes([0x80, 96]) + bytes(20)
    rest = (96, True, 2, {}, 0, 0)
    assert compiled.store_received(good, 1, 1.0, *rest)[0].extended == 1
    with pytest.raises(ValueError):
        compiled.store_received(good[:11], 1, 1.0, *rest)
    with pytest.raises(ValueError):
        compiled.store_received(good, 1, float("nan"), *rest)
    with pytest.raises(ValueError):
        compiled.store_received(
            bytes([0x90, 96]) + bytes(10) + b"\xbe\xde\0\1\x10\1\0\0", 1, 1.0, 96, True, 2, {1: 99}, 0, 0
        )
    for wrong in ((None, 1, 1.0), (good, None, 1.0), (good, 1, None)):
        with pytest.raises(TypeError):
            compiled.store_received(*wrong, *rest)
    with pytest.raises(TypeError):
        compiled.read_received(None, 1)
    for classes in ((dict, Stored), (rtp.Header, dict)):
        with pytest.raises(TypeError):
            compiled.bind_intake(*classes, OUR_IDS)
