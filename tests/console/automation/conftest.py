"""A bench of the tests: a cluster file with a switch on its console, and the command run as a person runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.console.automation.ios import At, Console, console

TEMPLATE = """\
[cluster]
name = "bench"

[head]
board = "pi-1b"

[[workers]]
name = "zero1"
board = "pi-zero"
link = "usb"

[[consoles]]
name = "sw1"
port = "{port}"
profile = "cisco-ios"
"""


class Place:
    """A folder with a cluster file, and state of its own."""

    def __init__(self, folder: Path, switch: Console) -> None:
        self.folder, self.switch = folder, switch
        (folder / "cluster.toml").write_text(TEMPLATE.format(port=switch.path))
        home = folder / "home"
        home.mkdir()
        self.environment = {**os.environ, "PIBRAMBLE_STATE": str(folder / "state"), "HOME": str(home), "NO_COLOR": "1"}
        self.environment.pop("SUDO_UID", None)

    def run(
        self, *words: str | Path, timeout: float = 60, under: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run `pibramble console ...` to its end."""
        return subprocess.run(
            [*under, sys.executable, "-m", "pibramble", "console", *map(str, words)],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start `pibramble console ...`."""
        return subprocess.Popen(
            [sys.executable, "-m", "pibramble", "console", *words],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @contextmanager
    def broker(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """Let `pibramble serve` run."""
        argv = [sys.executable, "-m", "pibramble", "serve", "--no-web", *words]
        serving = subprocess.Popen(argv, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, text=True)
        assert serving.stdout is not None
        for line in serving.stdout:
            if line.startswith("serving"):
                break
        try:
            yield serving
        finally:
            serving.terminate()
            serving.communicate(timeout=10)

    def credentials(self, **said: str) -> Path:
        """Write a credentials file."""
        file = self.folder / "credentials.toml"
        file.write_text("".join(f'{key} = "{value}"\n' for key, value in said.items()))
        file.chmod(0o600)
        return file


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with console() as switch:
        yield Place(tmp_path, switch)


@pytest.fixture
def logged_in(place: Place) -> Place:
    """A switch at whose console somebody has logged in and become privileged."""
    place.switch.ios.at, place.switch.ios.privileged = At.EXEC, True
    return place
