# SPDX-License-Identifier: Apache-2.0
"""A sealed session as an exported folder, and every way of changing it that must be found."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from storage import manifest, seal
from storage.files import digests_of_bytes
from storage.layout import segment_key

SESSION = "01m86wtn24vp4mzv2yqy1mpt57"
TRACKS = ("p1-mic", "p2-cam")
SEGMENTS = 4

Change = Callable[[Path], None]


def segment(folder: Path, track_id: str, number: int, chain: str) -> manifest.Segment:
    """One stored file of random looking bytes."""
    data = hashlib.shake_256(f"{track_id} {number}".encode()).digest(3_000)
    key = segment_key("default", SESSION, track_id, 1, number)
    path = folder.joinpath(*key.split("/")[3:])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    found = digests_of_bytes(data)
    at_ms = number * 10_000
    return manifest.Segment(
        key=key,
        segment=number,
        start_ms=at_ms,
        end_ms=at_ms + 10_000,
        bytes=found.bytes,
        header_bytes=100,
        sha256=found.sha256,
        sm3=found.sm3,
        chain=manifest.next_chain(chain, found.sha256),
        parts=(manifest.Part(100, 2_900, at_ms, True),),
        packets=500,
        lost=0,
    )


def track(folder: Path, track_id: str) -> manifest.Track:
    segments: list[manifest.Segment] = []
    for number in range(SEGMENTS):
        segments.append(segment(folder, track_id, number, segments[-1].chain if segments else ""))
    peer_id, source = track_id.split("-")
    kind, codec = ("audio", "opus") if source == "mic" else ("video", "vp8")
    epoch = manifest.Epoch(1, codec, 48_000, 0, 0, 40_000, manifest.Clock(), tuple(segments))  # type: ignore[arg-type]
    return manifest.Track(track_id, peer_id, source, kind, (epoch,))  # type: ignore[arg-type]


def export(folder: Path, key: Ed25519PrivateKey) -> None:
    """Write a good recording."""
    unsealed = manifest.Manifest(
        version=1,
        county="default",
        session_id=SESSION,
        room=SESSION,
        origin_utc_ms=1,
        ended_utc_ms=40_001,
        software="test",
        server_boots=("boot",),
        peers=(manifest.Peer("p1", "永安派出所", "调解室"), manifest.Peer("p2", "局信访办", "")),
        tracks=tuple(track(folder, track_id) for track_id in TRACKS),
        gaps=(),
        events=(manifest.Event(0, 1, "consent", {"name": "甲"}),),
        complete=True,
    )
    (folder / "manifest.json").write_bytes(seal.seal(unsealed, key, 1_700_000_000_000).to_bytes())


def zipped(folder: Path, top: str = "") -> Path:
    """The folder in a zip, its files at the top or in the folder `top` (with its slash)."""
    made = folder.with_name("export.zip")
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as out:
        for path in sorted(folder.rglob("*")):
            out.write(path, top + path.relative_to(folder).as_posix())
    return made


def files(folder: Path) -> list[Path]:
    """The first track's segments."""
    return sorted((folder / "tracks" / TRACKS[0]).iterdir())


def flip_bit(folder: Path) -> None:
    data = bytearray(files(folder)[2].read_bytes())
    data[1_500] ^= 1
    files(folder)[2].write_bytes(data)


def remove(folder: Path) -> None:
    files(folder)[1].unlink()


def shorten(folder: Path) -> None:
    files(folder)[3].write_bytes(files(folder)[3].read_bytes()[:-1])


def lengthen(folder: Path) -> None:
    files(folder)[3].write_bytes(files(folder)[3].read_bytes() + b"\0")


def swap(folder: Path) -> None:
    first, second = files(folder)[0], files(folder)[1]
    data = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(data)


def repeat(folder: Path) -> None:
    shutil.copy(files(folder)[3], files(folder)[3].with_name("e001-s00004.webm"))


def repeat_over(folder: Path) -> None:
    shutil.copy(files(folder)[1], files(folder)[2])


def unlisted(folder: Path) -> None:
    (folder / "tracks" / TRACKS[1] / "note.txt").write_text("me, too")


