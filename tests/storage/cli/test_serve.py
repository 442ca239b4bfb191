# SPDX-License-Identifier: Apache-2.0
"""`videohome serve` as a person meets it: starts, says where it is, restarts what dies, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.acceptance.machine import Server
from tests.embedded_store import wait

MODULES = {
    "store": "-m storage.embedded",
    "mediaserver": "-m mediaserver",
    "recorder": "-m mediaserver.recorder",
    "worker": "-m transcribe",
    "web": "-m web",
}
PROGRAMS = tuple(MODULES)
pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    yield made
    if made._process is not None:
        os.killpg(made._process.pid, signal.SIGKILL)
        made._process.wait()
        assert made._process.stdout is not None
        made._process.stdout.close()
    wait(lambda: not made.everything(), 20, "the end of all programs")


def serve_once(server: Server, **settings: str) -> subprocess.CompletedProcess[str]:
    """A start that is meant to be refused."""
    return subprocess.run(
        [sys.executable, "-m", "storage.cli.app", "serve"],
        env=server.environment | {f"VIDEOHOME_{name.upper()}": value for name, value in settings.items()},
        capture_output=True,
        text=True,
        timeout=90,
    )


def children(server: Server) -> dict[str, int]:
    """Process number of each program by its name."""
    assert server._process is not None
    found = {}
    for child in psutil.Process(server._process.pid).children():
        try:
            line = " ".join(child.cmdline())
        except psutil.Error:  # ended in between
            continue
        name = "store" if "/weed mini" in line or "storage.embedded" in line else ""
        name = name or next((name for name in PROGRAMS if line.endswith(MODULES[name])), "")
        if name and child.status() != psutil.STATUS_ZOMBIE:
            found[name] = child.pid
    return found


def processor_s(server: Server) -> float:
    """Processor time that serve and all its programs have used so far."""
    assert server._process is not None
    own = psutil.Process(server._process.pid)
    return sum(sum(process.cpu_times()[:4]) for process in (own, *own.children(recursive=True)))


def get(server: Server, path: str) -> int:
    """Status of one request."""
    context = ssl._create_unverified_context()
    try:
        with urllib.request.urlopen(server.url() + path, context=context, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_the_banner_says_what_a_person_needs(running: Server) -> None:
    assert f"https://127.0.0.1:{running.https_port}/" in running.output
    assert f"Media: port {running.media_port}, UDP and TCP." in running.output
    assert f"Data: {running.data_dir}" in running.output
    assert len(running.first_password) >= 12
    assert get(running, "/readyz") == 200
    assert get(running, "/healthz") == 200
    wait(lambda: sorted(children(running)) == sorted(PROGRAMS), 30, "all programs")


def test_the_one_time_password_is_nowhere_on_the_disk(running: Server) -> None:
    secret = running.first_password.encode()
    for path in running.data_dir.rglob("*"):
        if path.is_file() and path.stat().st_size < 50_000_000:
            assert secret not in path.read_bytes(), path


def test_secrets_are_for_this_user_alone(running: Server) -> None:
    for folder in ("secrets", "store"):
        assert (running.data_dir / folder).stat().st_mode & 0o077 == 0
    for key in (running.data_dir / "tls").rglob("*.key"):
        assert key.stat().st_mode & 0o077 == 0


def test_a_second_start_with_the_same_folder_is_refused(running: Server) -> None:
    assert running._process is not None
    second = serve_once(running)
    assert second.returncode == 1
    assert second.stdout == (
        f"Video Home already runs with the data folder {running.data_dir} (process {running._process.pid}); "
        "stop it first, or set VIDEOHOME_DATA_DIR to another folder.\n"
    )
    assert get(running, "/readyz") == 200


@pytest.mark.parametrize(
    ("setting", "kind"),
    [("https_port", socket.SOCK_STREAM), ("media_port", socket.SOCK_DGRAM), ("media_port", socket.SOCK_STREAM)],
)
def test_a_port_that_is_taken_is_named(server: Server, setting: str, kind: socket.SocketKind) -> None:
    with closing(socket.socket(socket.AF_INET, kind)) as other:
        other.bind(("", getattr(server, setting)))
        if kind == socket.SOCK_STREAM:
            other.listen()
        refused = serve_once(server)
    assert refused.returncode == 1
    assert refused.stdout == (
        f"Port {getattr(server, setting)} cannot be opened on 0.0.0.0 (Address already in use); end the program that "
        f"uses it or choose another port by VIDEOHOME_{setting.upper()}.\n"
    )
    assert server.everything() == []


def test_a_data_folder_that_cannot_be_written(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused = serve_once(server, data_dir=str(tmp_path / "file" / "data"))
    assert refused.returncode == 1
    assert refused.stdout.startswith(f"The data folder {tmp_path}/file/data cannot be written (Not a directory); ")
    assert refused.stdout.count("\n") == 1


def test_a_wrong_setting_is_one_sentence(server: Server) -> None:
    refused = serve_once(server, https_port="eighty")
    assert (refused.returncode, refused.stdout) == (78, "")
    assert refused.stderr.startswith("Setting https_port: ")
    assert refused.stderr.count("\n") == 1


def test_a_program_that_refuses_its_settings_stops_the_start_with_its_own_sentence(
    server: Server, tmp_path: Path
) -> None:
    refused = serve_once(server, tls_certificate=str(tmp_path / "no.crt"), tls_key=str(tmp_path / "no.key"))
    assert refused.returncode == 1
    assert refused.stdout.startswith("The program web cannot run: ")
    assert f"{tmp_path}/no.crt" in refused.stdout.splitlines()[0]
    assert refused.stdout.endswith("Video Home has stopped; nothing is left running.\n")
    assert server.everything() == []


def test_a_database_of_a_newer_version_is_refused_in_one_sentence(server: Server) -> None:
    (server.data_dir / "db").mkdir(parents=True)
    with closing(sqlite3.connect(server.data_dir / "db" / "videohome.sqlite")) as link, link:
        link.execute("create table alembic_version (version_num varchar(32) not null)")
        link.execute("insert into alembic_version values ('9999')")
    refused = serve_once(server)
    assert refused.returncode == 1
    said = refused.stdout.splitlines()
    assert "newer" in said[0]
    assert said[1:] == ["Stopping ...", "Video Home has stopped; nothing is left running."]
    assert server.everything() == []


def test_ctrl_c_leaves_nothing_running_and_the_second_start_needs_no_password(server: Server) -> None:
    server.start()
    assert server.stop() == 0
    assert server.output.endswith("Stopping ...\nVideo Home has stopped; nothing is left running.\n")
    assert server.everything() == []
    began = time.monotonic()
    server.start()
    took_s = time.monotonic() - began
    print(f"\nsecond start: {took_s:.1f} s until the addresses were printed, {processor_s(server):.1f} s of processor")
    assert "one-time password" not in server.output
    assert server.stop() == 0


def test_ctrl_c_before_it_is_ready(server: Server) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "storage.cli.app", "serve"],
        env=server.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    wait(lambda: (server.data_dir / "logs" / "web.log").exists(), what="the first programs")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert output.endswith("Stopping ...\nVideo Home has stopped; nothing is left running.\n")
    assert "one-time password" not in output  # it is made when it can be shown
    assert server.everything() == []


def test_every_program_that_is_killed_comes_back(server: Server) -> None:
    server.start()
    wait(lambda: sorted(children(server)) == sorted(PROGRAMS), 30, "all programs")
    before = children(server)
    for name in PROGRAMS:
        os.kill(before[name], signal.SIGKILL)
    wait(lambda: sorted(children(server)) == sorted(PROGRAMS), 30, "all programs")
    wait(lambda: get_or_none(server, "/readyz") == 200, 30, "readiness")
    after = children(server)
    assert all(after[name] != before[name] for name in PROGRAMS)
    assert server.stop() == 0
    for name in PROGRAMS:
        assert f"The program {name} ended with status -9 and is started again.\n" in server.output


def get_or_none(server: Server, path: str) -> int | None:
    try:
        return get(server, path)
    except OSError:
        return None


def test_a_killed_serve_takes_everything_with_it_and_can_start_again_at_once(server: Server) -> None:
    server.start()
    assert server._process is not None
    server._process.kill()
    server._process.wait()
    assert server._process.stdout is not None
    server._process.stdout.close()
    server._process = None
    server.start()
    assert get(server, "/readyz") == 200
    wait(lambda: sorted(children(server)) == sorted(PROGRAMS), 30, "all programs")
    assert server.stop() == 0
    wait(lambda: not server.everything(), 20, "the end of all programs")
