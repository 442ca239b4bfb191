# SPDX-License-Identifier: Apache-2.0
"""`videohome doctor` finds each thing that can be wrong and says in one sentence what to do."""

from __future__ import annotations

import fcntl
import json
import os
import re
import socket
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from storage.cli import doctor
from storage.cli.doctor import Finding
from storage.ids import new_id
from storage.own_keys import KEY_NAME, fingerprint, new_own_key
from storage.settings import Settings
from tests.acceptance.machine import Server
from tests.embedded_store import EmbeddedStore
from tests.ports import free_port
from transcribe.models import models_dir

NOW = datetime.now(UTC)


def settings_for(tmp_path: Path, **more: Any) -> Settings:
    """Settings of a machine where nothing runs, on ports of its own."""
    return Settings(**{"data_dir": tmp_path / "data", "https_port": free_port(), "media_port": free_port(), **more})


def found(settings: Settings, name: str) -> Finding:
    """The one finding of that name; every sentence is one line and ends as one does, or with a command to type."""
    findings = list(doctor.examine(settings))
    assert [item for item in findings if not re.search(r"^[^\n]*(\.|: videohome [^.\n]+)$", item.sentence)] == []
    (one,) = [finding for finding in findings if finding.name == name]
    return one


def command(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "storage.cli.app", "doctor", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=100,
    )


# ---- everything at once ----


