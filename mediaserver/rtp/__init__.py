# SPDX-License-Identifier: Apache-2.0
"""PURE: bytes to values and back for RTP, RTCP and the payloads an SFU may look at. No I/O, no clock."""
