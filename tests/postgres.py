# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL of its own for tests: a cluster in a temporary folder, reached only by a Unix socket in there."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

from storage.database.upgrade import upgrade_database
from storage.ids import new_id
from storage.settings import Settings
from tests.embedded_store import wait


def programs() -> Path:
    """Where Debian keeps the newest version's programs. Raises AssertionError when there are none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    assert found, "PostgreSQL is not installed; .ci/install.sh test installs it"
    return found[-1].parent


class Cluster:
    """Runs as the user postgres when root runs the tests, because PostgreSQL refuses root."""

    def __init__(self) -> None:
        self._migrated = ""
        self._folder = Path(tempfile.mkdtemp(prefix="videohome-pg-"))  # its socket's path has to be short
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self._folder, user.pw_uid, user.pw_gid)
            self._as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        data, quick = self._folder / "data", ["--auth=trust", "--no-sync", "--username=postgres", "--locale=C.UTF-8"]
        subprocess.run([programs() / "initdb", "-D", data, *quick], check=True, capture_output=True, **self._at_home())
        nobody_needs_it_tomorrow = ["-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off"]
        with (self._folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [programs() / "postgres", "-D", data, "-k", self._folder, "-h", "", *nobody_needs_it_tomorrow],
                stdout=log, stderr=log, **self._at_home(),
            )  # fmt: skip
        wait(lambda: (self._folder / ".s.PGSQL.5432").exists(), what="PostgreSQL")
        self._admin = create_engine(self._address("postgres"), isolation_level="AUTOCOMMIT")
        wait(self._answers, what="PostgreSQL")

    def _at_home(self) -> dict[str, Any]:
        return {"cwd": self._folder, **self._as}

    def _address(self, name: str) -> str:
        return f"postgresql://postgres@/{name}?host={self._folder}"

    def _answers(self) -> bool:
        assert self._server.poll() is None, (self._folder / "log").read_text()
        try:
            with self._admin.connect() as link:
                return link.scalar(text("SELECT 1")) == 1
        except Exception:
            return False

    def database(self, like: str = "template0") -> str:
        """Address (`database_url`) of a new database: empty, or as the one of this name."""
        name = f"t{new_id()}"
        with self._admin.connect() as link:
            link.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{like}" STRATEGY file_copy'))
        return self._address(name)

    def migrated(self) -> str:
        """Name of a database with all tables and no rows, made the first time; for `database(like=…)`."""
        if self._migrated == "":
            address = self.database()
            upgrade_database(Settings(data_dir=self._folder, database_url=address))
            self._migrated = address.partition("@/")[2].partition("?")[0]
        return self._migrated

    def stop(self) -> None:
        """Ends it at once and removes everything."""
        self._admin.dispose()
        self._server.send_signal(signal.SIGQUIT)
        self._server.wait()
        shutil.rmtree(self._folder)
