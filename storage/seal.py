# SPDX-License-Identifier: Apache-2.0
"""The seal of a recording: segments chained by digest, the manifest signed with Ed25519 (RFC 8032).

A segment's chain is SHA-256 over the hex texts of the chain before it and its own digest, so that a removed, repeated
or re-ordered segment breaks every later one. The manifest's chain joins the ends of all tracks in their order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from storage.files import secret_file
from storage.manifest import Manifest, Seal, Track, from_bytes, next_chain

KEY_NAME = "seal.key"
_UNSIGNED = b'"signature":""'


class SealBroken(Exception):
    """What was sealed is not what is there. The text is one sentence that says what differs."""


def load_key(secrets_dir: Path) -> Ed25519PrivateKey:
    """The installation's signing key, made at the first use. Raises OSError."""
    return Ed25519PrivateKey.from_private_bytes(
        secret_file(secrets_dir / KEY_NAME, Ed25519PrivateKey.generate().private_bytes_raw())
    )


def manifest_chain(tracks: Iterable[Track]) -> str:
    """The ends of all tracks joined, each checked on the way. Raises SealBroken naming the first wrong segment."""
    joined = ""
    for track in tracks:
        chain = ""
        for segment in (segment for epoch in track.epochs for segment in epoch.segments):
            chain = next_chain(chain, segment.sha256)
            if segment.chain != chain:
                raise SealBroken(f"Segment {segment.key} does not follow the one listed before it.")
        joined = next_chain(joined, hashlib.sha256((track.track_id + chain).encode()).hexdigest())
    return joined


def seal(manifest: Manifest, key: Ed25519PrivateKey, sealed_utc_ms: int) -> Manifest:
    """The same manifest with its seal. Raises SealBroken when its own chain is wrong, ManifestFault."""
    return _sealed(manifest, key, sealed_utc_ms)[0]


def sealed_bytes(manifest: Manifest, key: Ed25519PrivateKey, sealed_utc_ms: int) -> bytes:
    """What is stored of a sealed manifest: the canonical form of `seal`, made once. Raises as `seal` does."""
    sealed, unsigned = _sealed(manifest, key, sealed_utc_ms)
    assert sealed.seal is not None
    # The last one: the data of an event, which stands before the seal, may hold the same words.
    before, _, after = unsigned.rpartition(_UNSIGNED)
    return before + f'"signature":"{sealed.seal.signature}"'.encode() + after


def _sealed(manifest: Manifest, key: Ed25519PrivateKey, sealed_utc_ms: int) -> tuple[Manifest, bytes]:
    public = key.public_key().public_bytes_raw().hex()
    unsigned = Seal("Ed25519", public, manifest_chain(manifest.tracks), "", sealed_utc_ms)
    data = replace(manifest, seal=unsigned).to_bytes()
    return replace(manifest, seal=replace(unsigned, signature=key.sign(data).hex())), data


def read_sealed(data: bytes, trusted_public_key: str | None = None) -> Manifest:
    """The manifest in its stored bytes, with chain and signature checked against those very bytes.

    Raises ManifestFault, SealBroken; with `trusted_public_key` (hex) a foreign key is one, too. Several times faster
    than `verify`, because the canonical form need not be made again.
    """
    manifest = from_bytes(data)
    _verify(manifest, data, trusted_public_key)
    return manifest


def verify(manifest: Manifest, trusted_public_key: str | None = None) -> None:
    """Check chain and signature of a manifest in memory. Raises SealBroken as `read_sealed` does."""
    _verify(manifest, manifest.to_bytes(), trusted_public_key)


def _verify(manifest: Manifest, data: bytes, trusted_public_key: str | None) -> None:
    found = manifest.seal
    if found is None:
        raise SealBroken("The manifest is not sealed.")
    if trusted_public_key is not None and found.public_key != trusted_public_key:
        raise SealBroken("The manifest was sealed with another installation's key.")
    if found.chain != manifest_chain(manifest.tracks):
        raise SealBroken("The list of segments is not the one that was sealed.")
    try:
        signature = bytes.fromhex(found.signature)
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(found.public_key))
        public.verify(signature, _signed(data, signature))
    except (InvalidSignature, ValueError):
        raise SealBroken("The manifest was changed after it was sealed.") from None


def _signed(data: bytes, signature: bytes) -> bytes:
    """The bytes that were signed: the stored ones with an empty `signature`. Raises ValueError."""
    before, found, after = data.partition(f'"signature":"{signature.hex()}"'.encode())
    if not found:
        raise ValueError("the signature is not spelled as it was stored")
    return before + _UNSIGNED + after
