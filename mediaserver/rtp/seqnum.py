# SPDX-License-Identifier: Apache-2.0
"""Arithmetic on numbers that wrap: 16-bit sequence numbers and 32-bit timestamps (RFC 3550 appendix A.1)."""

from __future__ import annotations


def unwrap16(value: int, reference: int) -> int:
    """The extended number nearest to `reference` (extended) whose low 16 bits are `value`; may be negative."""
    return reference + ((value - reference + 0x8000) & 0xFFFF) - 0x8000


def unwrap32(value: int, reference: int) -> int:
    """The extended number nearest to `reference` (extended) whose low 32 bits are `value`; may be negative."""
    return reference + ((value - reference + 0x80000000) & 0xFFFFFFFF) - 0x80000000
