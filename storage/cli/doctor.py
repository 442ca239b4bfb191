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
from pathlib import Path
from typing import Literal, NoReturn

from cryptography import x509
from rich.console import Console

from storage.cli import doctor_nodes
from storage.cli.serve import is_ready, port_fault
from storage.cli.serve_node import answers
from storage.settings import Settings

CODECS = (("vp8", "r"), ("opus", "r"), ("opus", "w"))
"""(codec, decode or encode) that playing, transcribing and testing a recording need."""
_OLDEST_SANE_YEAR = 2025
_WARN_DAYS = 14
_PATIENCE_S = 10.0
"""A program that was just started, or started again, may take so long to answer."""
_SOCKETS = {"mediaserver": "media.sock", "recorder": "recorder.sock"}


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
        ("programs", programs),
        ("ports", ports),
        *([("node", node)] if settings.node_name else [("certificate", certificate), ("nodes", nodes)]),
        ("disk", disk),
        ("bucket", bucket),
        ("copy", second_store),
        ("lock", lock),
        ("encryption", encryption),
        ("recording key", recording_key),
        ("store exposure", store_exposure),
        *([] if settings.node_name else [("model", model)]),
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
    """The HTTPS port (on a media node: those of its doors) and the media ports: free, or taken by us."""
    ours = running(settings)
    own = [(socket.SOCK_STREAM, settings.https_port, f"port {settings.https_port}/TCP (https)")]
    if settings.node_name:
        own = [(socket.SOCK_STREAM, port, f"port {port}/TCP (orders)") for port in settings.node_place.ports]
    for kind, port, name in (
        *own,
        *((socket.SOCK_DGRAM, port, f"port {port}/UDP (media)") for port in settings.media_ports),
        *((socket.SOCK_STREAM, port, f"port {port}/TCP (media)") for port in settings.media_ports),
    ):
        reason = port_fault(settings.node_place.host if name.endswith("(orders)") else settings.bind, port, kind)
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


def programs(settings: Settings) -> Iterator[Finding]:
    """Whether the programs answer, when Video Home runs."""
    if not running(settings):
        yield Finding(
            "programs", "ok", "Video Home is not running with this data folder; start it with: videohome serve"
        )
        return
    deadline_s = time.monotonic() + _PATIENCE_S
    while (silent := _silent_programs(settings)) and time.monotonic() < deadline_s:
        time.sleep(0.5)
    if silent:
        logs = ", ".join(str(settings.data_dir / "logs" / f"{name}.log") for name in silent)
        yield Finding("programs", "fail", f"{', '.join(silent)} does not answer; the reason is at the end of {logs}.")
    else:
        answering = "mediaserver and recorder" if settings.node_name else "mediaserver, recorder and web"
        yield Finding("programs", "ok", f"{answering} answer.")


def _silent_programs(settings: Settings) -> list[str]:
    silent = [
        f"{name}-{number}" if number else name
        for number in range(settings.workers)
        for name, path in _SOCKETS.items()
        if not answers(str(settings.worker_dir(number) / path))
    ]
    return silent if settings.node_name or is_ready(settings) else [*silent, "web"]


def nodes(settings: Settings) -> Iterator[Finding]:
    """The media nodes that are led from here."""
    yield from (Finding(*told) for told in doctor_nodes.nodes(settings))


def node(settings: Settings) -> Iterator[Finding]:
    """This machine as a media node."""
    yield from (Finding(*told) for told in doctor_nodes.node(settings))


def certificate(settings: Settings) -> Iterator[Finding]:
    """The certificate that browsers are shown."""
    own = settings.tls_certificate is not None or settings.tls_key is not None
    if own and (settings.tls_certificate is None or settings.tls_key is None):
        yield Finding("certificate", "fail", "only one of tls_certificate and tls_key is set; set both, or neither.")
        return
    path = settings.tls_certificate or settings.data_dir / "tls" / "server.crt"
    key = settings.tls_key or settings.data_dir / "tls" / "server.key"
    if not own and not path.exists():
        yield Finding("certificate", "ok", "will be made by the local authority at the first start.")
        return
    fault = _pair_fault(path, key)
    if fault is not None:
        repair = "" if own else "; remove both files, they are made anew at the next start"
        yield Finding("certificate", "fail", f"{fault}{repair}.")
        return
    leaf = x509.load_pem_x509_certificates(path.read_bytes())[0]
    yield _validity(leaf, own=own)
    missing = [name for name in settings.names if not _covers(leaf, name)]
    if missing:
        then = "get one that does" if own else "it is made anew while Video Home runs or at its next start"
        yield Finding("certificate names", "warn", f"the certificate does not name {', '.join(missing)}; {then}.")


def _pair_fault(path: Path, key: Path) -> str | None:
    """Why certificate and key cannot be used together, or None."""

    def refuse() -> NoReturn:
        raise _PassphraseAsked

    try:
        for file in (path, key):
            file.read_bytes()
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path, key, password=refuse)
        x509.load_pem_x509_certificates(path.read_bytes())
    except _PassphraseAsked:
        return f"the key {key} has a passphrase; store it without one"
    except ssl.SSLError as error:
        if "MISMATCH" in str(error):
            return f"the key {key} does not belong to the certificate {path}; set the pair that fits"
        return f"{path} or {key} is not in PEM form; convert it to PEM"
    except OSError as error:
        return f"{error.filename} cannot be read ({error.strerror}); correct the path or give this user access"
    except ValueError:
        return f"{path} is not in PEM form; convert it to PEM"
    return None


