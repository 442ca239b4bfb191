# SPDX-License-Identifier: Apache-2.0
"""Datagrams that lie ready in one buffer, to many addresses, given to the kernel in one call (sendmmsg).

A call for each datagram costs more than the call: whoever sleeps at the other end is woken by the first datagram, and
has gone to sleep again before the second. Only for Linux on 64 bits; `THERE` says whether it is.
"""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any, Final

MESSAGES: Final = 64
"""In one call."""
_SOL_UDP, _UDP_SEGMENT = 17, 103
HEAD_WORDS, VECTOR_WORDS = 8, 2
"""Of 64 bits, in struct mmsghdr and struct iovec."""
NAME, NAME_BYTES, VECTOR, VECTORS, CONTROL, CONTROL_BYTES, _FLAGS, SIZE = range(HEAD_WORDS)
"""Words of struct mmsghdr; its flags and what came of it are the kernel's."""
_ANCILLARY: Final = struct.Struct("=QiiHxxxxxx")
"""struct cmsghdr with the size of a segment."""
_ANCILLARY_BYTES: Final = 18
_INET, _INET6 = struct.Struct("=H2s4s8x"), struct.Struct("=H2s4x16s4x")


def _calls() -> tuple[Any, Any]:
    if sys.platform != "linux" or sys.byteorder != "little" or ctypes.sizeof(ctypes.c_void_p) != 8:
        return None, None
    try:
        # Holding the interpreter's lock: the socket never waits, and to give the lock away costs as much as a datagram.
        library = ctypes.PyDLL(None, use_errno=True)
        send, take = library.sendmmsg, library.recvmmsg
    except (OSError, AttributeError):
        return None, None
    ours: Any = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
    send.argtypes, send.restype = ours, ctypes.c_int
    take.argtypes, take.restype = (*ours, ctypes.c_void_p), ctypes.c_int
    return send, take


_call: Any
receive: Any
"""recvmmsg, for harvest.py: (file, address of the first head, how many, flags, None) gives how many came; -1: none."""
_call, receive = _calls()


def address_of(data: bytearray | memoryview) -> int:
    """Where the bytes lie in memory; the caller keeps them."""
    return ctypes.addressof((ctypes.c_char * len(data)).from_buffer(data))


class Target:
    """An address as the kernel wants it."""

    __slots__ = ("_bytes", "at", "size")

    def __init__(self, host: str, port: int) -> None:
        """Raises OSError when the host is no address."""
        host = host.partition("%")[0]
        if ":" in host:
            data = _INET6.pack(socket.AF_INET6, port.to_bytes(2), socket.inet_pton(socket.AF_INET6, host))
        else:
            data = _INET.pack(socket.AF_INET, port.to_bytes(2), socket.inet_pton(socket.AF_INET, host))
        self._bytes = bytearray(data)
        self.at, self.size = address_of(self._bytes), len(data)


THERE: Final = _call is not None


class Volley:
    """Datagrams of `out` until they are sent: at most MESSAGES."""

    def __init__(self, out: bytearray) -> None:
        self._kept, self._out = out, address_of(out)
        self._head_bytes = bytearray(MESSAGES * HEAD_WORDS * 8)
        self._vector_bytes = bytearray(MESSAGES * VECTOR_WORDS * 8)
        self._heads, self._vectors = memoryview(self._head_bytes).cast("Q"), memoryview(self._vector_bytes).cast("Q")
        self._first, vectors = address_of(self._head_bytes), address_of(self._vector_bytes)
        for index in range(MESSAGES):
            self._heads[index * HEAD_WORDS + VECTOR] = vectors + index * VECTOR_WORDS * 8
            self._heads[index * HEAD_WORDS + VECTORS] = 1
        self._ancillary: dict[int, tuple[bytearray, int]] = {}
        self.count = 0
        """Messages that wait."""

    def add(self, target: Target, start: int, size: int, segment: int) -> None:
        """The bytes of `out` from `start` on go there, cut into datagrams of `segment` bytes (UDP GSO); 0: as one."""
        head, vector = self.count * HEAD_WORDS, self.count * VECTOR_WORDS
        heads, vectors = self._heads, self._vectors
        heads[head] = target.at
        heads[head + NAME_BYTES] = target.size
        if segment:
            ancillary = self._ancillary.get(segment)
            if ancillary is None:
                data = bytearray(_ANCILLARY.pack(_ANCILLARY_BYTES, _SOL_UDP, _UDP_SEGMENT, segment))
                ancillary = self._ancillary[segment] = data, address_of(data)
            heads[head + CONTROL], heads[head + CONTROL_BYTES] = ancillary[1], _ANCILLARY.size
        else:
            heads[head + CONTROL] = heads[head + CONTROL_BYTES] = 0
        vectors[vector] = self._out + start
        vectors[vector + 1] = size
        self.count += 1

    def send(self, file: int, failed: Callable[[int, int], None]) -> None:
        """Give all to the kernel. `failed` is told at once (which, errno) of each message that it did not take."""
        at, count = 0, self.count
        self.count = 0
        while at < count:
            taken = _call(file, self._first + at * HEAD_WORDS * 8, count - at, socket.MSG_DONTWAIT)
            if taken > 0:
                at += taken
            elif (error := ctypes.get_errno()) != errno.EINTR:
                failed(at, error)
                at += 1
