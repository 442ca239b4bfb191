# SPDX-License-Identifier: Apache-2.0
"""One RTSP connection to a camera by libavformat: opened, read, and what went wrong as a state. Blocking.

libavformat knows the wire (TCP interleaved, UDP, digest and basic sign-in, keep-alive); its own words are never passed
on, because the address in them holds the password.
"""

from __future__ import annotations

import contextlib
import errno
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit, urlunsplit

import av
import av.error
import av.logging

from mediaserver.cameras.h264 import Pieces
from mediaserver.cameras.states import CameraFault, CameraSpec, State

OPEN_WITHIN_S: Final = 8.0
SILENT_FOR_S: Final = 5.0
"""No packet for so long: the camera is gone."""
UNTIMED_MOST: Final = 5
"""So many pictures without a time are left out at most; more of them are a camera that gives none."""
REORDER_US: Final = 150_000
"""UDP packets that come late are waited for so long."""
SOUND_CODECS: Final = frozenset(
    {"pcm_alaw", "pcm_mulaw", "aac", "aac_latm", "adpcm_g722", "adpcm_g726", "adpcm_g726le", "opus"}
)
_CODEC_NAMES: Final = {"hevc": "H.265", "mjpeg": "MJPEG", "mpeg4": "MPEG-4", "h263": "H.263", "av1": "AV1"}
_OPTIONS: Final = {
    "analyzeduration": "1",  # nothing is found out by decoding: the session description and the stream say it
    "probesize": "32",
    "fflags": "nobuffer",
    "max_delay": str(REORDER_US),
    "buffer_size": str(2 << 20),
    "user_agent": "VideoHome",
}

av.logging.set_level(None)


@dataclass(frozen=True, slots=True)
class Unit:
    """One access unit of the picture, or one packet of the sound."""

    video: bool
    camera_s: float | None
    """The camera's own time in seconds; None when it gave none."""
    arrived_s: float
    """On the steady clock."""
    packet: Any
    """av.Packet"""


class Source:
    """One connection. `open` and `units` raise CameraFault, and nothing else about the camera or the network."""

    def __init__(self, spec: CameraSpec) -> None:
        self._spec = spec
        self._container: Any = None
        self.video: Any = None
        self.sound: Any = None

    def open(self) -> None:
        """Connect, sign in and start playing."""
        began = time.monotonic()
        options = {**_OPTIONS, "rtsp_transport": self._spec.transport}
        try:
            self._container = av.open(_with_sign_in(self._spec), options=options, timeout=(OPEN_WITHIN_S, SILENT_FOR_S))
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise _fault(error, time.monotonic() - began) from None
        videos = [stream for stream in self._container.streams if stream.type == "video"]
        self.video = next((stream for stream in videos if stream.codec_context.name == "h264"), None)
        if self.video is None:
            self.close()
            names = [stream.codec_context.name for stream in videos]
            if not names:
                raise CameraFault(State.NO_SUCH_STREAM)
            raise CameraFault(State.CODEC_NOT_USABLE, _CODEC_NAMES.get(names[0], names[0])[:20])
        sounds = [stream for stream in self._container.streams if stream.type == "audio"]
        self.sound = next((stream for stream in sounds if stream.codec_context.name in SOUND_CODECS), None)

    @property
    def parameter_sets(self) -> bytes:
        """H.264 parameter sets of the session description."""
        return bytes(self.video.codec_context.extradata or b"")

    def units(self) -> Iterator[Unit]:
        """Everything that comes. Ends by CameraFault LOST when nothing comes any more."""
        untimed, pieces = 0, Pieces()
        wanted = [stream for stream in (self.video, self.sound) if stream is not None]
        try:
            for packet in self._container.demux(wanted):
                if packet.size == 0:
                    continue
                stamp = packet.pts if packet.pts is not None else packet.dts
                camera_s = None if stamp is None else float(stamp * packet.time_base)
                if packet.stream is self.video and camera_s is None and untimed < UNTIMED_MOST:
                    untimed += 1  # whoever comes in the middle of a picture gets the rest of it first, without a time
                    continue
                now = time.monotonic()
                if packet.stream is not self.video:
                    yield Unit(False, camera_s, now, packet)
                    continue
                for data, whole_s, arrived_s in pieces.take((bytes(packet), camera_s, now)):
                    yield Unit(True, whole_s, arrived_s, av.Packet(data))
        except (av.error.FFmpegError, OSError, ValueError):
            pass
        raise CameraFault(State.LOST)

    def close(self) -> None:
        """End the connection."""
        container, self._container = self._container, None
        if container is not None:
            with contextlib.suppress(av.error.FFmpegError, OSError):
                container.close()


def _with_sign_in(spec: CameraSpec) -> str:
    """The address as libavformat wants it; never shown anywhere."""
    if not spec.username and not spec.password:
        return spec.address
    parts = urlsplit(spec.address)
    sign_in = f"{quote(spec.username, safe='')}:{quote(spec.password, safe='')}"
    return urlunsplit((parts.scheme, f"{sign_in}@{parts.netloc.rpartition('@')[2]}", parts.path, parts.query, ""))


_UNREACHABLE: Final = frozenset(
    {errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ETIMEDOUT, errno.EIO, errno.ECONNRESET}
    | {errno.EPIPE, errno.EADDRNOTAVAIL, errno.ENETDOWN, errno.EHOSTDOWN, errno.EINVAL}
)


def _fault(error: Exception, took_s: float) -> CameraFault:
    """What an error at opening means."""
    if isinstance(error, av.error.HTTPUnauthorizedError | av.error.HTTPForbiddenError):
        return CameraFault(State.WRONG_PASSWORD)
    if isinstance(error, av.error.HTTPNotFoundError | av.error.HTTPBadRequestError):
        return CameraFault(State.NO_SUCH_STREAM)
    number = getattr(error, "errno", None)
    if number in (errno.EPROTONOSUPPORT, errno.EPROTO):
        return CameraFault(State.TRANSPORT_REFUSED)
    if isinstance(error, av.error.HTTPOtherClientError):  # 461, 454, 455, 457
        return CameraFault(State.TRANSPORT_REFUSED)
    if isinstance(error, av.error.HTTPServerError):
        return CameraFault(State.NO_SUCH_STREAM)
    if took_s >= OPEN_WITHIN_S - 0.5 or number in _UNREACHABLE:
        return CameraFault(State.UNREACHABLE)
    return CameraFault(State.NOT_RTSP)
