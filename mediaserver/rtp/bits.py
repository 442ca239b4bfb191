# SPDX-License-Identifier: Apache-2.0
"""Reading numbers bit by bit, as video headers hold them."""

from __future__ import annotations


class EndOfBits(Exception):
    """The bytes end inside a number."""


class BitReader:
    """Reads big-endian bit fields. Every method raises EndOfBits when the bytes do not hold what is asked for."""

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self._data = data
        self._at = 0
        self._end = len(data) * 8

    def read(self, bits: int) -> int:
        """An unsigned number of `bits` bits."""
        end = self._at + bits
        if end > self._end:
            raise EndOfBits
        last = end + 7 >> 3
        value = int.from_bytes(self._data[self._at >> 3 : last])
        self._at = end
        return value >> (last * 8 - end) & ((1 << bits) - 1)

    def flag(self) -> bool:
        """One bit."""
        return self.read(1) == 1

    def golomb(self) -> int:
        """An unsigned Exp-Golomb number (H.264 section 9.1), at most 32 bits long."""
        zeros = 0
        while not self.flag():
            zeros += 1
            if zeros > 32:
                raise EndOfBits
        return (1 << zeros) - 1 + self.read(zeros)

    def signed_golomb(self) -> int:
        """A signed Exp-Golomb number (H.264 section 9.1.1)."""
        value = self.golomb()
        return (value + 1) // 2 if value & 1 else -(value // 2)

    def leb128(self) -> int:
        """A little-endian base-128 number (AV1 section 4.10.5)."""
        value = 0
        for index in range(8):
            byte = self.read(8)
            value |= (byte & 0x7F) << 7 * index
            if not byte & 0x80:
                return value
        raise EndOfBits
