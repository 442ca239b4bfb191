# SPDX-License-Identifier: Apache-2.0
"""The loop over receivers in both planes: from the same state they make the same packets and leave the same state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mediaserver import native
from mediaserver.native.build import build
from mediaserver.rtp import codecs
from mediaserver.rtp import packet as rtp
from mediaserver.sfu import fanout
from mediaserver.sfu.downlink import Downlink
from mediaserver.sfu.outbox import Outgoing
from mediaserver.sfu.ports import Port
from mediaserver.sfu.span import Span
from mediaserver.sfu.stored import Stored, extension_block
from mediaserver.sfu.uplink import Uplink


@pytest.fixture(scope="module", autouse=True)
def compiled() -> Iterator[Any]:
    """The module, or no test: then there is nothing to compare."""
    build()
    module = native.load()
    if module is None:
        pytest.fail("the compiled plane cannot be built here")
    yield module
    fanout.use(None)


class Receivers:
    """Two receivers of one uplink."""

    def __init__(self, numbers: dict[str, int], shifted: bool) -> None:
        self.uplink = Uplink(codecs.VP9)
        self.port = Port("t", "p", "recv")
        self.port.next_twcc = numbers["twcc"]
        self.downlinks = tuple(
            Downlink(f"c{n}", "p-cam-1", self.port, "0", numbers["ssrc"] + n, None, numbers["first"]) for n in range(2)
        )
        for downlink in self.downlinks:
            span = Span(self.uplink, 65_536, numbers["offset"], numbers["timestamp"])
            span.picture, span.tl0, span.key_index, span.frame = (
                numbers[n] for n in ("picture", "tl0", "key", "frame")
            )
            span.shifted = shifted
            downlink.begin(span)
            downlink.highest = 65_535
            downlink.spatial, downlink.temporal, downlink.target = 1, 1, (1, 2)

    def state(self) -> list[Any]:
        return [self.port.next_twcc] + [
            (
                d.highest,
                d.packets,
                d.bytes,
                d.temporal,
                d.last and d.last.extended,
                [(s.first, s.end, s.offset) for s in d.spans],
            )
            for d in self.downlinks
        ]


PACKET = st.fixed_dictionaries(
    {
        "step": st.integers(-3, 4),
        "size": st.integers(0, 40),
        "temporal": st.sampled_from([0, 1, 2, 2, 99]),
        "spatial": st.integers(0, 2),
        "sync": st.booleans(),
        "start": st.booleans(),
        "marker": st.booleans(),
        "frame_end": st.booleans(),
        "bits": st.sampled_from([0, 7, 15]),
        "numbers": st.booleans(),
        "value": st.integers(0, 0x7FFF),
    }
)
NUMBERS = st.fixed_dictionaries(
    {
        "twcc": st.integers(0, 1 << 40),
        "ssrc": st.integers(0, 0xFFFFFFFE),
        "first": st.integers(0, 0x7FFF),
        "offset": st.integers(-(1 << 40), 1 << 40),
        **{name: st.integers(-(1 << 33), 1 << 33) for name in ("timestamp", "picture", "tl0", "key", "frame")},
    }
)


def stored(extended: int, what: dict[str, Any]) -> Stored:
    block, _ = extension_block([], 1.0)
    payload = bytes(range(10)) + bytes(what["size"])
    packet = rtp.build(
        payload_type=96, sequence_number=extended, timestamp=extended * 7, ssrc=1, payload=payload,
        extension_block=block, marker=what["marker"],
    )  # fmt: skip
    header = rtp.read_header(packet)
    assert header is not None
    made = Stored(extended, packet, header.timestamp, header.marker, header.payload_offset, 0.0)
    made.temporal, made.spatial, made.sync, made.start = what["temporal"], what["spatial"], what["sync"], what["start"]
    made.frame_end = what["frame_end"] or what["marker"]
    at = header.payload_offset
    if what["bits"]:
        made.picture, made.picture_bits, made.picture_at = what["value"] & ((1 << what["bits"]) - 1), what["bits"], at
    if what["numbers"]:
        made.tl0, made.tl0_at = what["value"] & 0xFF, at + 3
        made.key_index, made.key_index_at = what["value"] & 31, at + 4
        made.frame_number, made.frame_at = what["value"], at + 5
    return made


@settings(max_examples=300, deadline=None)
@given(packets=st.lists(PACKET, min_size=1, max_size=12), numbers=NUMBERS, shifted=st.booleans())
def test_both_loops_do_the_same(packets: list[dict[str, Any]], numbers: dict[str, int], shifted: bool) -> None:
    results = []
    for module in (None, native.load()):
        fanout.use(module)
        receivers, out, extended = Receivers(numbers, shifted), list[Outgoing](), 65_536
        for what in packets:
            extended += what["step"]
            fanout.forward(out, receivers.downlinks, stored(max(65_536, extended), what))
        results.append((out, receivers.state()))
    assert results[0] == results[1]


def test_the_compiled_loop_refuses_other_objects(compiled: Any) -> None:
    fanout.use(compiled)
    what = {"size": 0, "temporal": 0, "spatial": 0, "sync": False, "start": True, "marker": True, "frame_end": True}
    good = stored(65_536, {**what, "bits": 15, "numbers": True, "value": 5})
    with pytest.raises(TypeError):
        compiled.fan_out([], (object(),), good)
    with pytest.raises(TypeError):
        compiled.fan_out([], (), object())
    with pytest.raises(TypeError):
        compiled.fan_out((), (), good)
    for name in ("picture_at", "tl0_at", "key_index_at", "frame_at"):
        broken = stored(65_536, {**what, "bits": 15, "numbers": True, "value": 5})
        setattr(broken, name, len(broken.packet))
        with pytest.raises(ValueError):
            compiled.fan_out([], (), broken)
        setattr(broken, name, -1)
        with pytest.raises(ValueError):
            compiled.fan_out([], (), broken)
    with pytest.raises((AttributeError, TypeError)):
        compiled.bind_fanout(dict, Span, Stored, Port)
