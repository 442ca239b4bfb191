# SPDX-License-Identifier: Apache-2.0
"""The embedded object store: SeaweedFS (`weed mini`) on loopback, with every door but S3 locked.

`python -m storage.embedded` makes keys and certificates at the first start and becomes the server. Its filer, master,
volume and admin ports would go round S3 and its locks, so their HTTP and gRPC ask for a client certificate of an
authority whose key exists only while the certificate is made, and filer and volume for a signed token besides.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import ssl
import sys
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import psutil
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from storage.settings import EXIT_CONFIGURATION, Settings, SettingsFault, load_settings

HOST = "127.0.0.1"
SERVICES = ("s3", "filer", "master", "volume", "admin")
_CERTIFICATE_DAYS = 3650


class StoreNotStarted(Exception):
    """The embedded store has no address or keys yet. The text is one sentence."""


@dataclass(frozen=True, slots=True)
class StoreAccess:
    """Address and keys of the embedded store's S3 door."""

    endpoint: str
    access_key: str
    secret_key: str

    def __repr__(self) -> str:
        return f"StoreAccess(endpoint={self.endpoint!r})"


def read_access(store_dir: Path) -> StoreAccess:
    """Address and keys that the running (or last) embedded store uses. Raises StoreNotStarted."""
    try:
        ports = json.loads((store_dir / "ports.json").read_bytes())
        keys = json.loads((store_dir / "keys.json").read_bytes())
        return StoreAccess(f"{HOST}:{int(ports['s3'])}", str(keys["access_key"]), str(keys["secret_key"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreNotStarted(f"The embedded store has not been started yet ({type(error).__name__}).") from None


def prepare(store_dir: Path) -> list[str]:
    """Make what is missing (folders, keys, certificates, ports) and return weed's arguments. Raises OSError."""
    store_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    (store_dir / "data").mkdir(mode=0o700, exist_ok=True)
    keys = _keys(store_dir)
    _certificates(store_dir)
    _write_private(store_dir / "s3.json", json.dumps(_identities(keys)))
    _write_private(store_dir / "security.toml", _security(store_dir, keys))
    ports = _ports(store_dir)
    arguments = [
        "mini",
        f"-dir={store_dir / 'data'}",
        f"-ip={HOST}",
        f"-ip.bind={HOST}",
        f"-s3.config={store_dir / 's3.json'}",
        "-s3.allowDeleteBucketNotEmpty=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-admin.ui=false",
        f"-admin.password={keys['admin_password']}",
        "-webdav=false",
        "-master.telemetry=false",
        f"-filer.localSocket={store_dir / 'filer.sock'}",
    ]
    for service in SERVICES:
        arguments += [f"-{service}.port={ports[service]}", f"-{service}.port.grpc={ports[service + '_grpc']}"]
    return arguments


def _keys(store_dir: Path) -> dict[str, str]:
    path = store_dir / "keys.json"
    if not path.exists():
        names = ("secret_key", "write_jwt", "read_jwt", "filer_write_jwt", "filer_read_jwt", "admin_password")
        made = {"access_key": secrets.token_hex(10).upper(), **{name: secrets.token_urlsafe(32) for name in names}}
        _write_private(path, json.dumps(made))
    keys = json.loads(path.read_bytes())
    assert isinstance(keys, dict)
    return {str(name): str(value) for name, value in keys.items()}


def _identities(keys: dict[str, str]) -> dict[str, object]:
    credentials = [{"accessKey": keys["access_key"], "secretKey": keys["secret_key"]}]
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    return {"identities": [{"name": "videohome", "credentials": credentials, "actions": actions}]}


def _security(store_dir: Path, keys: dict[str, str]) -> str:
    """weed's security.toml: tokens for volume and filer, client certificates for everything but S3."""
    lines = ["[access]", "ui = false"]
    for section, key in (
        ("jwt.signing", "write_jwt"),
        ("jwt.signing.read", "read_jwt"),
        ("jwt.filer_signing", "filer_write_jwt"),
        ("jwt.filer_signing.read", "filer_read_jwt"),
    ):
        lines += [f"[{section}]", f"key = {json.dumps(keys[key])}", "expires_after_seconds = 60"]
    pair = [f"cert = {json.dumps(str(store_dir / 'node.crt'))}", f"key = {json.dumps(str(store_dir / 'node.key'))}"]
    authority = f"ca = {json.dumps(str(store_dir / 'authority.crt'))}"
    lines += ["[grpc]", authority]
    for program in ("master", "volume", "filer", "s3", "client", "admin", "worker"):
        lines += [f"[grpc.{program}]", *pair]
    lines += ["[https.client]", "enabled = true", *pair, authority]
    for program in ("master", "volume", "filer"):
        lines += [f"[https.{program}]", *pair, authority]
    return "\n".join(lines) + "\n"


def _certificates(store_dir: Path) -> None:
    """An authority that signs one certificate and whose key is then forgotten."""
    if all((store_dir / name).exists() for name in ("authority.crt", "node.crt", "node.key")):
        return
    now = datetime.now(UTC)
    authority_key, node_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())

    def build(name: str, public: ec.EllipticCurvePublicKey, issuer: str) -> x509.CertificateBuilder:
        def named(text: str) -> x509.Name:
            return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

        builder = x509.CertificateBuilder().subject_name(named(name)).issuer_name(named(issuer)).public_key(public)
        builder = builder.serial_number(x509.random_serial_number())
        return builder.not_valid_before(now - timedelta(days=1)).not_valid_after(
            now + timedelta(days=_CERTIFICATE_DAYS)
        )

    root = build("embedded store authority", authority_key.public_key(), "embedded store authority")
    root = root.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    node = build("embedded store", node_key.public_key(), "embedded store authority")
    addresses = x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST)), x509.DNSName("localhost")])
    node = node.add_extension(addresses, critical=False)
    key_text = node_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem = serialization.Encoding.PEM
    _write_private(store_dir / "authority.crt", root.sign(authority_key, hashes.SHA256()).public_bytes(pem).decode())
    _write_private(store_dir / "node.crt", node.sign(authority_key, hashes.SHA256()).public_bytes(pem).decode())
    _write_private(store_dir / "node.key", key_text.decode())


