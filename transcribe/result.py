# SPDX-License-Identifier: Apache-2.0
"""The stored result of a transcript: everything that is needed to judge the text, or to make it again. PURE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from transcribe.turns import SpokenLine
from transcribe.words import Heard

VERSION = 1


def result_json(
    transcript_id: str,
    plan: Mapping[str, Any],
    versions: Mapping[str, str],
    heard: Sequence[Heard],
    decoded: Sequence[Mapping[str, Any]],
    spoken: Sequence[SpokenLine],
    hotwords_left_out: Sequence[str],
) -> dict[str, Any]:
    """Plain JSON values. `tracks` holds what the engine wrote (never changed), `lines` what was made of it."""
    return {
        "version": VERSION,
        "transcript_id": transcript_id,
        "county": plan["county"],
        "session_id": plan["session_id"],
        "model": plan["model"],
        "options": plan["options"],
        "hotwords_left_out": list(hotwords_left_out),
        "libraries": dict(versions),
        "manifest_sha256": plan["manifest_sha256"],
        "tracks": [
            {**facts, **words.to_json(), "windows": parts["windows"], "packets": parts["packets"], "bad": parts["bad"]}
            for facts, words, parts in zip(plan["tracks"], heard, decoded, strict=True)
        ],
        "lines": [_line_json(item) for item in spoken],
    }


def _line_json(item: SpokenLine) -> dict[str, Any]:
    return {
        "n": item.n,
        "turn": item.turn,
        "start_ms": item.line.start_ms,
        "end_ms": item.line.end_ms,
        "track_id": item.track_id,
        "peer_id": item.peer_id,
        "speaker": item.speaker,
        "text": item.line.text,
        "raw": item.line.raw,
        "flags": list(item.flags),
        "probability": item.line.probability,
        **asdict(item.line.metrics),
    }
