# SPDX-License-Identifier: Apache-2.0
"""A running Video Home and the machines around it: `videohome serve` in a folder of its own, a second host joined by
a virtual cable, and real Chromium browsers with fake cameras and microphones."""

from __future__ import annotations

import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.ports import free_port

CHROMIUM = os.environ.get("VIDEOHOME_CHROMIUM", "/usr/bin/chromium")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]
PROGRAMS = {
    "mediaserver": ["-m", "mediaserver"],
    "recorder": ["-m", "mediaserver.recorder"],
    "worker": ["-m", "transcribe"],
    "web": ["-m", "web"],
    # The store's process becomes `weed mini` as soon as it has its keys.
    "store": ["mini"],
}


class Server:
    """`videohome serve` as a child, in a data folder of its own."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.data_dir = folder / "data"
        self.https_port = free_port()
        self.media_port = free_port()
        self.environment = {
            **os.environ,
            "VIDEOHOME_DATA_DIR": str(self.data_dir),
            "VIDEOHOME_HTTPS_PORT": str(self.https_port),
            "VIDEOHOME_MEDIA_PORT": str(self.media_port),
            "VIDEOHOME_CONFIG": str(folder / "videohome.toml"),
            **{f"VIDEOHOME_{name.upper()}": value for name, value in settings.items()},
        }
        self.output = ""
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start and wait until the addresses are printed. Raises AssertionError with the output when it ends."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "storage.cli.app", "serve"],
            env=self.environment,
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
        raise AssertionError(f"videohome serve ended:\n{self.output}\n{self.logs()}")

    @property
    def first_password(self) -> str:
        """The first administrator's one-time password as printed."""
        found = re.search(r"one-time password (\S+)", self.output)
        assert found, self.output
        return found[1]

    def url(self, host: str = "127.0.0.1") -> str:
        """The HTTPS address of the pages."""
        return f"https://{host}:{self.https_port}"

    def stop(self) -> int:
        """Ctrl-C; the exit status."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            status = self._process.wait(45)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            raise
        assert self._process.stdout is not None
        self.output += self._process.stdout.read()
        self._process.stdout.close()
        self._process = None
        return status

    def pids(self, name: str) -> list[int]:
        """Process numbers of one program of this server (and no other server's)."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                arguments = (entry / "cmdline").read_bytes().split(b"\0")
                environment = (entry / "environ").read_bytes()
            except OSError:
                continue
            told = [argument.decode("utf-8", "replace") for argument in arguments[1 : 1 + len(PROGRAMS[name])]]
            ours = f"VIDEOHOME_DATA_DIR={self.data_dir}".encode() in environment.split(b"\0")
            if ours and told == PROGRAMS[name]:
                found.append(int(entry.name))
        return found

    def everything(self) -> list[str]:
        """Command lines of all processes that belong to this data folder."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    environment = (entry / "environ").read_bytes()
                    line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                except OSError:
                    continue
                if f"VIDEOHOME_DATA_DIR={self.data_dir}".encode() in environment.split(b"\0"):
                    found.append(line)
        return found

    def kill(self, name: str) -> None:
        """kill -9 of one program. Raises AssertionError when it does not run."""
        pids = self.pids(name)
        assert pids, f"{name} is not running"
        for pid in pids:
            os.kill(pid, signal.SIGKILL)

    def logs(self, lines: int = 40) -> str:
        """The ends of all logs, for a failed test."""
        parts = []
        for path in sorted((self.data_dir / "logs").glob("*.log")):
            parts.append(f"== {path.name}")
            parts += path.read_text("utf-8", "replace").splitlines()[-lines:]
        return "\n".join(parts)

    def metrics(self) -> str:
        """The web program's counters, as this machine may read them."""
        context = ssl._create_unverified_context()
        with urllib.request.urlopen(f"{self.url()}/metrics", context=context, timeout=10) as answer:
            return str(answer.read(), "utf-8")

    def root_certificate(self, folder: Path) -> Path:
        """The authority's root as the page /ca offers it."""
        path = folder / "root.crt"
        context = ssl._create_unverified_context()
        with urllib.request.urlopen(f"{self.url()}/ca/root.crt", context=context, timeout=10) as answer:
            path.write_bytes(answer.read())
        return path


@dataclass(frozen=True)
class Host:
    """A second host: a network namespace joined to this machine by a virtual cable."""

    namespace: str
    server_address: str
    """This machine's address as that host sees it."""


@contextmanager
def second_host() -> Iterator[Host]:
    """Make the namespace and the cable; both are removed at the end. Needs root (or CAP_NET_ADMIN)."""
    number = os.getpid() % 200 + 20
    name, near, far = f"vh{os.getpid()}", f"vhn{os.getpid() % 100000}", f"vhf{os.getpid() % 100000}"
    here, there = f"10.213.{number}.1", f"10.213.{number}.2"

    def ip(*arguments: str) -> None:
        done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"

    try:
        ip("netns", "add", name)
        ip("link", "add", near, "type", "veth", "peer", "name", far)
        ip("link", "set", far, "netns", name)
        ip("addr", "add", f"{here}/30", "dev", near)
        ip("link", "set", near, "up")
        ip("-n", name, "addr", "add", f"{there}/30", "dev", far)
        ip("-n", name, "link", "set", far, "up")
        ip("-n", name, "link", "set", "lo", "up")
        yield Host(name, here)
    finally:
        subprocess.run(["ip", "link", "del", near], capture_output=True, check=False)
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def browser_home(folder: Path, root: Path) -> Path:
    """A home folder whose Chromium trusts `root`, as an officer's PC does after following the page /ca."""
    store = folder / ".pki" / "nssdb"
    store.mkdir(parents=True)
    for arguments in (
        ["certutil", "-d", f"sql:{store}", "-N", "--empty-password"],
        ["certutil", "-d", f"sql:{store}", "-A", "-t", "C,,", "-n", "Video Home", "-i", str(root)],
    ):
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
    return folder


def browser_program(folder: Path, home: Path, namespace: str | None) -> Path:
    """A small script that starts Chromium with this home and, where asked, on the second host."""
    script = folder / "chromium"
    enter = f"ip netns exec {namespace} " if namespace else ""
    script.write_text(f'#!/bin/sh\nexport HOME="{home}"\nexec {enter}{CHROMIUM} "$@"\n')
    script.chmod(0o755)
    return script


def media_flags(camera: Path, microphone: Path) -> list[str]:
    """Chromium flags that play a file as the camera and one, without repeating, as the microphone."""
    return [f"--use-file-for-fake-video-capture={camera}", f"--use-file-for-fake-audio-capture={microphone}%noloop"]


def require(*programs: str) -> None:
    """Raises AssertionError naming the system package when a program that the tests need is missing."""
    for program in programs:
        assert shutil.which(program), f"{program} is missing; .ci/install.sh test installs it"


def wait_until(check: object, within_s: float, what: str, every_s: float = 0.25) -> object:
    """Call `check` until it returns something true; AssertionError naming `what` after within_s."""
    assert callable(check)
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        value = check()
        if value:
            return value
        time.sleep(every_s)
    raise AssertionError(f"not within {within_s:.0f} s: {what}")
