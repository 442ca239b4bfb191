# SPDX-License-Identifier: Apache-2.0
"""Certificates for media nodes: the one with which the pages call, and what a new node is given."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from storage.files import write_atomically
from storage.node_bundle import SHARED_KEYS, Bundle
from storage.nodes import CLIENT_FILES, NODE_FILES, WEB_TLS_NAME, tls_name
from storage.seal import KEY_NAME as SEAL_KEY
from storage.seal import load_key
from storage.secret_files import secret_bytes
from web.tls.authority import Authority, ensure_authority, is_signed_by, issue_node

RENEW_DAYS: Final = 365
"""With less than this left the calling certificate is made anew at the next start."""


def ensure_calling(tls_dir: Path, now: datetime) -> None:
    """The certificate with which nodes are called is there and good. Raises AuthorityDamaged, OSError."""
    authority = ensure_authority(tls_dir, now)
    certificate, key = (tls_dir / name for name in CLIENT_FILES[:2])
    if not _still_good(certificate, key, authority, now):
        made = issue_node(authority, WEB_TLS_NAME, now, calls=True)
        write_atomically(key, made[1], 0o600)
        write_atomically(certificate, made[0], 0o644)


def _still_good(certificate: Path, key: Path, authority: Authority, now: datetime) -> bool:
    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        fits = serialization.load_pem_private_key(key.read_bytes(), None).public_key() == found.public_key()
    except (FileNotFoundError, ValueError, TypeError):
        return False
    lasts = found.not_valid_before_utc <= now and found.not_valid_after_utc - now >= timedelta(days=RENEW_DAYS)
    return fits and lasts and is_signed_by(found, authority)


def make_bundle(data_dir: Path, name: str, county: str, now: datetime) -> Bundle:
    """A certificate for the node `name`, and this installation's keys. Raises AuthorityDamaged, OSError."""
    authority = ensure_authority(data_dir / "tls", now)
    certificate, key = issue_node(authority, tls_name(name), now, calls=False)
    own = dict(zip(NODE_FILES, (certificate, key, authority.pem), strict=True))
    files = {f"node/{file}": data for file, data in own.items()}
    secrets_dir = data_dir / "secrets"
    load_key(secrets_dir)  # makes it at the first use, in its own form
    for file in SHARED_KEYS:
        path = secrets_dir / file
        files[f"secrets/{file}"] = path.read_bytes() if file == SEAL_KEY else secret_bytes(path)
    return Bundle(name, county, int(now.timestamp()), files)
