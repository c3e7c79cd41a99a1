"""A running lab for the tests that need one: the issue's cluster, brought up by the command itself."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from pibramble import paths
from pibramble.plan.model import Plan
from pibramble.plan.resolve import resolve
from pibramble.spec import load
from pibramble.targets.lab import ground
from pibramble.targets.lab.connect import LabConnections
from pibramble.targets.lab.lab import Lab

XMAS = """\
[cluster]
name = "xmas"

[head]
board = "pi-1b"

[[workers]]
name = "zero[1-4]"
board = "pi-zero"

[[workers]]
name = "aplus"
board = "pi-1a-plus"
link = "serial"
head_port = "/dev/ttyAMA0"
baud = 921600
"""


@attrs.frozen
class LabCluster:
    """A cluster file, a state folder of its own, and the command to use on both."""

    file: Path
    state: Path

    def pibramble(
        self, *args: str, timeout_s: float = 60, stdin: str | None = None, **options: object
    ) -> subprocess.CompletedProcess[str]:
        """Run the command to its end, as a person would."""
        return subprocess.run(  # type: ignore[call-overload, no-any-return]
            self.argv(*args),
            **{"env": self.environment, "text": True, "capture_output": True, **options},
            **({"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}),
            timeout=timeout_s,
            check=False,
        )

    def start(self, *args: str) -> subprocess.Popen[str]:
        """Start the command and return it running, in a process group of its own."""
        return subprocess.Popen(
            self.argv(*args),
            env=self.environment,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def argv(self, *args: str) -> list[str]:
        return [sys.executable, "-m", "pibramble", "-f", str(self.file), *args]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PIBRAMBLE_STATE": str(self.state), "NO_COLOR": "1"}

    @property
    def plan(self) -> Plan:
        return resolve(load.load(self.file).cluster)

    @property
    def nodes(self) -> list[str]:
        return [node.name for node in self.plan.nodes]

    @property
    def folder(self) -> Path:
        return self.state / paths.cluster_folder(self.plan.name, self.plan.id).name

    @property
    def lab(self) -> Lab:
        return Lab(self.folder)

    @property
    def connections(self) -> LabConnections:
        return self.lab.connections(self.plan)

    def up(self) -> None:
        done = self.pibramble("up")
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session", autouse=True)
def _lab_is_possible() -> None:
    if not ground.permitted(rootless=os.getuid() != 0):
        pytest.skip("this machine lets nobody but root make a lab: run the tests as root")


@pytest.fixture(scope="session")
def lab_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabCluster]:
    """A lab that is up, for tests that leave it as they found it."""
    folder = tmp_path_factory.mktemp("lab")
    cluster = make_cluster(folder, XMAS)
    cluster.up()
    yield cluster
    cluster.pibramble("down")


@pytest.fixture
def new_cluster(tmp_path: Path) -> Iterator[LabCluster]:
    """A cluster of the test's own, not yet up, for tests that break things; taken down afterwards."""
    cluster = make_cluster(tmp_path, XMAS)
    yield cluster
    cluster.pibramble("down")


def make_cluster(folder: Path, text: str) -> LabCluster:
    file = folder / "cluster.toml"
    file.write_text(text)
    return LabCluster(file, folder / "state")
