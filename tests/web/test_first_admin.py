# SPDX-License-Identifier: Apache-2.0
"""The first administrator, and the programs `python -m web.first_admin` and `python -m web` as they are started."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from storage.database.engine import sync_engine
from storage.database.upgrade import upgrade_database
from storage.settings import Settings
from web.accounts.passwords import hash_now
from web.first_admin import ensure_administrator

ROOT = Path(__file__).parents[2]


def run(settings: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        env={**os.environ, **settings},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def change(settings: Settings, statement: str) -> None:
    """Whatever the database is, behind the program's back."""
    engine = sync_engine(settings)
    with engine.begin() as link:
        link.execute(text(statement))
    engine.dispose()


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return {
        "VIDEOHOME_DATA_DIR": str(tmp_path / "data"),
        "VIDEOHOME_CONFIG": str(tmp_path / "none.toml"),
        "VIDEOHOME_HTTPS_PORT": str(port),
        "VIDEOHOME_BIND": "127.0.0.1",
    }


def test_the_password_is_told_once(environment: dict[str, str]) -> None:
    first, second = run(environment, "web.first_admin"), run(environment, "web.first_admin")
    assert (first.returncode, second.returncode) == (0, 0)
    password = json.loads(first.stdout.splitlines()[-1])["password"]
    assert len(password) == 19
    assert json.loads(second.stdout.splitlines()[-1]) == {"password": None}
    reset = run(environment, "web.first_admin", "--reset")
    assert json.loads(reset.stdout.splitlines()[-1])["password"] != password


def test_a_newer_database_is_one_sentence(environment: dict[str, str]) -> None:
    run(environment, "web.first_admin")
    change(
        Settings(data_dir=Path(environment["VIDEOHOME_DATA_DIR"])), "UPDATE alembic_version SET version_num = '9999'"
    )
    for program in ("web.first_admin", "web"):
        refused = run(environment, program)
        assert refused.returncode != 0
        [sentence] = refused.stderr.strip().splitlines()
        assert "newer version of Video Home" in sentence


def test_wrong_certificate_settings_are_one_sentence_and_no_restart(environment: dict[str, str]) -> None:
    refused = run({**environment, "VIDEOHOME_TLS_CERTIFICATE": "/nowhere/own.crt"}, "web")
    assert (refused.returncode, len(refused.stderr.strip().splitlines())) == (78, 1)


@pytest.mark.parametrize("state", ["demoted", "disabled", "none"])
def test_an_installation_without_administrator_gets_one_again(tmp_path: Path, state: str) -> None:
    settings = Settings(data_dir=tmp_path)
    upgrade_database(settings)
    first = ensure_administrator(settings, 1)
    assert first is not None
    assert ensure_administrator(settings, 2) is None
    made = {"demoted": "role = 'clerk'", "disabled": "active = false", "none": "county = 'elsewhere'"}[state]
    change(settings, f"UPDATE account SET {made}")
    second = ensure_administrator(settings, 3)
    assert second not in (None, first)
    wanted = "SELECT username, role, active, must_change_password, password_hash FROM account WHERE county = 'default'"
    engine = sync_engine(settings)
    with engine.connect() as link:
        rows = link.execute(text(wanted)).fetchall()
    engine.dispose()
    [(username, role, active, must_change, hashed)] = rows
    assert (username, role, active, must_change) == ("admin", "administrator", 1, 1)
    assert hashed.startswith("$argon2id$") and hashed != hash_now(second)


def test_the_program_serves_signs_in_and_stops_cleanly(environment: dict[str, str]) -> None:
    """The one-time password of the start opens nothing but its change, then everything; SIGTERM ends with status 0."""
    made = run(environment, "web.first_admin")
    password = json.loads(made.stdout.splitlines()[-1])["password"]
    program = subprocess.Popen(
        [sys.executable, "-m", "web"], env={**os.environ, **environment}, cwd=ROOT, stderr=subprocess.PIPE
    )
    try:
        root = Path(environment["VIDEOHOME_DATA_DIR"]) / "tls" / "ca.crt"
        client = Client(f"https://localhost:{environment['VIDEOHOME_HTTPS_PORT']}", root)
        client.wait()
        status, me = client.ask("POST", "/api/sign-in", {"username": "admin", "password": password})
        assert (status, me["must_change_password"]) == (200, True)
        assert client.ask("GET", "/api/people")[1]["error"]["code"] == "password_change_required"
        change = {"current": password, "new": "a password of my own"}
        assert client.ask("POST", "/api/me/password", change)[0] == 200
        assert [person["username"] for person in client.ask("GET", "/api/people")[1]["people"]] == ["admin"]
        program.send_signal(signal.SIGTERM)
        assert program.wait(15) == 0
    finally:
        program.kill()
        program.wait()
        assert program.stderr is not None
        assert b"Traceback" not in program.stderr.read()
        program.stderr.close()


class Client:
    """A plain HTTPS client with cookies that trusts one root."""

    def __init__(self, url: str, root: Path) -> None:
        self._url, self._root = url, root
        self._cookie = ""

    def wait(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                self.ask("GET", "/healthz")
                return
            except OSError:
                time.sleep(0.05)
        raise TimeoutError("the program did not answer")

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        headers = {"Origin": self._url, "Content-Type": "application/json", "Cookie": self._cookie}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, headers, method=method)
        context = ssl.create_default_context(cafile=str(self._root))
        try:
            answer = urllib.request.urlopen(request, timeout=10, context=context)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            if cookie := answer.headers.get("Set-Cookie"):
                self._cookie = cookie.partition(";")[0]
            text = answer.read()
            is_json = answer.headers.get_content_type() == "application/json"
            return answer.status, json.loads(text) if is_json else text
