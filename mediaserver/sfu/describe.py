# SPDX-License-Identifier: Apache-2.0
"""What a video packet is, by its codec: start of a frame, key frame, layers, the numbers that must be rewritten."""

from __future__ import annotations

from mediaserver.rtp import av1, h264
from mediaserver.rtp.payload import VP8_PLACES, vp8_size
from mediaserver.rtp.vp9 import read_vp9, vp9_size
from mediaserver.sfu.stored import NEVER, Stored


class Describer:
    """Reads the packets of one stream in the order of their arrival. `size` is that of its last key frame."""

    __slots__ = ("_after_base", "_dependencies", "_read", "_with_parameter_sets", "size")

    def __init__(self, codec: str) -> None:
        self.size: tuple[int, int] | None = None
        self._read = {"vp8": self._vp8, "h264": self._h264, "vp9": self._vp9, "av1": self._av1}.get(codec)
        self._dependencies = av1.DependencyReader()
        self._with_parameter_sets = False
        self._after_base = False

    def describe(self, stored: Stored, descriptor: bytes | None) -> None:
        """Fill in what the payload and the dependency descriptor tell. Broken payloads are left as they are."""
        if len(stored.packet) == stored.payload_at:
            stored.temporal = NEVER
        elif self._read is not None:
            self._read(stored, descriptor)

    def _vp8(self, stored: Stored, _: bytes | None) -> None:
        """What payload.read_vp8 finds, without making anything on the way."""
        packet, begin = stored.packet, stored.payload_at
        first, flags, data_at, size = packet[begin], 0, begin + 1, len(packet)
        if first & 0x80:
            if begin + 3 > size:
                return  # not even data
            flags, third = packet[begin + 1], packet[begin + 2]
            tl0_at, layers_at, data_at = VP8_PLACES[flags >> 4 | (flags & third & 0x80) >> 3]
            tl0_at, layers_at, data_at = begin + tl0_at, begin + layers_at, begin + data_at
        if data_at >= size:
            return
        if flags & 0x80:
            stored.picture_at = begin + 2
            if third & 0x80:
                stored.picture, stored.picture_bits = (third & 0x7F) << 8 | packet[begin + 3], 15
            else:
                stored.picture, stored.picture_bits = third, 7
        if flags & 0x70:
            if flags & 0x40:
                stored.tl0, stored.tl0_at = packet[tl0_at], tl0_at
            if flags & 0x20:
                stored.temporal, stored.sync = packet[layers_at] >> 6, packet[layers_at] & 0x20 > 0
            if flags & 0x10:
                stored.key_index, stored.key_index_at = packet[layers_at] & 0x1F, layers_at
        if first & 0x1F == 0x10:
            stored.start = True
            if not packet[data_at] & 1:
                stored.keyframe = True
                self.size = vp8_size(packet[data_at:]) or self.size

    def _h264(self, stored: Stored, _: bytes | None) -> None:
        found = h264.read_h264(stored.payload)
        if found is None:
            return
        if found.parameter_sets:
            self._with_parameter_sets = True
            self.size = h264.sps_size(found.sps) or self.size
        # A picture begins with its parameter sets; only a stream that never sends any begins with the slice.
        stored.keyframe = found.parameter_sets or (found.idr_start and not self._with_parameter_sets)
        stored.start = stored.keyframe

    def _vp9(self, stored: Stored, descriptor: bytes | None) -> None:
        payload = stored.payload
        found = read_vp9(payload)
        if found is None:
            return
        stored.start, stored.frame_end, stored.keyframe = found.frame_start, found.frame_end, found.keyframe
        stored.spatial, stored.temporal, stored.sync = found.spatial_layer, found.temporal_layer, found.switching_up
        if found.picture_id is not None:
            stored.picture, stored.picture_bits = found.picture_id, found.picture_id_bits
            stored.picture_at = stored.payload_at + 1
        if found.tl0picidx is not None:
            stored.tl0, stored.tl0_at = found.tl0picidx, stored.payload_at + found.tl0picidx_offset
        if found.keyframe:
            self.size = found.size or vp9_size(payload[found.data_offset :]) or self.size
        if descriptor is not None:
            self._depends(stored, descriptor)

    def _av1(self, stored: Stored, descriptor: bytes | None) -> None:
        payload = stored.payload
        found = av1.read_av1(payload)
        if found is None:
            return
        stored.keyframe = stored.start = found.keyframe
        if found.keyframe:
            for obu in av1.obu_elements(payload):
                if (sequence := av1.read_sequence_header(obu)) is not None:
                    self.size = sequence.width, sequence.height
        if descriptor is not None:
            self._depends(stored, descriptor)

    def _depends(self, stored: Stored, descriptor: bytes) -> None:
        found = self._dependencies.read(descriptor)
        if found is None:
            return
        stored.start, stored.frame_end, stored.frame_number = found.frame_start, found.frame_end, found.frame_number
        if found.spatial >= 0:
            stored.spatial, stored.temporal = found.spatial, found.temporal
            if found.frame_start:
                # The first frame after one of the base layer leans on nothing but the base layer.
                stored.sync = stored.sync or self._after_base
                self._after_base = found.temporal == 0
