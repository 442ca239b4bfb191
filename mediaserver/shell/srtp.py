# SPDX-License-Identifier: Apache-2.0
"""The one door to pylibsrtp: SRTP of one transport, in place where the library's private binding allows it.

`Session` copies each packet into a buffer of its own and out again, which costs more than the cipher. Here libsrtp
works on the buffer that was received into, and on the buffer that is sent from, so a run of packets to one address lies
ready for one system call. Without the binding (another version of pylibsrtp) the same interface goes through `Session`.
With the compiled plane, what we send under AEAD_AES_128_GCM is sealed by native/sealer.c, and libsrtp keeps the rest.
"""

from __future__ import annotations

import _ssl
import ctypes
from typing import Any, Final

import pylibsrtp
import structlog

try:
    from pylibsrtp._binding import ffi, lib
except ImportError:  # pragma: no cover - pylibsrtp 1.x has it
    ffi = lib = None
_unpack: Any = getattr(ffi, "unpack", None)
_unprotect: Any = getattr(lib, "srtp_unprotect", None)
_unprotect_rtcp: Any = getattr(lib, "srtp_unprotect_rtcp", None)

log = structlog.get_logger(__name__)

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
MOST_PROTECTED_BYTES: Final = MAX_PACKET_BYTES + _TRAILER_BYTES
"""What any packet needs in the out buffer."""
_CIPHER: Final = (
    "EVP_CIPHER_CTX_new",
    "EVP_CIPHER_CTX_free",
    "EVP_aes_128_gcm",
    "EVP_aes_128_ctr",
    "EVP_EncryptInit_ex",
    "EVP_EncryptUpdate",
    "EVP_EncryptFinal_ex",
    "EVP_CIPHER_CTX_ctrl",
)
"""Of libcrypto, as native/sealer.c takes them."""


class Slot:
    """One place of a Buffer, to receive a datagram into; made once, for its pointer costs an object."""

    __slots__ = ("pointer", "view")

    def __init__(self, view: memoryview, pointer: Any) -> None:
        self.view, self.pointer = view, pointer


class Buffer:
    """Bytes that Python and libsrtp both see; `view` is what is received into or sent from. Behind it there is room for
    what libsrtp adds to the last packet."""

    def __init__(self, size: int) -> None:
        self.bytes = bytearray(size + _TRAILER_BYTES)
        self.view = memoryview(self.bytes)[:size]
        self.cdata: Any = None if ffi is None else ffi.from_buffer("char[]", self.bytes)

    def slots(self) -> list[Slot]:
        """As many as there is room for, each for MAX_PACKET_BYTES. They live no longer than the buffer."""
        starts = range(0, len(self.view) - MAX_PACKET_BYTES + 1, MAX_PACKET_BYTES)
        cdata = self.cdata
        return [Slot(self.view[at : at + MAX_PACKET_BYTES], None if cdata is None else cdata + at) for at in starts]