def _ports(store_dir: Path) -> dict[str, int]:
    """The ports of the last start when all are free, else new ones."""
    path = store_dir / "ports.json"
    names = [name for service in SERVICES for name in (service, f"{service}_grpc")]
    try:
        known = {name: int(json.loads(path.read_bytes())[name]) for name in names}
    except (OSError, ValueError, KeyError, TypeError):
        known = {}
    if known and all(_is_free(port) for port in known.values()):
        return known
    with ExitStack() as stack:
        probes = [stack.enter_context(closing(socket.socket())) for _ in names]
        for probe in probes:
            probe.bind((HOST, 0))
        fresh = {name: int(probe.getsockname()[1]) for name, probe in zip(names, probes, strict=True)}
    _write_private(path, json.dumps(fresh))
    return fresh


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _write_private(path: Path, text: str) -> None:
    """Write a file that only this user can read, whole or not at all."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(path)


def exposure(settings: Settings) -> list[tuple[str, bool, str]]:
    """(door, closed?, sentence) for every port that the running store listens on, tried without any key."""
    store_dir = settings.data_dir / "store"
    ports = json.loads((store_dir / "ports.json").read_bytes())
    found = []
    listening = _listening(ports["s3"])
    outside = sorted(f"{host}:{port}" for host, port in listening if host != HOST)
    sentence = f"listens on {', '.join(outside)}; stop it." if outside else "listens on loopback only."
    found.append(("addresses", not outside, sentence))
    unknown = sorted({port for _, port in listening} - set(ports.values()))
    found.append(("further ports", not unknown, f"opened {unknown}; report this." if unknown else "opened none."))
    for name, port in ports.items():
        if name == "s3":
            continue
        closed = _refuses_strangers(int(port))
        state = "refuses whoever has no key." if closed else "answers without a key; stop the store and report this."
        found.append((name.replace("_", " "), closed, f"port {port} {state}"))
    return found


def _listening(s3_port: int) -> set[tuple[str, int]]:
    """(address, port) of everything that the process behind the S3 port listens on."""
    found = [(c.pid, c.laddr) for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    named = [(pid, str(address[0]), int(address[1])) for pid, address in found if len(address) == 2]
    owners = {pid for pid, _, port in named if port == s3_port}
    return {(host, port) for pid, host, port in named if pid in owners}


def _refuses_strangers(port: int) -> bool:
    """True unless the port serves a request over plain TCP, or over TLS without a client certificate."""
    return not (_serves(port, None) or _serves(port, ssl._create_unverified_context()))  # noqa: S323 - loopback probe


def _serves(port: int, context: ssl.SSLContext | None) -> bool:
    request = b"GET /dir/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    try:
        raw = socket.create_connection((HOST, port), 3)
        with closing(raw), closing(context.wrap_socket(raw) if context else raw) as stream:
            stream.sendall(request)
            status = stream.recv(64).split(b" ")
    except OSError:
        return False
    return len(status) > 1 and status[0].startswith(b"HTTP/1") and status[1] not in (b"400", b"401", b"403", b"404")


def main() -> int:
    """Become `weed mini`. Does not return unless it cannot start."""
    try:
        settings = load_settings()
    except SettingsFault as fault:
        print(fault, file=sys.stderr)
        return EXIT_CONFIGURATION
    weed = Path(sys.executable).with_name("weed")
    store_dir = settings.data_dir / "store"
    try:
        arguments = prepare(store_dir)
        os.umask(0o077)  # weed's local sockets in /tmp are for this user alone
        os.chdir(store_dir)  # weed looks for security.toml in its working directory
        os.execv(weed, [str(weed), *arguments])  # noqa: S606 - a program of our own environment, no shell
    except OSError as error:
        print(f"The embedded store cannot start: {error}.", file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
