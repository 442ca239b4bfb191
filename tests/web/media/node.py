# SPDX-License-Identifier: Apache-2.0
"""A media node as a second machine would be: `videohome serve` with a data folder, an address and ports of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from storage.cli import node_join
from storage.node_bundle import unpack
from storage.nodes import NodePlace, calling_context
from storage.settings import Settings
from tests.embedded_store import EmbeddedStore
from tests.ports import free_port
from web import node_command
from web.media.line import Line, tls_line, unix_line
from web.tls.node_identity import ensure_calling

HOST = "127.0.0.2"
NAME = "east"


class Node:
    """The node `east`, and the installation `main` that it belongs to."""

    def __init__(self, folder: Path, store: EmbeddedStore) -> None:
        access = store.opened_access()
        self.place = NodePlace(NAME, HOST, two_free_ports())
        self.media_port = free_port()
        self.store = {"s3_endpoint": access[0], "s3_access_key": access[1], "s3_secret_key": access[2]}
        address = f"{HOST}:{self.place.port}"
        plain = {"s3_secure": False, "disk_low_bytes": 0, "disk_full_bytes": 0, **self.store}
        self.main = Settings(data_dir=folder / "main" / "data", nodes={NAME: address}, **plain)
        own = {"node_name": NAME, "node_listen": address, "bind": HOST, "media_port": self.media_port}
        self.settings = Settings(data_dir=folder / "node" / "data", drain_seconds=20, **own, **plain)
        self._process: subprocess.Popen[str] | None = None
        self.output = ""

    def enrol(self, told: str, file: Path) -> None:
        """Bring the file, and what was told with it."""
        secret = told.rsplit(maxsplit=1)[-1]
        unpack(file.read_bytes(), secret)
        assert node_join.run(self.settings, file, secret) == 0
        assert not file.exists()
        ensure_calling(self.main.data_dir / "tls", datetime.now(UTC))

    def start(self) -> None:
        """Returns when it said that it runs."""
        names = ("data_dir", "node_name", "node_listen", "bind", "media_port", "drain_seconds", "s3_secure")
        environment = {f"VIDEOHOME_{name.upper()}": str(getattr(self.settings, name)) for name in names}
        environment |= {f"VIDEOHOME_{name.upper()}": value for name, value in self.store.items()}
        environment |= {"VIDEOHOME_DISK_FULL_BYTES": "0", "VIDEOHOME_DISK_LOW_BYTES": "0"}
        environment |= {"VIDEOHOME_CONFIG": str(self.settings.data_dir / "none.toml")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "storage.cli.app", "serve"],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self.output = ""
        for line in self._process.stdout:
            self.output += line
            if "Ctrl-C stops everything" in line:
                return
        raise AssertionError(f"the node ended:\n{self.output}")

    @property
    def runs(self) -> bool:
        """True between start and end."""
        return self._process is not None

    def ask_to_stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send the signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def ended(self, within_s: float = 30.0) -> int:
        """The exit status, once it has ended."""
        assert self._process is not None and self._process.stdout is not None
        status = self._process.wait(within_s)
        self.output += self._process.stdout.read()
        self._process.stdout.close()
        self._process = None
        return status

    def die(self) -> None:
        """As in a power cut: all of its programs at once."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()  # its programs die with it
            self.ended()

    def lines(self, kind: str) -> tuple[Line, Line]:
        """To mediaserver and recorder, by `unix` or `tls`."""
        if kind == "unix":
            folder = self.settings.worker_dir(0)
            return unix_line(folder / "media.sock"), unix_line(folder / "recorder.sock")
        return self.line_to(self.place.media_port(0)), self.line_to(self.place.recorder_port(0))

    def line_to(self, port: int, tls_name: str = "", folder: Path | None = None) -> Line:
        """By TLS to a port of the node, as who has the certificates in `folder`."""
        context = calling_context(folder or self.main.data_dir / "tls")
        return tls_line(HOST, port, tls_name or self.place.tls_name, context)


def two_free_ports() -> int:
    """The first of two TCP neighbours that are free."""
    for first in range(22_000, 22_400, 2):
        with closing(socket.socket()) as a, closing(socket.socket()) as b:
            try:
                a.bind((HOST, first))
                b.bind((HOST, first + 1))
            except OSError:
                continue
            return first
    raise AssertionError("no two free ports")


def add_node(main: Settings, file: Path) -> int:
    """`videohome node add`."""
    return node_command.add(main, NAME, file)
