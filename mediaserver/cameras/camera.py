# SPDX-License-Identifier: Apache-2.0
"""Keeps one camera's stream coming: connects, hands on pictures and sound, waits, connects again. Runs in a thread."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass
from typing import Final, Protocol

from mediaserver.cameras.clock import CameraClock
from mediaserver.cameras.h264 import Packetizer, Picture
from mediaserver.cameras.sound import OpusPacket, Sound
from mediaserver.cameras.source import Source, Unit
from mediaserver.cameras.states import Backoff, CameraFault, CameraSpec, State

KEY_FRAME_WITHIN_S: Final = 20.0
"""A camera that sends no usable key frame for so long is set up wrongly."""
BACKWARD_MOST: Final = 3
"""So many pictures that are shown before an earlier sent one mean B pictures, which browsers cannot show in a call."""
B_PICTURES: Final = "H.264 (B)"


@dataclass(frozen=True, slots=True)
class CameraFacts:
    """What a running camera sends."""

    profile_level_id: str
    width: int
    height: int
    sound: bool
    sound_codec: str
    """Codec of the camera's sound, also of one that cannot be used; empty without sound."""


class Sink(Protocol):
    """Who gets what comes. Called in the camera's thread."""

    def on_state(self, state: State, detail: str, facts: CameraFacts | None) -> None:
        """The state changed; RUNNING comes with facts, before the first picture."""

    def on_picture(self, line_s: float, picture: Picture) -> None:
        """One picture."""

    def on_sound(self, packet: OpusPacket) -> None:
        """20 ms of sound."""


class Camera:
    """One camera until `stop`."""

    def __init__(self, spec: CameraSpec, sink: Sink, clock: CameraClock) -> None:
        self._spec, self._sink, self.clock = spec, sink, clock
        self._stop = threading.Event()
        self._backoff = Backoff()

    def stop(self) -> None:
        """Ends at the next packet, or by the end of the process."""
        self._stop.set()

    def run(self) -> None:
        """Connect again and again."""
        while not self._stop.is_set():
            self._sink.on_state(State.CONNECTING, "", None)
            source = Source(self._spec)
            try:
                source.open()
                _Connection(source, self._spec.sound, self._sink, self.clock, self._stop).run(self._backoff)
                return
            except CameraFault as fault:
                source.close()
                self._sink.on_state(fault.state, fault.detail, None)
                self._stop.wait(self._backoff.wait_s(fault.state, random.random()))  # noqa: S311 - spreads, hides nothing


class _Connection:
    """One connection, from its first packet to its end."""

    def __init__(self, source: Source, sound: bool, sink: Sink, clock: CameraClock, stop: threading.Event) -> None:
        self._source, self._sink, self._clock, self._stop = source, sink, clock, stop
        self._packetizer = Packetizer()
        self._packetizer.learn(source.parameter_sets)
        self._sound = Sound(source.sound) if sound and source.sound is not None else None
        self._running = False
        self._newest_s: float | None = None
        self._backward = 0

    def run(self, backoff: Backoff) -> None:
        """Until `stop`. Raises CameraFault when the stream ends or cannot be used."""
        self._clock.begin()
        deadline_s = time.monotonic() + KEY_FRAME_WITHIN_S
        for unit in self._source.units():
            if self._stop.is_set():
                return
            now = time.monotonic()
            if unit.video:
                self._picture(unit)
            elif self._sound is not None and self._running:
                line_s = self._clock.line("sound", unit.camera_s, unit.arrived_s)
                for packet in self._sound.packets(unit.packet, line_s):
                    self._sink.on_sound(packet)
            if self._running:
                backoff.worked()
            elif now > deadline_s:
                raise CameraFault(State.NO_KEY_FRAME)

    def _picture(self, unit: Unit) -> None:
        self._check_order(unit)
        picture = self._packetizer.picture(bytes(unit.packet))
        if picture is None:
            return
        facts = self._packetizer.facts
        if not self._running and facts is not None:
            self._running = True
            codec = "" if self._source.sound is None else self._source.sound.codec_context.name
            told = CameraFacts(facts.profile_level_id, facts.width, facts.height, self._sound is not None, codec)
            self._sink.on_state(State.RUNNING, "", told)
        self._sink.on_picture(self._clock.line("picture", unit.camera_s, unit.arrived_s), picture)

    def _check_order(self, unit: Unit) -> None:
        """Pictures that are sent in another order than shown cannot pass through a call."""
        if unit.camera_s is None:
            return
        if self._newest_s is not None and -1.0 < unit.camera_s - self._newest_s < 0:
            self._backward += 1
            if self._backward >= BACKWARD_MOST:
                raise CameraFault(State.CODEC_NOT_USABLE, B_PICTURES)
        self._newest_s = unit.camera_s if self._newest_s is None else max(self._newest_s, unit.camera_s)
