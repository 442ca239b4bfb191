# SPDX-License-Identifier: Apache-2.0
"""WebRTC media server and recorder: forwards packets without decoding and writes every track down."""
