# SPDX-License-Identifier: Apache-2.0
"""Who receives whom: consumers are made, described to their pages, and ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mediaserver.sfu.downlink import Downlink
from mediaserver.sfu.layers import Layers
from mediaserver.sfu.parameters import receive_parameters
from mediaserver.sfu.ports import Port, Producer


class Consumers:
    """Makes the downlinks of one room. `new_ssrc` gives a fresh random 32-bit number each time."""

    def __init__(self, layers: Layers, new_ssrc: Callable[[], int]) -> None:
        self._layers, self._new_ssrc = layers, new_ssrc
        self._count = 0

    def add(self, port: Port, producer: Producer, now: float) -> Downlink:
        """Let a receiving transport have what a producer sends, from the moment that it is up."""
        self._count += 1
        downlink = Downlink(
            f"c{self._count}",
            producer.producer_id,
            port,
            str(port.next_mid),
            self._new_ssrc(),
            self._new_ssrc() if producer.parameters.codec.rtx_payload_type else None,
            self._new_ssrc() & 0x7FFF,
        )
        downlink.plain = not port.receives_red
        port.next_mid += 1
        port.downlinks[downlink.consumer_id] = downlink
        producer.downlinks = (*producer.downlinks, downlink)
        if port.up:
            self._layers.attach(producer, downlink, now)
        return downlink

    def end(self, producer: Producer, downlink: Downlink) -> None:
        """The receiver has gone, or the producer has ended."""
        self._layers.detach(producer, downlink)
        downlink.port.downlinks.pop(downlink.consumer_id, None)
        producer.downlinks = tuple(other for other in producer.downlinks if other is not downlink)


def describe(producer: Producer, downlink: Downlink) -> dict[str, Any]:
    """A consumer as its page is told of it, JSON-ready."""
    parameters = producer.parameters
    red = parameters.red_payload_type is not None and not downlink.plain
    return {
        "id": downlink.consumer_id,
        "producer_id": producer.producer_id,
        "peer_id": producer.peer_id,
        "source": producer.source,
        "kind": producer.kind,
        "paused": producer.off,
        "rtp_parameters": receive_parameters(
            parameters.codec,
            downlink.mid,
            downlink.ssrc,
            downlink.rtx_ssrc,
            producer.peer_id,
            red=red,
            stereo=parameters.stereo,
        ),
    }
