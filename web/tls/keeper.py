# SPDX-License-Identifier: Apache-2.0
"""Keeps the certificate of the HTTPS port right while the program runs: local ones renewed, own ones read again."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NoReturn

import structlog
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from storage.addresses import machine_addresses
from storage.files import write_atomically
from storage.settings import Settings
from web.tls import authority as ca

CHECK_EVERY_S: Final = 60.0
RENEW_DAYS: Final = 30
"""A local certificate with less than this left is renewed."""
log = structlog.get_logger(__name__)


class CertificateFault(Exception):
    """The certificate cannot be used. The text is one sentence for the technician."""


class CertificateKeeper:
    """One certificate at a time. New connections get the newest; those that exist go on with theirs."""

    def __init__(
        self,
        settings: Settings,
        *,
        hostname: str,
        addresses: Callable[[], list[str]] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`addresses` gives the machine's addresses of the moment."""
        self._settings = settings
        self._folder = settings.data_dir / "tls"
        self._hostname = hostname
        self._addresses = addresses or (lambda: machine_addresses(settings.bind, settings.advertise))
        self._now = now
        self._seen: object = None
        self._current: ssl.SSLContext | None = None
        self.fault: str | None = None
        """Why the last check failed, one sentence; None when all is well."""
        self.root: x509.Certificate | None = None
        """The local root; None with a certificate of one's own."""
        self.certificate: x509.Certificate | None = None
        """What new connections get."""

    def front_context(self) -> ssl.SSLContext:
        """The context to listen with; it hands every new connection to the newest certificate."""
        context = _server_context()
        context.sni_callback = self._choose
        return context

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _front: ssl.SSLContext) -> None:
        assert self._current is not None, "refresh() comes before listening"
        connection.context = self._current

    def refresh(self) -> bool:
        """Renew or read again what needs it; True when new connections get another certificate from now on.

        Raises CertificateFault, OSError; the certificate in use stays in use then. Blocks for some milliseconds.
        """
        own = self._settings.tls_certificate is not None or self._settings.tls_key is not None
        changed = self._refresh_own() if own else self._refresh_local()
        self.fault = None
        return changed

    async def watch(self) -> None:
        """Refresh every minute until cancelled; a fault is logged once and kept in `fault`."""
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            try:
                if await asyncio.to_thread(self.refresh):
                    log.info("certificate_changed", names=self.names())
            except (CertificateFault, OSError) as fault:
                if self.fault != str(fault):
                    log.error("certificate_fault", reason=str(fault))
                self.fault = str(fault)

    def names(self) -> list[str]:
        """Names and addresses of the certificate in use."""
        return ca.names_in(self.certificate) if self.certificate else []

    def _refresh_local(self) -> bool:
        try:
            authority = ca.ensure_authority(self._folder, self._now())
        except ca.AuthorityDamaged as fault:
            raise CertificateFault(str(fault)) from None
        paths = (self._folder / "server.crt", self._folder / "server.key")
        wanted = self._wanted_names()
        if not self._still_good(paths, authority, wanted):
            certificate, key = ca.issue(authority, wanted, self._now())
            write_atomically(paths[1], key, 0o600)
            write_atomically(paths[0], certificate, 0o644)
        self.root = authority.certificate
        return self._load(*paths)

    def _wanted_names(self) -> list[str]:
        always = ["localhost", "127.0.0.1", "::1"]
        return ca.certifiable([*self._settings.names, self._hostname, *always, *self._addresses()])

    def _still_good(self, paths: tuple[Path, Path], authority: ca.Authority, wanted: list[str]) -> bool:
        try:
            certificate = x509.load_pem_x509_certificate(paths[0].read_bytes())
            key = serialization.load_pem_private_key(paths[1].read_bytes(), None)
        except (FileNotFoundError, ValueError, TypeError):
            return False
        now = self._now()
        return (
            key.public_key() == certificate.public_key()
            and ca.is_signed_by(certificate, authority)
            and ca.names_in(certificate) == wanted
            and certificate.not_valid_before_utc <= now
            and certificate.not_valid_after_utc - now >= timedelta(days=RENEW_DAYS)
        )

    def _refresh_own(self) -> bool:
        certificate, key = self._settings.tls_certificate, self._settings.tls_key
        if certificate is None or key is None:
            raise CertificateFault("Set both tls_certificate and tls_key, or neither to use the local authority.")
        changed = self._load(certificate, key)
        assert self.certificate is not None
        if changed and self.certificate.not_valid_after_utc < self._now():
            # Served all the same: people can still reach the pages and the technician while a new one is on its way.
            log.warning("own_certificate_expired", path=str(certificate))
        return changed

    def _load(self, certificate: Path, key: Path) -> bool:
        seen = (_signature(certificate), _signature(key))
        if seen == self._seen:
            return False
        context = _server_context()
        try:
            context.load_cert_chain(certificate, key, password=_refuse_password)
            parsed = x509.load_pem_x509_certificate(certificate.read_bytes())
        except _Encrypted:
            raise CertificateFault(f"The key {key} has a passphrase; store it without one.") from None
        except ssl.SSLError as error:
            if "KEY_VALUES_MISMATCH" in str(error):
                raise CertificateFault(
                    f"The key {key} does not belong to the certificate {certificate}; set the pair that fits."
                ) from None
            raise CertificateFault(
                f"The certificate {certificate} or its key {key} is not in PEM form; convert it to PEM."
            ) from None
        except ValueError:
            raise CertificateFault(f"The certificate {certificate} is not in PEM form; convert it to PEM.") from None
        self._current, self.certificate, self._seen = context, parsed, seen
        return True


class _Encrypted(Exception):
    """A passphrase was asked for."""


def _refuse_password() -> NoReturn:
    raise _Encrypted


def _signature(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
        with path.open("rb"):
            pass
    except OSError as error:
        raise CertificateFault(f"The file {path} cannot be read ({error.strerror}); check path and rights.") from None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
