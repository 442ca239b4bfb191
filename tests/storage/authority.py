# SPDX-License-Identifier: Apache-2.0
"""A real time stamp authority: `openssl ts -reply` behind HTTP, with a root and a certificate made for the test."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_CONFIG = """
[tsa]
default_tsa = stamper
[stamper]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/signer.pem
certs = {folder}/root.pem
signer_key = {folder}/signer.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    """One root with one stamping certificate, both in `folder`."""

    def __init__(self, folder: Path, *, days: tuple[int, int] = (-1, 30), purpose: bool = True) -> None:
        """`days` from now between which the stamping certificate is valid; without `purpose` it may not stamp."""
        if shutil.which("openssl") is None:
            pytest.fail("the program openssl, which stamps, is not on this machine")
        folder.mkdir()
        self.folder, self.root = folder, folder / "root.pem"
        root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        wide = (-3_000, 3_000)
        root = self._certificate(_name("Test root"), _name("Test root"), root_key, root_key, wide)
        constraint = x509.BasicConstraints(ca=True, path_length=None)
        self.root.write_bytes(
            root.add_extension(constraint, True).sign(root_key, hashes.SHA256()).public_bytes(Encoding.PEM)
        )
        signer = self._certificate(_name("Test stamps"), _name("Test root"), key, root_key, days)
        use = ExtendedKeyUsageOID.TIME_STAMPING if purpose else ExtendedKeyUsageOID.SERVER_AUTH
        signed = signer.add_extension(x509.ExtendedKeyUsage([use]), True).sign(root_key, hashes.SHA256())
        (folder / "signer.pem").write_bytes(signed.public_bytes(Encoding.PEM))
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / "signer.key").write_bytes(private)
        (folder / "serial").write_text("01\n")
        (folder / "tsa.cnf").write_text(_CONFIG.format(folder=folder))

    @staticmethod
    def _certificate(
        subject: x509.Name,
        issuer: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        issuer_key: ec.EllipticCurvePrivateKey,
        days: tuple[int, int],
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        issued_by = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        made = made.serial_number(x509.random_serial_number())
        made = made.not_valid_before(now + timedelta(days=days[0])).not_valid_after(now + timedelta(days=days[1]))
        made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        return made.add_extension(issued_by, False)

    def reply(self, query: bytes) -> bytes:
        """What OpenSSL answers."""
        path, out = self.folder / "query.tsq", self.folder / "answer.tsr"
        path.write_bytes(query)
        command = ["openssl", "ts", "-reply", "-queryfile", path, "-out", out, "-config", self.folder / "tsa.cnf"]
        subprocess.run([*map(str, command), "-section", "stamper"], check=True, capture_output=True)
        return out.read_bytes()


Misbehaviour = Callable[[web.Request, bytes], Awaitable[web.StreamResponse]]


@dataclass
class Served:
    """The authority at an address; misbehaves as listed, once each, and then answers as it should."""

    authority: Authority
    misbehave: list[Misbehaviour] = field(default_factory=list)
    asked: list[bytes] = field(default_factory=list)
    url: str = ""

    async def start(self) -> web.AppRunner:
        """The caller cleans the runner up."""
        app = web.Application()
        app.router.add_post("/", self._take)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        return runner

    async def _take(self, request: web.Request) -> web.StreamResponse:
        query = await request.read()
        self.asked.append(query)
        assert request.content_type == "application/timestamp-query"
        if self.misbehave:
            return await self.misbehave.pop(0)(request, query)
        body = await asyncio.to_thread(self.authority.reply, query)
        return web.Response(body=body, content_type="application/timestamp-reply")
