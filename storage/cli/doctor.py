# SPDX-License-Identifier: Apache-2.0
"""`videohome doctor`: looks at what the programs need and says in one sentence each what is wrong and what to do."""

from __future__ import annotations

import fcntl
import importlib
import json
import shutil
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Literal

from rich.console import Console

from storage.cli.serve import port_fault
from storage.settings import Settings

CODECS = (("vp8", "r"), ("opus", "r"), ("opus", "w"))
"""(codec, decode or encode) that playing, transcribing and testing a recording need."""
_OLDEST_SANE_YEAR = 2025


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    state: Literal["ok", "warn", "fail"]
    sentence: str
    """What was found and, unless all is well, what to do."""


def run(settings: Settings, *, json_out: bool) -> int:
    """Print all findings; 0 when nothing failed, else 1."""
    findings = list(examine(settings))
    if json_out:
        print(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False, indent=1))
    else:
        console = Console(soft_wrap=True, highlight=False)
        marks = {"ok": "[green]ok  [/green]", "warn": "[yellow]warn[/yellow]", "fail": "[red]FAIL[/red]"}
        for finding in findings:
            console.print(marks[finding.state], end="  ")
            console.print(f"{finding.name}: {finding.sentence}", markup=False)
    return 1 if any(finding.state == "fail" for finding in findings) else 0


def examine(settings: Settings) -> Iterator[Finding]:
    """Every check in turn. A check that breaks is itself a finding."""
    checks: tuple[tuple[str, Callable[[Settings], Iterator[Finding]]], ...] = (
        ("ports", ports),
        ("certificate", certificate),
        ("disk", disk),
        ("bucket", bucket),
        ("store exposure", store_exposure),
        ("model", model),
        ("codecs", codecs),
        ("time", clock),
    )
    for name, check in checks:
        try:
            yield from check(settings)
        except Exception as error:  # the doctor must finish its round whatever one patient does
            yield Finding(name, "fail", f"could not be examined ({type(error).__name__}: {error}); see the logs.")


def running(settings: Settings) -> bool:
    """True when `videohome serve` holds the lock of this data folder."""
    path = settings.run_dir / "serve.lock"
    if not path.exists():
        return False
    with path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def ports(settings: Settings) -> Iterator[Finding]:
    """The HTTPS port and the media port (UDP and TCP): free, or taken by us."""
    ours = running(settings)
    for kind, port, name in (
        (socket.SOCK_STREAM, settings.https_port, f"port {settings.https_port}/TCP (https)"),
        (socket.SOCK_DGRAM, settings.media_port, f"port {settings.media_port}/UDP (media)"),
        (socket.SOCK_STREAM, settings.media_port, f"port {settings.media_port}/TCP (media)"),
    ):
        reason = port_fault(settings.bind, port, kind)
        if ours:
            if reason is None:
                yield Finding(name, "fail", "Video Home runs but does not listen here; see data/logs and restart it.")
            else:
                yield Finding(name, "ok", "Video Home listens here; the firewall must let it through.")
        elif reason is None:
            yield Finding(name, "ok", "free.")
        else:
            yield Finding(
                name, "fail", f"taken by another program ({reason}); end that program or choose another port."
            )


def certificate(settings: Settings) -> Iterator[Finding]:
    """The certificate that browsers are shown."""
    path = settings.tls_certificate or settings.data_dir / "tls" / "server.crt"
    if not path.exists():
        if settings.tls_certificate:
            yield Finding("certificate", "fail", f"{path} does not exist; correct tls_certificate.")
        else:
            yield Finding("certificate", "ok", "will be made by the local authority at the first start.")
        return
    from cryptography import x509

    leaf = x509.load_pem_x509_certificates(path.read_bytes())[0]
    days = (leaf.not_valid_after_utc - datetime.now(UTC)).days
    names = ", ".join(_alternative_names(leaf))
    if days < 0:
        yield Finding("certificate", "fail", f"expired on {leaf.not_valid_after_utc:%Y-%m-%d}; put a new one in place.")
    elif days < 14 and settings.tls_certificate:
        yield Finding("certificate", "warn", f"expires in {days} days; put a new one in place.")
    else:
        yield Finding("certificate", "ok", f"good for {days} days, for {names}.")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    key = settings.tls_key or settings.data_dir / "tls" / "server.key"
    try:
        context.load_cert_chain(path, key)
    except (OSError, ssl.SSLError) as error:
        yield Finding("certificate key", "fail", f"{key} does not fit {path} ({error}); correct tls_key.")


