# SPDX-License-Identifier: Apache-2.0
"""The local certificate authority: one root for this installation, made once, and the server certificates it signs.

Keys are ECDSA P-256. The root may sign no further authority (path length 0); it carries no name constraints, because
the machine's names and addresses change during its ten years.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from storage.files import secret_folder, write_atomically

ROOT_DAYS: Final = 3650
SERVER_DAYS: Final = 397
"""Browsers refuse server certificates that are valid for more than 398 days."""
NODE_DAYS: Final = 1825
"""Certificates of media nodes, which no browser sees and a person must bring."""
_BACKDATED = timedelta(days=1)
"""Machines whose clock is a little slow accept the certificate at once."""
_DNS_NAME = re.compile(r"(?=.{1,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
_PEM = serialization.Encoding.PEM


class AuthorityDamaged(Exception):
    """The files of the authority cannot be used. The text is one sentence for the technician."""


@dataclass(frozen=True, slots=True)
class Authority:
    """The root certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        """The root as people install it."""
        return self.certificate.public_bytes(_PEM)


def ensure_authority(folder: Path, now: datetime) -> Authority:
    """The authority in `folder` (ca.crt, ca.key); made when neither file is there.

    Raises AuthorityDamaged, OSError.
    """
    secret_folder(folder)
    paths = (folder / "ca.crt", folder / "ca.key")
    if not any(path.exists() for path in paths):
        made = _make_root(now)
        # The key first: a certificate without its key could never sign, a key alone is simply replaced.
        write_atomically(paths[1], _key_pem(made.key), 0o600)
        write_atomically(paths[0], made.pem, 0o644)
        return made
    if not paths[0].exists():
        paths[1].unlink()
        return ensure_authority(folder, now)
    try:
        certificate = x509.load_pem_x509_certificate(paths[0].read_bytes())
        key = serialization.load_pem_private_key(paths[1].read_bytes(), None)
    except (FileNotFoundError, ValueError, TypeError, UnsupportedAlgorithm):
        raise AuthorityDamaged(_damaged(folder)) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise AuthorityDamaged(_damaged(folder))
    return Authority(certificate, key)


def _damaged(folder: Path) -> str:
    return (
        f"The local certificate authority in {folder} is damaged; put ca.crt and ca.key back from a backup, or remove "
        "both: a new root is then made, which every computer must trust anew at /ca."
    )


def _make_root(now: datetime) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Video Home"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"Video Home local root {secrets.token_hex(3).upper()}"),
        ]
    )
    builder = _builder(name, name, key.public_key(), now, now - _BACKDATED + timedelta(days=ROOT_DAYS))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return Authority(builder.sign(key, hashes.SHA256()), key)


def issue(authority: Authority, names: Iterable[str], now: datetime) -> tuple[bytes, bytes]:
    """A server certificate for host names and addresses, as (certificate, key) in PEM."""
    return _issue(authority, "Video Home", names, ExtendedKeyUsageOID.SERVER_AUTH, SERVER_DAYS, now)


def issue_node(authority: Authority, name: str, now: datetime, *, calls: bool) -> tuple[bytes, bytes]:
    """A certificate for the line to media nodes: `calls` True for who calls them, False for a node that is called."""
    usage = ExtendedKeyUsageOID.CLIENT_AUTH if calls else ExtendedKeyUsageOID.SERVER_AUTH
    return _issue(authority, "Video Home node", [name], usage, NODE_DAYS, now)


def _issue(
    authority: Authority,
    subject_name: str,
    names: Iterable[str],
    usage: x509.ObjectIdentifier,
    days: int,
    now: datetime,
) -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    ends = min(now - _BACKDATED + timedelta(days=days), authority.certificate.not_valid_after_utc)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject_name)])
    builder = _builder(subject, authority.certificate.subject, key.public_key(), now, ends)
    builder = builder.add_extension(x509.SubjectAlternativeName(_general_names(names)), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage(digital_signature=True), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    builder = builder.add_extension(issuer_key, critical=False)
    return builder.sign(authority.key, hashes.SHA256()).public_bytes(_PEM), _key_pem(key)


def certifiable(names: Iterable[str]) -> list[str]:
    """The names that can stand in a certificate, in one spelling, sorted; others (blanks, underscores) are left out."""
    found: set[str] = set()
    for name in names:
        try:
            found.add(str(ip_address(name.strip("[]"))))
            continue
        except ValueError:
            pass
        try:
            spelled = name.strip().rstrip(".").encode("idna").decode().lower()
        except UnicodeError:
            continue
        if _DNS_NAME.fullmatch(spelled):
            found.add(spelled)
    return sorted(found)


def names_in(certificate: x509.Certificate) -> list[str]:
    """Names and addresses that a certificate is for, spelled as `certifiable` does, sorted."""
    try:
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    addresses = [str(address) for address in alternative.get_values_for_type(x509.IPAddress)]
    return sorted([*alternative.get_values_for_type(x509.DNSName), *addresses])


def is_signed_by(certificate: x509.Certificate, authority: Authority) -> bool:
    """True when the authority signed the certificate."""
    try:
        certificate.verify_directly_issued_by(authority.certificate)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 fingerprint as browsers and phones show it: pairs of hex digits with colons."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def _general_names(names: Iterable[str]) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = []
    for name in certifiable(names):
        try:
            found.append(x509.IPAddress(ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return found


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, ends: datetime
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - _BACKDATED).not_valid_after(ends)


def _key_usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