class Srtp:
    """Keys and replay state of one transport: `rx` what the peer sends, `tx` what we send."""

    rx_address = 0
    """Of libsrtp's own session, for the compiled plane; it lives as long as this object."""
    tx_native: Any = 0
    """What the compiled plane sends with: the address of libsrtp's own session, or a Sealer."""

    def __init__(self, rx: pylibsrtp.Session, tx: pylibsrtp.Session) -> None:
        self.rx, self.tx = rx, tx

    def unprotect(self, slot: Slot, size: int, is_rtcp: bool) -> bytes | None:
        """The plain packet of the datagram of so many bytes that lies there; None when it is not authentic or a
        replay. What lies there is no datagram any more."""
        try:
            data = bytes(slot.view[:size])
            plain = self.rx.unprotect_rtcp(data) if is_rtcp else self.rx.unprotect(data)
        except (pylibsrtp.Error, ValueError):
            return None
        assert isinstance(plain, bytes)
        return plain

    def protect(self, packets: list[Plain], out: Buffer, at: int = 0) -> list[Run]:
        """Fill `out`, from `at` on, with the packets for the wire, in order, as runs that can each go out as one; what
        libsrtp refuses is left out. The caller gives no more than fits: `fitting`."""
        found: list[Run] = []
        start = at
        segment = count = 0
        for packet, is_rtcp in packets:
            data = self._protected(packet, is_rtcp)
            if not data:
                continue
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

    def protect_rtp(self, packets: list[bytearray], out: Buffer, at: int = 0) -> list[Run]:
        """As `protect`, of RTP packets only."""
        return self.protect([(packet, False) for packet in packets], out, at)

    def protect_one(self, packet: bytearray, is_rtcp: bool, out: Buffer, at: int = 0) -> int:
        """Fill `out`, from `at` on, with one packet for the wire; its size, 0 when libsrtp refuses it."""
        data = self._protected(packet, is_rtcp)
        out.view[at : at + len(data)] = data
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
        self.rx_address, self.tx_native = (int(ffi.cast("uintptr_t", s)) for s in (self._rx, self._tx))
        self._size = ffi.new("int *")

    def unprotect(self, slot: Slot, size: int, is_rtcp: bool) -> bytes | None:
        """As the base class says."""
        length, pointer = self._size, slot.pointer
        length[0] = size
        if (_unprotect_rtcp if is_rtcp else _unprotect)(self._rx, pointer, length):
            return None
        plain: bytes = _unpack(pointer, length[0])
        return plain

    def protect_one(self, packet: bytearray, is_rtcp: bool, out: Buffer, at: int = 0) -> int:
        """As the base class says."""
        length = self._size
        size = length[0] = len(packet)
        out.view[at : at + size] = packet
        if (lib.srtp_protect_rtcp if is_rtcp else lib.srtp_protect)(self._tx, out.cdata + at, length):
            return 0
        return int(length[0])

    def protect(self, packets: list[Plain], out: Buffer, at: int = 0) -> list[Run]:
        """As the base class says. One flat loop: it runs once for every packet that is sent."""
        found: list[Run] = []
        start = at
        segment = count = 0
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

    def protect_rtp(self, packets: list[bytearray], out: Buffer, at: int = 0) -> list[Run]:
        """As the base class says; of one packet, or of some of one size, at the least expense."""
        if len(packets) > MAX_RUN_PACKETS:
            return self.protect([(packet, False) for packet in packets], out, at)
        found: list[Run] = []
        start, segment = at, 0
        view, cdata, tx, length, protect = out.view, out.cdata, self._tx, self._size, lib.srtp_protect
        for packet in packets:
            end = at + len(packet)
            view[at:end] = packet
            length[0] = end - at
            if protect(tx, cdata + at, length):
                continue
            size = length[0]
            if at > start and (size > segment or at + size - start > MAX_RUN_BYTES):
                found.append((start, at, segment))
                start = at
            if at == start:
                segment = size
            at += size
            if size < segment:
                found.append((start, at, segment))
                start = at
        if at > start:
            found.append((start, at, segment))
        return found


class SealedSrtp(InPlaceSrtp):
    """The same, but RTP goes out by a Sealer and never by libsrtp: each counts how often the numbers have wrapped, and
    two that count alone would use one keystream for two packets. RTCP has a key and an index of its own, of libsrtp.
    """

    def __init__(self, rx: pylibsrtp.Session, tx: pylibsrtp.Session, gcm_key: bytes) -> None:
        super().__init__(rx, tx)
        assert _sealer is not None, "asked for only where it is there"
        self.tx_native = self._sealer = _sealer(gcm_key, self.tx_native)

    def protect_one(self, packet: bytearray, is_rtcp: bool, out: Buffer, at: int = 0) -> int:
        """As the base class says."""
        if is_rtcp:
            return super().protect_one(packet, is_rtcp, out, at)
        size = len(packet)
        out.view[at : at + size] = packet
        return int(self._sealer.seal(out.bytes, at, size))

    def protect(self, packets: list[Plain], out: Buffer, at: int = 0) -> list[Run]:
        """As the base class says; a path of the compiled plane comes here only by TCP, where there are no runs."""
        return Srtp.protect(self, packets, out, at)

    def protect_rtp(self, packets: list[bytearray], out: Buffer, at: int = 0) -> list[Run]:
        """As the base class says, and never by libsrtp."""
        return Srtp.protect_rtp(self, packets, out, at)

    def _protected(self, packet: bytearray, is_rtcp: bool) -> bytes:
        if is_rtcp:
            return super()._protected(packet, is_rtcp)
        sealed = packet + bytes(_TRAILER_BYTES)
        return bytes(sealed[: self._sealer.seal(sealed, 0, len(packet))])


_sealer: Any | None = None


def use(module: Any | None) -> None:
    """Take the compiled plane's Sealer for transports that are opened from now on, or libsrtp alone for None, and where
    Python's libcrypto does not show its functions."""
    global _sealer
    _sealer = None
    if module is None:
        return
    try:
        crypto = ctypes.CDLL(getattr(_ssl, "__file__", None))
        module.use_cipher(*(ctypes.cast(getattr(crypto, name), ctypes.c_void_p).value or 0 for name in _CIPHER))
    except (OSError, AttributeError, ValueError) as error:
        log.info("srtp_sealed_by_libsrtp", error=str(error))
        return
    _sealer = module.Sealer


def open_srtp(rx: pylibsrtp.Session, tx: pylibsrtp.Session, gcm_key: bytes | None = None) -> Srtp:
    """The fastest that there is; `gcm_key` is key and salt of `tx` where its suite is AEAD_AES_128_GCM."""
    if ffi is None or not hasattr(rx, "_srtp"):
        return Srtp(rx, tx)
    return InPlaceSrtp(rx, tx) if gcm_key is None or _sealer is None else SealedSrtp(rx, tx, gcm_key)


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
