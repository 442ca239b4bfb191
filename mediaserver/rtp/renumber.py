# SPDX-License-Identifier: Apache-2.0
"""A packet for a receiver that chose its own payload types and extension ids, changed in place."""

from __future__ import annotations

from collections.abc import Mapping

from mediaserver.rtp import packet as rtp


def renumber(
    packet: bytearray,
    payload_types: Mapping[int, int],
    extension_ids: Mapping[int, int],
    plain: Mapping[int, tuple[int, int]],
) -> bool:
    """Give the packet the receiver's numbers; False when it has no number there and is not to be sent.

    An extension that the receiver does not know becomes padding. `plain` names the RTX payload types that the receiver
    does not know: those packets go again under their own (payload type, SSRC) and sequence number (RFC 4588 undone).
    """
    header = rtp.read_header(packet)
    if header is None:
        return False
    if header.extension_profile:
        _renumber_extensions(packet, header, extension_ids)
    wanted = payload_types.get(header.payload_type)
    if wanted is not None:
        packet[1] = packet[1] & 0x80 | wanted
        return True
    repeated = plain.get(header.payload_type)
    if repeated is None or header.payload_end - header.payload_offset <= 2:
        return False  # a repeated packet without a payload is a probe
    number = int.from_bytes(packet[header.payload_offset : header.payload_offset + 2])
    del packet[header.payload_offset : header.payload_offset + 2]
    rtp.rewrite(packet, payload_type=repeated[0], sequence_number=number, timestamp=header.timestamp, ssrc=repeated[1])
    return True


def _renumber_extensions(packet: bytearray, header: rtp.Header, extension_ids: Mapping[int, int]) -> None:
    one_byte = header.extension_profile == rtp.ONE_BYTE_PROFILE
    head_bytes, most = (1, 14) if one_byte else (2, 255)
    for number, offset, length in list(rtp.extensions(packet, header)):
        wanted = extension_ids.get(number, 0)
        at = offset - head_bytes
        if not 0 < wanted <= most:
            packet[at : offset + length] = bytes(head_bytes + length)
        elif one_byte:
            packet[at] = wanted << 4 | (length - 1)
        else:
            packet[at] = wanted
