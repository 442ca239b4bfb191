# SPDX-License-Identifier: Apache-2.0
"""The seal finds every change: a bit, an order, a missing piece, an event, a foreign key."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from storage.manifest import Event, Manifest, ManifestFault, Part, canonical, from_bytes, from_json, next_chain
from storage.seal import SealBroken, load_key, read_sealed, seal, sealed_bytes, verify


def segments(count: int) -> list[dict[str, Any]]:
    found, chain = [], ""
    for number in range(count):
        digest = hashlib.sha256(bytes([number])).hexdigest()
        chain = next_chain(chain, digest)
        found.append(
            {
                "key": f"c/sessions/s/tracks/p-mic/e001-s{number:05d}.webm",
                "segment": number,
                "start_ms": number * 10_000,
                "end_ms": number * 10_000 + 10_000,
                "bytes": 100,
                "header_bytes": 10,
                "sha256": digest,
                "sm3": digest,
                "chain": chain,
                "parts": [{"offset": 10, "bytes": 90, "start_ms": number * 10_000, "keyframe": False}],
                "packets": 500,
                "lost": 0,
            }
        )
    return found


def recording() -> Manifest:
    clock = {"offset_ms": 0.0, "rate_ppm": 0.0, "sender_reports": 0}
    epoch = {"epoch": 1, "codec": "opus", "clock_rate": 48_000, "origin_ms": 0, "start_ms": 0, "end_ms": 40_000}
    track = {"track_id": "p-mic", "peer_id": "p", "source": "mic", "kind": "audio"}
    return from_json(
        {
            "version": 1,
            "county": "c",
            "session_id": "s",
            "room": "s",
            "origin_utc_ms": 1,
            "ended_utc_ms": 2,
            "software": "test",
            "server_boots": ["b"],
            "peers": [{"peer_id": "p", "name": "永安派出所", "place": "调解室"}],
            "tracks": [{**track, "epochs": [{**epoch, "clock": clock, "segments": segments(4)}]}],
            "gaps": [],
            "events": [{"at_ms": 0, "utc_ms": 1, "type": "consent", "data": {"name": "甲"}}],
            "complete": True,
        }
    )


def test_a_sealed_manifest_is_good_and_survives_storage(tmp_path: Path) -> None:
    key = load_key(tmp_path)
    sealed = seal(recording(), key, 5)
    again = from_bytes(sealed.to_bytes())
    assert again == sealed
    verify(again, load_key(tmp_path).public_key().public_bytes_raw().hex())
    assert (tmp_path / "seal.key").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("change", ["event", "removed", "swapped", "repeated", "digest", "end", "signature"])
def test_every_change_is_found(change: str) -> None:
    value = json.loads(seal(recording(), Ed25519PrivateKey.generate(), 5).to_bytes())
    listed = value["tracks"][0]["epochs"][0]["segments"]
    if change == "event":
        value["events"][0]["data"]["name"] = "乙"
    elif change == "removed":
        del listed[-1]
    elif change == "swapped":
        listed[1], listed[2] = listed[2], listed[1]
    elif change == "repeated":
        listed.insert(2, dict(listed[1]))
    elif change == "digest":
        listed[0]["sha256"] = "0" * 64
    elif change == "end":
        value["ended_utc_ms"] = 1
    else:
        value["seal"]["signature"] = "00" * 64
    with pytest.raises(SealBroken):
        verify(from_json(value))


def test_a_foreign_key_and_a_missing_seal_are_found() -> None:
    ours, theirs = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    with pytest.raises(SealBroken, match="another installation"):
        verify(seal(recording(), theirs, 5), ours.public_key().public_bytes_raw().hex())
    with pytest.raises(SealBroken, match="not sealed"):
        verify(recording())


def test_what_is_stored_is_made_once_and_the_same() -> None:
    """Whatever an event's data say: only the seal's own signature is filled in."""
    key = Ed25519PrivateKey.generate()
    data = {"signature": "", "文": 'a "signature":"" b', "\U0001f600": 0.1234567, "\uffff": [None]}
    event = Event(0, 1, "marker", data)
    made = replace(recording(), events=(event,))
    stored = sealed_bytes(made, key, 5)
    assert stored == seal(made, key, 5).to_bytes()
    assert read_sealed(stored).events == (replace(event, data=data | {"\U0001f600": 0.123457}),)


def test_segments_are_written_as_the_general_rule_says() -> None:
    made = recording()
    assert made.to_bytes() == canonical(asdict(made))
    (track,) = made.tracks
    (epoch,) = track.epochs
    for wrong in ({"bytes": 1 << 60}, {"start_ms": -(1 << 60)}, {"parts": (Part(1 << 60, 1, 1, True),)}):
        segment = replace(epoch.segments[0], **wrong)
        broken = replace(made, tracks=(replace(track, epochs=(replace(epoch, segments=(segment,)),)),))
        with pytest.raises(ManifestFault, match="too large"):
            broken.to_bytes()