def last_removed_everywhere(folder: Path) -> None:
    """The recording made shorter, file and list alike, without the key."""
    files(folder)[3].unlink()
    in_manifest(lambda made: with_segments(made, lambda s: s[:-1]))(folder)


def in_manifest(change: Callable[[manifest.Manifest], manifest.Manifest]) -> Change:
    """A change of the manifest that is not signed anew."""

    def apply(folder: Path) -> None:
        path = folder / "manifest.json"
        path.write_bytes(change(manifest.from_bytes(path.read_bytes())).to_bytes())

    return apply


def in_bytes(old: bytes, new: bytes) -> Change:
    """A change of the manifest's stored bytes."""

    def apply(folder: Path) -> None:
        path = folder / "manifest.json"
        data = path.read_bytes()
        assert data.count(old) == 1
        path.write_bytes(data.replace(old, new))

    return apply


def with_segments(
    made: manifest.Manifest, change: Callable[[tuple[manifest.Segment, ...]], tuple[manifest.Segment, ...]]
) -> manifest.Manifest:
    """Other segments in the first track."""
    first, *others = made.tracks
    epoch = replace(first.epochs[0], segments=change(first.epochs[0].segments))
    return replace(made, tracks=(replace(first, epochs=(epoch,)), *others))


def renumbered(segments: tuple[manifest.Segment, ...]) -> tuple[manifest.Segment, ...]:
    """A list without its second segment whose chain is made good again: only the seal can tell."""
    chain, made = "", []
    for item in (segments[0], *segments[2:]):
        chain = manifest.next_chain(chain, item.sha256)
        made.append(replace(item, chain=chain))
    return tuple(made)


CHANGES: list[tuple[str, Change, str]] = [
    ("a flipped bit", flip_bit, "e001-s00002.webm was changed: its SHA-256"),
    ("a removed segment", remove, "e001-s00001.webm is missing"),
    ("a shorter file", shorten, "e001-s00003.webm has 2999 bytes; 3000 were sealed"),
    ("a longer file", lengthen, "e001-s00003.webm has more than the 3000 bytes"),
    ("swapped files", swap, "e001-s00000.webm was changed"),
    ("a segment more", repeat, "e001-s00004.webm lies beside the recording"),
    ("a repeated segment", repeat_over, "e001-s00002.webm was changed"),
    ("an unlisted file", unlisted, "note.txt lies beside the recording"),
    ("a shortened recording", last_removed_everywhere, "not the one that was sealed"),
    (
        "no manifest at all",
        lambda folder: (folder / "manifest.json").write_bytes(b"{}"),
        "The manifest differs from what was sealed",
    ),
    (
        "an edited event",
        in_manifest(lambda made: replace(made, events=(replace(made.events[0], data={"name": "乙"}),))),
        "changed after it was sealed",
    ),
    ("a renamed person", in_bytes("永安派出所".encode(), "永安派出社".encode()), "changed after it was sealed"),
    ("white space", in_bytes(b'"version":1', b'"version": 1'), "changed after it was sealed"),
    ("a list cut", in_manifest(lambda made: with_segments(made, lambda s: s[:-1])), "not the one that was sealed"),
    (
        "a list re-ordered",
        in_manifest(lambda made: with_segments(made, lambda s: (s[1], s[0], *s[2:]))),
        "does not follow",
    ),
    (
        "a list with a repetition",
        in_manifest(lambda made: with_segments(made, lambda s: (s[0], s[0], *s[1:]))),
        "does not follow",
    ),
    ("a list mended", in_manifest(lambda made: with_segments(made, renumbered)), "not the one that was sealed"),
    (
        "a whole track gone",
        in_manifest(lambda made: replace(made, tracks=made.tracks[:1])),
        "not the one that was sealed",
    ),
    ("no seal", in_manifest(lambda made: replace(made, seal=None)), "not sealed"),
    (
        "a foreign key",
        in_manifest(lambda made: seal.seal(made, Ed25519PrivateKey.generate(), 5)),
        "sealed with another installation's key",
    ),
]
"""What was done, how, and the words that name it."""
