# SPDX-License-Identifier: Apache-2.0
"""NTP time stamps (RFC 3550 section 4) and seconds. Arithmetic only; nobody here reads a clock."""

from __future__ import annotations

NTP_EPOCH_OFFSET_S = 2_208_988_800
"""Seconds from 1900-01-01 to 1970-01-01."""


def ntp_from_utc(utc_s: float) -> int:
    """64-bit NTP time stamp of a Unix time."""
    return int((utc_s + NTP_EPOCH_OFFSET_S) * (1 << 32)) & 0xFFFFFFFFFFFFFFFF


def utc_from_ntp(ntp: int) -> float:
    """Unix time in seconds of a 64-bit NTP time stamp."""
    return ntp / (1 << 32) - NTP_EPOCH_OFFSET_S


def middle_32(ntp: int) -> int:
    """The middle 32 bits, as reports echo them (LSR), in units of 1/65536 s."""
    return ntp >> 16 & 0xFFFFFFFF