def _alternative_names(leaf: object) -> list[str]:
    from cryptography import x509

    assert isinstance(leaf, x509.Certificate)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]


def disk(settings: Settings) -> Iterator[Finding]:
    """Free space where the recordings are spooled, and that it can be written."""
    folder = settings.data_dir
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    text = f"{free / 1e9:.1f} GB free on {folder}"
    if free < settings.disk_full_bytes:
        yield Finding("disk", "fail", f"{text}: too little to record; free space or move data_dir.")
    elif free < settings.disk_low_bytes:
        yield Finding("disk", "warn", f"{text}: running low; free space soon or move data_dir.")
    else:
        yield Finding("disk", "ok", f"{text}.")
    probe = folder / ".doctor-probe"
    try:
        probe.write_bytes(b"probe")
        probe.unlink()
    except OSError as error:
        yield Finding("disk", "fail", f"{folder} cannot be written ({error.strerror}); give this user access.")


def bucket(settings: Settings) -> Iterator[Finding]:
    """Write, read and delete a small object in the bucket."""
    from storage.objects import StoreError, open_store

    if not settings.s3_endpoint and not running(settings):
        yield Finding("bucket", "ok", "the embedded store is started together with Video Home; not running now.")
        return
    try:
        store = open_store(settings)
        store.ensure_bucket()
        store.probe()
    except StoreError as fault:
        yield Finding("bucket", "fail", f"{fault}; check s3_endpoint, the keys and the network.")
        return
    where = settings.s3_endpoint or "the embedded store"
    yield Finding("bucket", "ok", f"{settings.s3_bucket} on {where}: wrote, read and deleted a probe.")


def store_exposure(settings: Settings) -> Iterator[Finding]:
    """The embedded store must be closed to other machines and to whoever has no key."""
    if settings.s3_endpoint or not running(settings):
        return
    from storage.embedded import exposure

    for name, state, sentence in exposure(settings):
        yield Finding(f"store {name}", "ok" if state else "fail", sentence)


def model(settings: Settings) -> Iterator[Finding]:
    """The speech model's files and digests."""
    check = importlib.import_module("transcribe.models").check_configured
    good, sentence = check(settings)
    yield Finding("model", "ok" if good else "fail", sentence)


def codecs(settings: Settings) -> Iterator[Finding]:
    """The codecs inside PyAV's FFmpeg."""
    import av
    from av.codec.codec import UnknownCodecError

    missing = []
    for name, mode in CODECS:
        try:
            av.Codec(name, mode)  # type: ignore[arg-type]
        except UnknownCodecError:
            missing.append(f"{name} ({'reading' if mode == 'r' else 'writing'})")
    if missing:
        yield Finding("ffmpeg codecs", "fail", f"missing: {', '.join(missing)}; install av from PyPI again.")
    else:
        yield Finding("ffmpeg codecs", "ok", f"VP8 and Opus are there (FFmpeg in PyAV {av.__version__}).")


def clock(settings: Settings) -> Iterator[Finding]:
    """The machine's clock: the date is sane and, where the kernel knows, it is synchronised."""
    year = time.gmtime().tm_year
    if year < _OLDEST_SANE_YEAR:
        yield Finding("time", "fail", f"the clock says {year}; set it, and switch on time synchronisation (NTP).")
        return
    synchronised = _kernel_says_synchronised()
    if synchronised is False:
        yield Finding(
            "time",
            "warn",
            "the clock is not synchronised; switch on NTP (timedatectl set-ntp true), times are evidence.",
        )
    else:
        yield Finding("time", "ok", f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S %Z}.")


def _kernel_says_synchronised() -> bool | None:
    """adjtimex(2): True or False as the kernel's clock state says; None where it cannot be asked."""
    import ctypes

    buffer = ctypes.create_string_buffer(struct.calcsize("=I") + 512)
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(buffer)
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != 5  # TIME_ERROR: clock not synchronised
