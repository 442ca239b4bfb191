# SPDX-License-Identifier: Apache-2.0
"""From the packets of one video stream, in order, to whole frames as a Matroska file holds them. PURE.

A frame with a hole inside is left out. `take` gets every packet that has a payload, `hole` says that numbers are
missing in front of the next one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from mediaserver.rtp import av1, h264
from mediaserver.rtp.payload import vp8_data_offset, vp8_size
from mediaserver.rtp.vp9 import read_vp9, vp9_size

MAX_FRAME_BYTES = 8 << 20
"""A frame that grows beyond is given up: a publisher that never sets the marker."""


class Picture(NamedTuple):
    """One whole frame. `size` and `private` (Matroska's CodecPrivate) are told by key frames."""

    rtp_time: int
    data: bytes
    keyframe: bool
    packets: int
    size: tuple[int, int] | None
    private: bytes


@dataclass(slots=True)
class Pictures:
    """What all codecs share: pieces of the frame that is being put together."""

    damaged: int = 0
    _pieces: list[bytes] = field(default_factory=list)
    _rtp_time: int = 0
    _packets: int = 0
    _bytes: int = 0
    _keyframe: bool = False
    _synced: bool = False
    """The packets of this frame have been whole so far."""

    def hole(self) -> None:
        """Packets are missing."""
        if self._packets:
            self.damaged += 1
        self._clear()
        self._synced = False

    def _clear(self) -> None:
        self._pieces, self._packets, self._bytes, self._keyframe = [], 0, 0, False

    def _begin(self, rtp_time: int, keyframe: bool) -> None:
        if self._packets:
            self.damaged += 1
        self._clear()
        self._rtp_time, self._keyframe, self._synced = rtp_time, keyframe, True

    def _add(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._packets += 1
        self._bytes += len(piece)
        if self._bytes > MAX_FRAME_BYTES:
            self.hole()

    def _finish(self, data: bytes, size: tuple[int, int] | None = None, private: bytes = b"") -> Picture | None:
        keyframe, packets = self._keyframe, self._packets
        self._clear()
        return Picture(self._rtp_time, data, keyframe, packets, size, private) if data else None

    def take(self, payload: bytes, rtp_time: int, marker: bool) -> Picture | None:
        """One packet; the frame that it completes, if it does."""
        raise NotImplementedError


class Vp8Pictures(Pictures):
    """RFC 7741."""

    def take(self, payload: bytes, rtp_time: int, marker: bool) -> Picture | None:
        data_at = vp8_data_offset(payload)
        if not data_at:
            return None
        if payload[0] & 0x1F == 0x10:  # S bit and partition 0
            self._begin(rtp_time, keyframe=not payload[data_at] & 1)
        elif not self._synced or not self._packets:
            return None
        self._add(payload[data_at:])
        return self.end() if marker else None

    def end(self) -> Picture | None:
        """The frame, whose last packet came."""
        data = b"".join(self._pieces)
        return self._finish(data, vp8_size(data))


class Vp9Pictures(Pictures):
    """RFC 9628. The frames of several spatial layers become one superframe (VP9 bitstream annex B)."""

    _ends: list[int]
    _size: tuple[int, int] | None = None

    def take(self, payload: bytes, rtp_time: int, marker: bool) -> Picture | None:
        descriptor = read_vp9(payload)
        if descriptor is None:
            return None
        if descriptor.frame_start and (rtp_time != self._rtp_time or not self._packets):
            self._begin(rtp_time, descriptor.keyframe)
            self._ends = []
        elif not self._synced or not self._packets:
            return None
        self._size = descriptor.size or self._size
        self._add(payload[descriptor.data_offset :])
        if descriptor.frame_end or marker:
            self._ends.append(self._bytes)
        if not marker:
            return None
        data = b"".join(self._pieces)
        if len(self._ends) > 1:
            data += _superframe_index(self._ends)
        return self._finish(data, vp9_size(data) or self._size if self._keyframe else None)


def _superframe_index(ends: list[int]) -> bytes:
    sizes = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    marker = bytes([0xC0 | 3 << 3 | len(sizes) - 1])
    return marker + b"".join(size.to_bytes(4, "little") for size in sizes) + marker


class H264Pictures(Pictures):
    """RFC 6184, packetization mode 1. Units get their length in front (ISO/IEC 14496-15); parameter sets go to the
    file's header and stay in the frame too, where a change of them counts."""

    _sps = b""
    _pps = b""
    _fragment: bytearray | None = None
    _ended = True
    """The last packet had the marker: the next one begins a frame."""

    def take(self, payload: bytes, rtp_time: int, marker: bool) -> Picture | None:
        if self._ended or self._begins(payload, rtp_time):
            self._begin(rtp_time, keyframe=False)
            self._fragment = None
        self._ended = marker
        if not self._synced or rtp_time != self._rtp_time:
            return None
        self._units(payload)
        if not marker:
            return None
        data = b"".join(len(unit).to_bytes(4) + unit for unit in self._pieces if unit)
        if not self._keyframe:
            return self._finish(data)
        return self._finish(data, h264.sps_size(self._sps), _avc_configuration(self._sps, self._pps))

    def hole(self) -> None:
        Pictures.hole(self)
        self._fragment, self._ended = None, False

    def _begins(self, payload: bytes, rtp_time: int) -> bool:
        if self._synced and self._packets:
            return rtp_time != self._rtp_time
        found = h264.read_h264(payload)
        return found is not None and found.parameter_sets

    def _units(self, payload: bytes) -> None:
        kind = payload[0] & 31
        if kind == h264.STAP_A:
            for unit in h264.aggregated(payload):
                self._unit(bytes(unit))
            self._packets += 1
        elif kind != h264.FU_A:
            self._unit(payload)
            self._packets += 1
        elif len(payload) > 2:
            self._packets += 1
            if payload[1] & 0x80:
                self._fragment = bytearray([payload[0] & 0xE0 | payload[1] & 31])
            if self._fragment is not None:
                self._fragment += payload[2:]
                if payload[1] & 0x40:
                    self._unit(bytes(self._fragment))
                    self._fragment = None
                elif len(self._fragment) > MAX_FRAME_BYTES:
                    self.hole()

    def _unit(self, unit: bytes) -> None:
        kind = unit[0] & 31
        if kind == h264.SPS:
            self._sps = unit
        elif kind == h264.PPS:
            self._pps = unit
        elif kind == h264.IDR:
            self._keyframe = True
        self._pieces.append(unit)
        self._bytes += len(unit)
        if self._bytes > MAX_FRAME_BYTES:
            self.hole()


def _avc_configuration(sps: bytes, pps: bytes) -> bytes:
    """AVCDecoderConfigurationRecord (ISO/IEC 14496-15 section 5.3.3.1); empty while a parameter set is missing."""
    if len(sps) < 4 or not pps:
        return b""
    head = b"\x01" + sps[1:4] + b"\xff\xe1"
    record = head + len(sps).to_bytes(2) + sps + b"\x01" + len(pps).to_bytes(2) + pps
    if sps[1] in (100, 110, 122, 144):
        record += b"\xfd\xf8\xf8\x00"  # 4:2:0, eight bits, no further sets
    return record


class Av1Pictures(Pictures):
    """The RTP payload format for AV1: elements are joined again and get their size (low-overhead format)."""

    _open = b""
    _sequence = b""
    _ended = True

    def take(self, payload: bytes, rtp_time: int, marker: bool) -> Picture | None:
        head = av1.read_av1(payload)
        if head is None:
            return None
        if head.keyframe or (self._ended and not head.continues):
            self._begin(rtp_time, head.keyframe)
            self._open = b""
        self._ended = marker
        if not self._synced or rtp_time != self._rtp_time:
            return None
        elements = av1.obu_elements(payload)
        if elements and head.continues:
            elements[0] = self._open + elements[0]
        self._open = elements.pop() if elements and head.unfinished else b""
        self._packets += 1
        for element in elements:
            self._obu(element)
        if not marker:
            return None
        data = b"".join(self._pieces)
        found = av1.read_sequence_header(self._sequence) if self._keyframe else None
        if found is None:
            return self._finish(data)
        return self._finish(data, (found.width, found.height), _av1_configuration(found, self._sequence))

    def hole(self) -> None:
        Pictures.hole(self)
        self._open, self._ended = b"", False

    def _obu(self, obu: bytes) -> None:
        if not obu or obu[0] >> 3 & 15 in (av1.OBU_TEMPORAL_DELIMITER, av1.OBU_TILE_LIST, av1.OBU_PADDING):
            return
        if not obu[0] & 2:
            head = 2 if obu[0] & 4 else 1
            if len(obu) < head:
                return
            obu = bytes([obu[0] | 2]) + obu[1:head] + _leb128(len(obu) - head) + obu[head:]
        if obu[0] >> 3 & 15 == av1.OBU_SEQUENCE_HEADER:
            self._sequence = obu
        self._pieces.append(obu)
        self._bytes += len(obu)
        if self._bytes > MAX_FRAME_BYTES:
            self.hole()


def _leb128(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes(found) + bytes([value])


def _av1_configuration(found: av1.SequenceHeader, sequence: bytes) -> bytes:
    """AV1CodecConfigurationRecord (AV1 in ISOBMFF section 2.3.3) for 4:2:0 with eight bits."""
    return bytes([0x81, found.profile << 5 | found.level, found.tier << 7 | 0x0C, 0]) + sequence


PICTURES: dict[str, type[Pictures]] = {
    "vp8": Vp8Pictures,
    "vp9": Vp9Pictures,
    "h264": H264Pictures,
    "av1": Av1Pictures,
}
"""By codec name; whatever is not here is sound."""
