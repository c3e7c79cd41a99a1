"""Each node of a lab offers its console on a pseudo-terminal, with a Debian log-in behind it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.console.lines import Person, Serve, until
from tests.lab.conftest import LabCluster, make_cluster
from tests.lab.nodes import kill_node

SMALL = '[cluster]\nname = "small"\n\n[[workers]]\nname = "zero1"\n'

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="log-ins take root in the nodes")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[LabCluster]:
    """A lab of two nodes."""
    cluster = make_cluster(tmp_path, SMALL)
    yield cluster
    cluster.pibramble("down")


@pytest.fixture
def serve(small: LabCluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """A broker that serves its consoles, started as a service is: nobody's shell. The lab is not up yet."""
    monkeypatch.delenv("SHELL", raising=False)
    serve = Serve(small.file.parent)
    serve.folder = small.folder / "console"
    yield serve
    if serve.process.poll() is None:
        serve.end()


def test_one_logs_in_at_a_node_and_the_login_comes_back(small: LabCluster, serve: Serve) -> None:
    small.up()  # after the broker: it takes the consoles up when they are there
    ada = Person(serve, "zero1")
    try:
        ada.sees("pi@zero1")
        ada.types("hostname; id -un; echo $TERM; tty\r")
        ada.sees("/dev/pts/")
        assert all(word in ada.look().splitlines() for word in ("zero1", "pi", "vt220"))
        ada.types("exit\r")
        ada.sees("logout")
        until(lambda: ada.look().count("automatic login") > 0 and ada.raw.count(b"automatic login") > 1)
        kill_node(small, "zero1")
        ada.sees("it is gone")
        small.up()  # which makes it again
        ada.sees("the device is back")
    finally:
        ada.gone()


def test_nothing_of_the_consoles_is_left_when_the_lab_is_down(small: LabCluster, serve: Serve) -> None:
    small.up()
    consoles = small.folder / "consoles"
    until(lambda: (consoles / "zero1").exists() and (consoles / "head").exists())
    device = (consoles / "zero1").resolve()
    assert small.pibramble("down").returncode == 0
    until(lambda: not (consoles / "zero1").is_symlink() and not device.exists())
    until(lambda: str(small.folder) not in _processes(), "the keeper of the consoles does not end")
    assert serve.process.poll() is None


def _processes() -> str:
    return subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
