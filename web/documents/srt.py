# SPDX-License-Identifier: Apache-2.0
"""The transcript as SubRip subtitles, each with its speaker; a section's name stands above its first line."""

from __future__ import annotations

from pysubs2 import SSAEvent, SSAFile

from web.documents.record import DocumentBreak, DocumentMarker, DocumentSection, RecordDocument, in_order

MEDIA_TYPE = "application/x-subrip"
_SHORTEST_MS = 300


def srt_bytes(document: RecordDocument, colon: str) -> bytes:
    """UTF-8 text. `colon` stands between speaker and words (full width in Chinese)."""
    subtitles = SSAFile()
    heading = ""
    for line in in_order(document):
        if isinstance(line, DocumentSection):
            heading = f"【{_plain(line.label)}】\\N"
            continue
        if isinstance(line, DocumentMarker | DocumentBreak):
            continue
        text = heading + _plain(f"{line.speaker}{colon}{line.text}")
        heading = ""
        end_ms = max(line.end_ms, line.start_ms + _SHORTEST_MS)
        subtitles.append(SSAEvent(start=max(0, line.start_ms), end=end_ms, text=text))
    # Tags are kept, because otherwise the library drops whatever stands in braces.
    return str(subtitles.to_string("srt", keep_ssa_tags=True)).encode()


def _plain(text: str) -> str:
    """A backslash followed by N is a line break in the library's model; spoken text holds none."""
    return text.replace("\\", "＼")