def test_before_the_first_start_all_is_well(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    findings = list(doctor.examine(settings))
    assert [finding for finding in findings if finding.state == "fail"] == []
    names = [finding.name for finding in findings]
    assert [name for name in names if not name.startswith("port ")] == [
        "programs", "certificate", "disk", "bucket", "recording key", "model", "ffmpeg codecs", "time",
    ]  # fmt: skip
    assert not settings.data_dir.exists()  # looking changes nothing


@pytest.mark.timeout(240)
def test_a_running_installation_is_well(running: Server) -> None:
    looked = command(running.environment, "--json")
    findings = {entry["name"]: entry for entry in json.loads(looked.stdout)}
    assert [entry for entry in findings.values() if entry["state"] == "fail"] == []
    assert looked.returncode == 0
    assert findings["programs"]["sentence"] == "mediaserver, recorder and web answer."
    assert findings[f"port {running.https_port}/TCP (https)"]["sentence"].startswith("Video Home listens here")
    assert findings["bucket"]["sentence"] == "videohome on the embedded store: wrote, read and deleted a probe."
    assert findings["store filer"]["sentence"].endswith("refuses whoever has no key.")
    assert len([name for name in findings if name.startswith("store ")]) == 11
    assert "127.0.0.1" in findings["certificate"]["sentence"]
    assert findings["model"]["state"] == "ok"

    for_people = command(running.environment)
    assert for_people.returncode == 0
    assert for_people.stdout.count("\n") == len(findings)
    assert "FAIL" not in for_people.stdout
    assert running.first_password not in for_people.stdout


def test_the_recording_key_is_named_and_its_loss_told(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    path = settings.secrets_dir / KEY_NAME
    one = found(settings, "recording key")
    assert one.state == "ok" and "made with the first private talk" in one.sentence and not path.exists()
    off = settings_for(tmp_path, recording_keys="off")
    assert not [item for item in doctor.examine(off) if item.name == "recording key"]
    new_own_key(settings.secrets_dir, new_id(), may_make=True)
    one = found(off, "recording key")
    assert (
        one.state == "ok" and fingerprint(path.read_bytes()) in one.sentence and "keep a copy elsewhere" in one.sentence
    )
    path.write_bytes(b"half")
    assert found(settings, "recording key") == Finding(
        "recording key", "fail", f"The key file {path} is damaged; put it back from your backup."
    )


def test_a_media_node_without_the_recording_key_is_told_to_become_one_anew(tmp_path: Path) -> None:
    store = {"s3_endpoint": "127.0.0.1:9", "s3_access_key": "a", "s3_secret_key": "b"}
    settings = settings_for(tmp_path, node_name="north", **store)
    (one,) = list(doctor.recording_key(settings))
    assert one.state == "fail" and "make this machine a node anew" in one.sentence
    assert not settings.data_dir.exists()


def test_a_failure_is_an_exit_status_and_one_line(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, whisper_model="own")
    with closing(socket.socket()) as other:
        other.bind(("", settings.https_port))
        other.listen()
        looked = command(
            {
                "VIDEOHOME_DATA_DIR": str(settings.data_dir),
                "VIDEOHOME_HTTPS_PORT": str(settings.https_port),
                "VIDEOHOME_MEDIA_PORT": str(settings.media_port),
                "VIDEOHOME_WHISPER_MODEL": "own",
            }
        )
    assert looked.returncode == 1
    bad = [line for line in looked.stdout.splitlines() if line.startswith("FAIL")]
    assert len(bad) == 2
    assert bad[0] == (
        f"FAIL  port {settings.https_port}/TCP (https): taken by another program (Address already in use); "
        "end that program or choose another port."
    )
    assert bad[1].startswith("FAIL  model: The speech model own is not installed (folder ")


def test_a_check_that_breaks_is_itself_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(settings: Settings) -> Any:
        raise RuntimeError("out of order")
        yield

    monkeypatch.setattr(doctor, "codecs", broken)
    assert found(settings_for(tmp_path), "codecs").sentence == (
        "could not be examined (RuntimeError: out of order); see the logs."
    )


def test_programs_that_do_not_answer_are_named_with_their_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_PATIENCE_S", 0.0)
    settings = settings_for(tmp_path)
    settings.run_dir.mkdir(parents=True)
    with (settings.run_dir / "serve.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        logs = settings.data_dir / "logs"
        assert found(settings, "programs").sentence == (
            "mediaserver, recorder, web does not answer; the reason is at the end of "
            f"{logs}/mediaserver.log, {logs}/recorder.log, {logs}/web.log."
        )
        assert found(settings, f"port {settings.https_port}/TCP (https)").state == "fail"
        assert found(settings, "bucket").sentence.endswith(f"; look at {logs}/store.log.")


# ---- ports ----


@pytest.mark.parametrize(
    ("kind", "setting", "name"),
    [
        (socket.SOCK_STREAM, "https_port", "TCP (https)"),
        (socket.SOCK_STREAM, "media_port", "TCP (media)"),
        (socket.SOCK_DGRAM, "media_port", "UDP (media)"),
    ],
)
def test_a_port_that_is_taken(tmp_path: Path, kind: socket.SocketKind, setting: str, name: str) -> None:
    settings = settings_for(tmp_path)
    port = getattr(settings, setting)
    assert found(settings, f"port {port}/{name}") == Finding(f"port {port}/{name}", "ok", "free.")
    with closing(socket.socket(socket.AF_INET, kind)) as other:
        other.bind(("", port))
        if kind == socket.SOCK_STREAM:
            other.listen()
        assert found(settings, f"port {port}/{name}").state == "fail"


# ---- certificate ----


def pair(folder: Path, first: datetime, last: datetime, names: list[str]) -> tuple[Path, Path]:
    """A certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number(), first, last)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False)
    folder.mkdir(parents=True, exist_ok=True)
    crt, pem = folder / "own.crt", folder / "own.key"
    crt.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return crt, pem


def own(tmp_path: Path, crt: Path | None, key: Path | None, **more: Any) -> Settings:
    return settings_for(tmp_path, tls_certificate=crt, tls_key=key, **more)


@pytest.mark.parametrize(
    ("first_days", "last_days", "state", "sentence"),
    [
        (-10, 100, "ok", "good for 99 days, for station.example."),
        (-10, 15, "ok", "good for 14 days, for station.example."),
        (-10, 14, "warn", "expires in 13 days; put a new one in place."),
        (-10, -1, "fail", f"expired on {NOW - timedelta(days=1):%Y-%m-%d}; put a new one in place."),
        (2, 100, "fail", f"is good only from {NOW + timedelta(days=2):%Y-%m-%d} on; look at this machine's date."),
    ],
)
def test_the_dates_of_a_certificate(tmp_path: Path, first_days: int, last_days: int, state: str, sentence: str) -> None:
    crt, key = pair(
        tmp_path / "tls", NOW + timedelta(days=first_days), NOW + timedelta(days=last_days), ["station.example"]
    )
    assert found(own(tmp_path, crt, key), "certificate") == Finding("certificate", state, sentence)  # type: ignore[arg-type]


def test_a_certificate_that_does_not_fit(tmp_path: Path) -> None:
    crt, key = pair(tmp_path / "a", NOW, NOW + timedelta(days=90), ["a.example"])
    _, other = pair(tmp_path / "b", NOW, NOW + timedelta(days=90), ["a.example"])
    text = tmp_path / "text.crt"
    text.write_text("not a certificate")
    locked = tmp_path / "locked.key"
    locked.write_bytes(
        serialization.load_pem_private_key(key.read_bytes(), None).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    for settings, sentence in (
        (own(tmp_path, crt, None), "only one of tls_certificate and tls_key is set; set both, or neither."),
        (own(tmp_path, None, key), "only one of tls_certificate and tls_key is set; set both, or neither."),
        (
            own(tmp_path, crt, other),
            f"the key {other} does not belong to the certificate {crt}; set the pair that fits.",
        ),
        (own(tmp_path, text, key), f"{text} or {key} is not in PEM form; convert it to PEM."),
        (own(tmp_path, crt, locked), f"the key {locked} has a passphrase; store it without one."),
        (
            own(tmp_path, tmp_path / "no.crt", key),
            f"{tmp_path}/no.crt cannot be read (No such file or directory); correct the path or give this user access.",
        ),
    ):
        assert found(settings, "certificate") == Finding("certificate", "fail", sentence)


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        (["a.example"], ""),
        (["A.example"], ""),
        (["x.b.example"], ""),
        (["b.example"], "b.example"),
        (["x.y.b.example"], "x.y.b.example"),
        (["a.example", "c", "d.example"], "c, d.example"),
    ],
)
def test_a_certificate_must_name_what_people_open(tmp_path: Path, names: list[str], missing: str) -> None:
    crt, key = pair(tmp_path / "tls", NOW, NOW + timedelta(days=90), ["a.example", "*.b.example"])
    findings = [item for item in doctor.certificate(own(tmp_path, crt, key, names=names)) if "names" in item.name]
    wanted = f"the certificate does not name {missing}; get one that does."
    assert findings == ([Finding("certificate names", "warn", wanted)] if missing else [])


def test_a_certificate_without_alternative_names(tmp_path: Path) -> None:
    crt, key = pair(tmp_path / "tls", NOW, NOW + timedelta(days=90), [])
    (_, names) = doctor.certificate(own(tmp_path, crt, key, names=["a.example"]))
    assert names.state == "warn"


def test_a_damaged_local_certificate_says_how_to_get_another(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    folder = settings.data_dir / "tls"
    folder.mkdir(parents=True)
    for name in ("server.crt", "server.key"):
        (folder / name).write_text("damaged")
    assert found(settings, "certificate").sentence.endswith("remove both files, they are made anew at the next start.")


# ---- disk ----


@pytest.mark.parametrize(
    ("low", "full", "state"), [(0, 0, "ok"), (10**18, 0, "warn"), (10**18, 10**18, "fail"), (0, 10**18, "fail")]
)
def test_room_on_the_disk(tmp_path: Path, low: int, full: int, state: str) -> None:
    finding = found(settings_for(tmp_path, disk_low_bytes=low, disk_full_bytes=full), "disk")
    assert finding.state == state
    assert f"GB free on {tmp_path}" in finding.sentence


# ---- bucket ----


def test_a_store_that_does_not_answer(tmp_path: Path) -> None:
    finding = found(settings_for(tmp_path, s3_endpoint=f"127.0.0.1:{free_port()}", s3_secure=False), "bucket")
    assert finding.state == "fail"
    assert "does not answer" in finding.sentence
    assert "; look at the network and s3_endpoint (127.0.0.1:" in finding.sentence


@pytest.mark.timeout(120)
def test_a_store_that_refuses_the_keys(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "other")
    store.start()
    try:
        right = store.opened()
        keys = {"s3_access_key": "stranger", "s3_secret_key": "wrong-secret"}
        finding = found(settings_for(tmp_path, s3_endpoint=right.endpoint, s3_secure=False, **keys), "bucket")
        assert finding.state == "fail"
        assert finding.sentence.endswith("; correct s3_access_key, s3_secret_key or s3_bucket.")
        assert "wrong-secret" not in finding.sentence
    finally:
        store.stop()


# ---- model ----


def test_a_damaged_model(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    (models_dir(settings) / "base").mkdir(parents=True)
    finding = found(settings, "model")
    assert finding.state == "fail"
    assert finding.sentence.startswith("The speech model base is not complete (missing file: ")
    assert finding.sentence.endswith("; install it again: videohome models install base")


# ---- time ----


@pytest.mark.parametrize(("synchronised", "state"), [(True, "ok"), (None, "ok"), (False, "warn")])
def test_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, synchronised: bool | None, state: str) -> None:
    monkeypatch.setattr(doctor, "_kernel_says_synchronised", lambda: synchronised)
    assert found(settings_for(tmp_path), "time").state == state
