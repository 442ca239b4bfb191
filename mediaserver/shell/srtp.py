# SPDX-License-Identifier: Apache-2.0
"""The one door to pylibsrtp: SRTP of one transport, in place where the library's private binding allows it.

`Session` copies each packet into a buffer of its own and out again, which costs more than the cipher. Here libsrtp
works on the buffer that was received into, and on the buffer that is sent from, so a run of packets to one address lies
ready for one system call. Without the binding (another version of pylibsrtp) the same interface goes through `Session`.
"""

from __future__ import annotations

from typing import Any, Final

import pylibsrtp

try:
    from pylibsrtp._binding import ffi, lib
except ImportError:  # pragma: no cover - pylibsrtp 1.x has it
    ffi = lib = None

Plain = tuple[bytearray, bool]
"""A packet in clear, and whether it is RTCP."""
Run = tuple[int, int, int]
"""Start and end in the out buffer, and the size of each packet of the run; the last may be shorter."""
MAX_RUN_PACKETS: Final = 64
MAX_RUN_BYTES: Final = 60_000
"""What the kernel takes as one UDP GSO message."""
OUT_BYTES: Final = 256 << 10
MAX_PACKET_BYTES: Final = 2048
_TRAILER_BYTES: Final = 148
"""Most that libsrtp adds: tag, index and MKI."""


class Buffer:
    """Bytes that Python and libsrtp both see; `view` is what is received into or sent from."""

    def __init__(self, size: int) -> None:
        self.bytes = bytearray(size)
        self.view = memoryview(self.bytes)
        self.cdata: Any = None if ffi is None else ffi.from_buffer("char[]", self.bytes)


class Srtp:
    """Keys and replay state of one transport: `rx` what the peer sends, `tx` what we send."""

    rx_address = tx_address = 0
    """Of libsrtp's own sessions, for the compiled plane; they live as long as this object."""

    def __init__(self, rx: pylibsrtp.Session, tx: pylibsrtp.Session) -> None:
        self.rx, self.tx = rx, tx

    def unprotect(self, buffer: Buffer, at: int, size: int, is_rtcp: bool) -> bytes | None:
        """The plain packet of the datagram that lies at `at`; None when it is not authentic or a replay."""
        try:
            data = bytes(buffer.view[at : at + size])
            plain = self.rx.unprotect_rtcp(data) if is_rtcp else self.rx.unprotect(data)
        except (pylibsrtp.Error, ValueError):
            return None
        assert isinstance(plain, bytes)
        return plain

    def protect(self, packets: list[Plain], out: Buffer) -> list[Run]:
        """Fill `out` with the packets for the wire, in order, as runs that can each go out as one; what libsrtp
        refuses is left out. The caller gives no more than fits: `fitting`."""
        found: list[Run] = []
        start = at = segment = count = 0
        for packet, is_rtcp in packets:
            data = self._protected(packet, is_rtcp)
            size = len(data)
            if count and (size > segment or count == MAX_RUN_PACKETS or at + size - start > MAX_RUN_BYTES):
                found.append((start, at, segment))
                start, count = at, 0
            out.view[at : at + size] = data
            at += size
            count += 1
            if count == 1:
                segment = size
            elif size < segment:
                found.append((start, at, segment))
                start, count = at, 0
        if count:
            found.append((start, at, segment))
        return found

    def protect_one(self, packet: bytearray, is_rtcp: bool, out: Buffer) -> int:
        """Fill `out` with one packet for the wire; its size, 0 when libsrtp refuses it."""
        data = self._protected(packet, is_rtcp)
        out.view[: len(data)] = data
        return len(data)

    def _protected(self, packet: bytearray, is_rtcp: bool) -> bytes:
        try:
            data = self.tx.protect_rtcp(bytes(packet)) if is_rtcp else self.tx.protect(bytes(packet))
        except (pylibsrtp.Error, ValueError):
            return b""
        assert isinstance(data, bytes)
        return data


class InPlaceSrtp(Srtp):
    """The same without copies, by the binding that pylibsrtp itself uses."""

    def __init__(self, rx: pylibsrtp.Session, tx: pylibsrtp.Session) -> None:
        super().__init__(rx, tx)
        self._rx, self._tx = rx._srtp[0], tx._srtp[0]
        self.rx_address, self.tx_address = (int(ffi.cast("uintptr_t", s)) for s in (self._rx, self._tx))
        self._size = ffi.new("int *")

    def unprotect(self, buffer: Buffer, at: int, size: int, is_rtcp: bool) -> bytes | None:
        """As the base class says."""
        length = self._size
        length[0] = size
        if (lib.srtp_unprotect_rtcp if is_rtcp else lib.srtp_unprotect)(self._rx, buffer.cdata + at, length):
            return None
        return bytes(buffer.view[at : at + length[0]])

    def protect_one(self, packet: bytearray, is_rtcp: bool, out: Buffer) -> int:
        """As the base class says."""
        length = self._size
        size = length[0] = len(packet)
        out.bytes[:size] = packet
        if (lib.srtp_protect_rtcp if is_rtcp else lib.srtp_protect)(self._tx, out.cdata, length):
            return 0
        return int(length[0])

    def protect(self, packets: list[Plain], out: Buffer) -> list[Run]:
        """As the base class says. One flat loop: it runs once for every packet that is sent."""
        found: list[Run] = []
        start = at = segment = count = 0
        view, cdata, tx, length, protect_rtp = out.view, out.cdata, self._tx, self._size, lib.srtp_protect
        for packet, is_rtcp in packets:
            end = at + len(packet)
            view[at:end] = packet
            length[0] = end - at
            if (lib.srtp_protect_rtcp if is_rtcp else protect_rtp)(tx, cdata + at, length):
                continue
            size = length[0]
            if count == 0:
                segment = size
            elif size > segment or count == MAX_RUN_PACKETS or at + size - start > MAX_RUN_BYTES:
                found.append((start, at, segment))
                start, segment, count = at, size, 0
            at += size
            count += 1
            if size < segment:
                found.append((start, at, segment))
                start, count = at, 0
        if count:
            found.append((start, at, segment))
        return found


def open_srtp(rx: pylibsrtp.Session, tx: pylibsrtp.Session) -> Srtp:
    """The fastest that this pylibsrtp allows."""
    return Srtp(rx, tx) if ffi is None or not hasattr(rx, "_srtp") else InPlaceSrtp(rx, tx)


def addresses() -> tuple[int, int, int, int] | None:
    """Of libsrtp's protect, protect_rtcp, unprotect and unprotect_rtcp; None where they cannot be had."""
    if ffi is None:
        return None
    names = ("srtp_protect", "srtp_protect_rtcp", "srtp_unprotect", "srtp_unprotect_rtcp")
    a, b, c, d = (int(ffi.cast("uintptr_t", ffi.addressof(lib, name))) for name in names)
    return a, b, c, d


def fitting(packets: list[Plain]) -> int:
    """How many of the packets, from the first, surely fit into an out buffer."""
    room = OUT_BYTES
    for count, (packet, _) in enumerate(packets):
        room -= len(packet) + _TRAILER_BYTES
        if room < 0:
            return count
    return len(packets)