class _PassphraseAsked(Exception):
    """The key is encrypted."""


def _validity(leaf: x509.Certificate, *, own: bool) -> Finding:
    now = datetime.now(UTC)
    days = (leaf.not_valid_after_utc - now).days
    renew = "put a new one in place" if own else "restart Video Home, which makes a new one"
    if leaf.not_valid_before_utc > now:
        since = f"{leaf.not_valid_before_utc:%Y-%m-%d}"
        return Finding("certificate", "fail", f"is good only from {since} on; look at this machine's date.")
    if days < 0:
        return Finding("certificate", "fail", f"expired on {leaf.not_valid_after_utc:%Y-%m-%d}; {renew}.")
    if days < _WARN_DAYS:
        return Finding("certificate", "warn", f"expires in {days} days; {renew}.")
    return Finding("certificate", "ok", f"good for {days} days, for {', '.join(_names_in(leaf))}.")


def _names_in(leaf: x509.Certificate) -> list[str]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]


def _covers(leaf: x509.Certificate, name: str) -> bool:
    wanted, names = name.lower(), [known.lower() for known in _names_in(leaf)]
    return wanted in names or ("." in wanted and f"*.{wanted.split('.', 1)[1]}" in names)


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
    from storage.objects import StoreAway, StoreError, open_store

    if not settings.s3_endpoint and not running(settings):
        yield Finding("bucket", "ok", "the embedded store is started together with Video Home; not running now.")
        return
    try:
        store = open_store(settings)
        store.ensure_bucket()
        store.probe()
    except StoreAway as fault:
        where = f"the network and s3_endpoint ({settings.s3_endpoint})" if settings.s3_endpoint else _log(settings)
        yield Finding("bucket", "fail", f"{str(fault).rstrip('.')}; look at {where}.")
        return
    except StoreError as fault:
        yield Finding("bucket", "fail", f"{str(fault).rstrip('.')}; correct s3_access_key, s3_secret_key or s3_bucket.")
        return
    where = settings.s3_endpoint or "the embedded store"
    yield Finding("bucket", "ok", f"{settings.s3_bucket} on {where}: wrote, read and deleted a probe.")


def second_store(settings: Settings) -> Iterator[Finding]:
    """Write, read and delete a small object in the bucket of the copies."""
    from storage.objects import StoreError, open_copy

    try:
        if (store := open_copy(settings)) is None:
            return
        store.ensure_bucket()
        store.probe()
    except StoreError as fault:
        yield Finding("copy", "fail", f"{str(fault).rstrip('.')}; look at the network and the settings s3_copy_….")
    else:
        yield Finding(
            "copy", "ok", f"{settings.s3_copy_bucket} on {settings.s3_copy_endpoint}: wrote and read a probe."
        )


def lock(settings: Settings) -> Iterator[Finding]:
    """Whether the store enforces the lock that is set: a locked object is deleted and overwritten for a trial."""
    from storage.objects import StoreError, open_store
    from storage.objects.locking import find_out

    if not settings.s3_endpoint and not running(settings):
        return
    try:
        found = find_out(open_store(settings), settings)
    except StoreError:
        return  # said under "bucket"
    if found is None:
        yield Finding("lock", "ok", "switched off (s3_lock).")
    elif found.enforced:
        yield Finding("lock", "ok", f"the store kept an object locked in {settings.s3_lock} mode.")
    elif found.found in ("no_versions", "no_lock"):
        yield Finding("lock", "warn", "this bucket cannot lock; make a new one with Object Lock, or set s3_lock = off.")
    else:
        what = found.found.replace("_", " ")
        yield Finding("lock", "fail", f"the store promises locks but {what}; do not rely on it, use another store.")


def encryption(settings: Settings) -> Iterator[Finding]:
    """Whether the store encrypts what it is given, and gives it back: a small object is tried."""
    from storage.objects import StoreError, open_store

    if settings.s3_encryption == "off":
        return
    try:
        store = open_store(settings)
        store.ensure_bucket()
        found = store.probe_encryption()
    except StoreError as fault:
        yield Finding("encryption", "fail", f"{str(fault).rstrip('.')}; look at the store and its key service.")
        return
    kind = settings.s3_encryption
    said: dict[str, tuple[Literal["ok", "fail"], str]] = {
        "encrypted": ("ok", f"the store encrypted an object ({kind}) and gave it back."),
        "refused": ("fail", f"the store refuses {kind}; give it a key (MinIO: KMS), or set s3_encryption = off."),
        "ignored": ("fail", f"the store took an object for {kind} and does not say that it encrypted it; use another."),
        "unreadable": ("fail", "the store cannot read what it encrypted; set s3_encryption = off, or use another."),
    }
    yield Finding("encryption", *said[found])


def recording_key(settings: Settings) -> Iterator[Finding]:
    """The installation's key, which opens the own keys of recordings."""
    from storage.cli import doctor_keys

    told = doctor_keys.recording_key(settings, running=running(settings))
    yield from (Finding("recording key", *each) for each in told)


def _log(settings: Settings) -> str:
    return str(settings.data_dir / "logs" / "store.log")


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
