# SPDX-License-Identifier: Apache-2.0
"""What recording costs beside ffmpeg, and how well sound and picture of the record go together (see recording.md)."""
