# SPDX-License-Identifier: Apache-2.0
"""The datagrams that wait at a socket, put into the slots of one buffer in one call of the kernel (recvmmsg).

A call for each datagram, and a last one that finds nothing, cost more than what is done with them; and an address as
the kernel writes it is found in a dictionary without being made a pair of host and port first. Where there is no such
call (see volley.py) `OneByOne` gives the same.
"""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
import time
from collections.abc import Hashable, Sequence
from typing import Any, Final, Protocol

import structlog

from mediaserver.shell import volley
from mediaserver.shell.srtp import Slot
from mediaserver.shell.volley import (
    CONTROL,
    CONTROL_BYTES,
    HEAD_WORDS,
    NAME,
    NAME_BYTES,
    SIZE,
    VECTOR,
    VECTOR_WORDS,
    VECTORS,
    address_of,
)

log = structlog.get_logger(__name__)

SO_TIMESTAMPNS: Final = 35
_STAMP: Final = struct.Struct("@qq")
_STAMP_WORDS, _STAMP_HEAD = 4, SO_TIMESTAMPNS << 32 | socket.SOL_SOCKET
"""Of 64 bits: size, level and kind of struct cmsghdr, then seconds and nanoseconds."""
_CONTROL_BYTES: Final = 64
_NAME_BYTES: Final = {socket.AF_INET: 16, socket.AF_INET6: 28}
"""struct sockaddr_in and sockaddr_in6."""
_OLDEST_S: Final = 1.0
"""Nothing waits so long: a stamp that says so was made by another clock."""


class Harvest(Protocol):
    """Of one socket."""

    sizes: Sequence[int]
    """Bytes of the datagram in each slot. Of one that is longer than a slot only the beginning comes."""

    def take(self) -> Sequence[Hashable]:
        """Fill the slots, from the first on, with what waits, and never wait: where each datagram comes from, as a key
        that is the same for the same remote address. Empty when there is nothing, or the kernel tells an error, which
        is of an earlier send (an ICMP answer): the socket is good."""

    def address(self, key: Hashable) -> tuple[str, int]:
        """Host and port behind a key of `take`."""

    def ages_s(self) -> Sequence[float]:
        """Of those that `take` brought last, how long ago the kernel took each: 0 where there is no stamp, and for one
        that a set clock has made absurd."""


def _age_s(utc_s: float, seconds: int, nanoseconds: int) -> float:
    age_s = utc_s - seconds - nanoseconds / 1e9
    return age_s if 0 < age_s < _OLDEST_S else 0.0


class AllAtOnce:
    """By recvmmsg."""

    def __init__(self, udp: socket.socket, slots: Sequence[Slot]) -> None:
        self._file, self._most = udp.fileno(), len(slots)
        self._family, name_bytes = udp.family, _NAME_BYTES[udp.family]
        self._slots = slots  # the kernel writes there, as long as there is this
        self._kept = names, vectors, stamps, heads = [
            bytearray(len(slots) * size) for size in (name_bytes, VECTOR_WORDS * 8, _STAMP_WORDS * 8, HEAD_WORDS * 8)
        ]
        each = memoryview(names)
        self._names = [each[at : at + name_bytes] for at in range(0, len(names), name_bytes)]
        self._heads, self._stamps = memoryview(heads).cast("Q"), memoryview(stamps).cast("q")
        self._control_sizes = self._heads[CONTROL_BYTES::HEAD_WORDS]
        self.sizes: Sequence[int] = self._heads[SIZE::HEAD_WORDS]
        self._count = 0
        self._first = address_of(heads)
        vector_at, name_at, stamp_at = address_of(vectors), address_of(names), address_of(stamps)
        vector = memoryview(vectors).cast("Q")
        for index, slot in enumerate(slots):
            vector[index * VECTOR_WORDS] = address_of(slot.view)
            vector[index * VECTOR_WORDS + 1] = len(slot.view)
            head = index * HEAD_WORDS
            # What the kernel writes over these is the same again, but for the control bytes: a socket has one family.
            self._heads[head + NAME], self._heads[head + NAME_BYTES] = name_at + index * name_bytes, name_bytes
            self._heads[head + VECTOR], self._heads[head + VECTORS] = vector_at + index * VECTOR_WORDS * 8, 1
            self._heads[head + CONTROL] = stamp_at + index * _STAMP_WORDS * 8
            self._heads[head + CONTROL_BYTES] = _STAMP_WORDS * 8

    def take(self) -> Sequence[Hashable]:
        """As Harvest says."""
        for index in range(self._count):
            self._control_sizes[index] = _STAMP_WORDS * 8
        self._count = count = max(0, volley.receive(self._file, self._first, self._most, socket.MSG_DONTWAIT, None))
        if not count and (error := ctypes.get_errno()) not in (errno.EAGAIN, errno.EINTR):
            log.debug("udp_receive", error=error)
        return [name.tobytes() for name in self._names[:count]]

    def address(self, key: Hashable) -> tuple[str, int]:
        """As Harvest says."""
        assert isinstance(key, bytes)
        host = key[4:8] if self._family == socket.AF_INET else key[8:24]
        return socket.inet_ntop(self._family, host), int.from_bytes(key[2:4])

    def ages_s(self) -> Sequence[float]:
        """As Harvest says."""
        utc_s, stamps, sizes = time.time(), self._stamps, self._control_sizes
        found = []
        for index in range(self._count):
            at = index * _STAMP_WORDS
            known = sizes[index] == _STAMP_WORDS * 8 and stamps[at + 1] == _STAMP_HEAD
            found.append(_age_s(utc_s, stamps[at + 2], stamps[at + 3]) if known else 0.0)
        return found


class OneByOne:
    """Each by a call of its own, until nothing is left."""

    def __init__(self, udp: socket.socket, slots: Sequence[Slot]) -> None:
        self._udp, self._views = udp, [slot.view for slot in slots]
        self._control: list[list[tuple[int, int, bytes]]] = []
        self.sizes: Sequence[int] = []

    def take(self) -> Sequence[Hashable]:
        """As Harvest says."""
        self.sizes, self._control = sizes, control = [], []
        keys: list[Hashable] = []
        try:
            for view in self._views:
                size, ancillary, _, address = self._udp.recvmsg_into([view], _CONTROL_BYTES)
                sizes.append(size)
                keys.append(address)
                control.append(ancillary)
        except BlockingIOError:
            pass
        except OSError as error:
            log.debug("udp_receive", error=error.errno)
        return keys

    def address(self, key: Hashable) -> tuple[str, int]:
        """As Harvest says."""
        assert isinstance(key, tuple)
        return key[0], key[1]

    def ages_s(self) -> Sequence[float]:
        """As Harvest says."""
        utc_s = time.time()
        return [_stamped_age_s(utc_s, ancillary) for ancillary in self._control]


def _stamped_age_s(utc_s: float, ancillary: list[tuple[int, int, bytes]]) -> float:
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS) and len(data) >= _STAMP.size:
            return _age_s(utc_s, *_STAMP.unpack_from(data))
    return 0.0


def harvest(udp: socket.socket, slots: Sequence[Slot]) -> Harvest:
    """The faster of the two that there is. A socket with SO_TIMESTAMPNS tells ages."""
    way: Any = AllAtOnce if volley.THERE else OneByOne
    made: Harvest = way(udp, slots)
    return made
