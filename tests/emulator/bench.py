"""An emulated cluster, driven by the command as a person would."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
import pytest

from pibramble.targets.emulator.state import EmulatorState
from pibramble.targets.processes import Process
from tests.bases.builder import skip_if_mirror_is_half_way

CLUSTER = """\
[cluster]
name = "emu"
id = "test"

[head]
board = "pi-1b"

[[workers]]
name = "zero[1-2]"
board = "pi-zero"
link = "usb"

[[workers]]
name = "aplus"
board = "pi-1a-plus"
link = "serial"
head_port = "/dev/ttyAMA0"
baud = 921600
"""
OTHER = """\
[cluster]
name = "other"
id = "other"

[head]
board = "pi-1b"

[emulator]
paced = true

[[workers]]
name = "zero1"
board = "pi-zero"
link = "serial"
head_port = "/dev/ttyAMA0"
baud = 115200
"""
ARM64 = """\
[cluster]
name = "emu64"
id = "test64"

[head]
board = "pi-3b"

[[workers]]
name = "two"
board = "pi-zero-2w"
link = "usb"

[[workers]]
name = "line"
board = "pi-zero-2w"
link = "serial"
head_port = "/dev/ttyAMA0"
baud = 921600
"""
ARMHF = """\
[cluster]
name = "emu32"
id = "test32"

[head]
board = "pi-1b"

[[workers]]
name = "two"
board = "pi-2b"
link = "serial"
head_port = "/dev/ttyAMA0"
baud = 921600
"""
SERVICES = """\
[cluster]
name = "services"
id = "services"

[head]
board = "pi-1b"

[gps]
port = "/dev/ttyAMA0"

[[consoles]]
name = "sw1"
port = "/dev/ttyUSB0"
profile = "cisco-ios"

[containers]
engine = "docker-swarm"

[[workers]]
name = "zero1"
board = "pi-zero"
link = "usb"
usb_console = true
"""
EXAMPLES = Path(__file__).parents[2] / "examples"


@attrs.frozen
class Bench:
    """A folder with a cluster file, and the command's state beside it."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        places = {"PIBRAMBLE_STATE": self.folder / "state", "PIBRAMBLE_CACHE": cache()}
        return {**os.environ, **{name: str(place) for name, place in places.items()}}

    @property
    def state(self) -> Path:
        """Return the cluster's state folder."""
        [found] = (self.folder / "state").iterdir()
        return found

    def run(self, *words: str, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pibramble", *words],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def ok(self, *words: str, timeout_s: float = 300) -> str:
        """Run what must go well; return what it printed."""
        done = self.run(*words, timeout_s=timeout_s)
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def on(self, node: str, command: str, timeout_s: float = 120) -> str:
        """Return what a shell command, which must succeed, prints on a node."""
        done = self.run("exec", "-w", node, "--json", "--", command, timeout_s=timeout_s)
        assert done.returncode == 0, f"{node}: {command}\n{done.stdout}\n{done.stderr}"
        [outcome] = json.loads(done.stdout)
        said: str = outcome["stdout"]
        return said.strip()

    def json(self, *words: str) -> Any:  # noqa: ANN401 (JSON)
        return json.loads(self.run(*words).stdout)

    def statuses(self) -> dict[str, dict[str, Any]]:
        return {node["node"]: node for node in self.json("status", "--json")["cluster"]["nodes"]}

    def wait_for(self, node: str, *, reachable: bool, timeout_s: float = 400) -> dict[str, Any]:
        """Return a node's status when it is as it should become."""
        deadline = time.monotonic() + timeout_s
        while (status := self.statuses()[node])["reachable"] is not reachable:
            assert time.monotonic() < deadline, status
            time.sleep(3)
        return status

    def links(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = self.json("emulator", "links", "--json")
        return found

    def ssh_port(self) -> int:
        """Return the port of this machine that leads to the head's SSH."""
        port: int = json.loads((self.state / "emulator.json").read_text())["ssh_port"]
        return port

    def world(self) -> Path:
        """Return the socket of the network that the head's uplink leads to."""
        return Path(json.loads((self.state / "emulator.json").read_text())["sockets"]) / "world"


def made(factory: pytest.TempPathFactory, name: str, cluster: str) -> Bench:
    """Return a folder with a cluster file whose cards are built.

    For work on the tests PIBRAMBLE_TEST_BENCH names a folder that stays, with clusters that go on running.
    """
    kept = os.environ.get("PIBRAMBLE_TEST_BENCH")
    folder = Path(kept) / name if kept else factory.mktemp(name)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cluster.toml").write_text(cluster)
    bench = Bench(folder)
    done = bench.run("card", "build", timeout_s=3000)
    skip_if_mirror_is_half_way(done)
    assert done.returncode == 0, done.stderr
    return bench


@contextmanager
def booted(bench: Bench, session: pytest.Session) -> Iterator[None]:
    """Have the cluster up while the block runs; what its boot said is printed when a test fails."""
    began = time.monotonic()
    stays = bool(os.environ.get("PIBRAMBLE_TEST_BENCH"))
    try:
        done = bench.run("up", "--target", "emulator", timeout_s=1500)
        assert done.returncode == 0, done.stderr
        print(done.stderr, f"up in {time.monotonic() - began:.0f} s")
        if not stays:  # else it may have been up before, and then nobody boots
            assert_every_boot_was_shown(bench, done.stderr)
        yield
    finally:
        if session.testsfailed:
            for log in sorted((bench.state / "emulator").glob("*/console.log")):
                print(f"== {log}\n{log.read_text(errors='replace')[-3000:]}")
        if not stays:
            left = Left.of(bench)
            bench.ok("down", "--target", "emulator")
            if left:
                left.assert_gone()


def assert_every_boot_was_shown(bench: Bench, said: str) -> None:
    """A line a node with every stage, but for the network: the kernel may tear what the console says of that."""
    plan = bench.json("plan", "--json")
    for node in (plan["head"]["name"], *(worker["name"] for worker in plan["workers"])):
        stages = rf"^{node} +kernel \d+ s.*, systemd \d+ s.*, ssh \d+ s, ready \d+ s$"
        assert re.search(stages, said, re.MULTILINE), f"{node}\n{said}"


@attrs.frozen
class Left:
    """What of a cluster that is up must be gone when it is down."""

    folder: Path  # of its disks and logs: every QEMU of it names its disk there
    keeper: Process
    machines: tuple[Process, ...]
    sockets: Path

    @classmethod
    def of(cls, bench: Bench) -> Left | None:
        """Return what there is now; None of a cluster that did not come up."""
        folder = bench.state / "emulator"
        state = EmulatorState.load(bench.state / "emulator.json")
        return cls(folder, state.keeper, machines(folder), Path(state.sockets)) if state else None

    def assert_gone(self) -> None:
        """Look at once: `down` has ended when everything has."""
        assert self.machines
        assert not [process for process in (self.keeper, *self.machines) if process.alive()]
        assert machines(self.folder) == ()
        assert [path for path in self.folder.glob("*/*") if path.suffix != ".log"] == []
        assert not self.folder.with_name("emulator.json").exists()
        assert not self.sockets.exists()


def machines(folder: Path) -> tuple[Process, ...]:
    """Return the QEMUs whose disks are there, whoever their parent is."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if f"{folder}/".encode() in (process / "cmdline").read_bytes():
                found.append(Process.of(int(process.name)))
    return tuple(found)


def noise(folder: Path, size_bytes: int) -> Path:
    """Return a file that nothing can compress, the same each time."""
    file = folder / "noise"
    file.write_bytes(random.Random(1).randbytes(size_bytes))  # noqa: S311 (no secret)
    return file


def cache() -> Path:
    """Return a cache with the bases that `make test-cards` has made already: linked, not built again."""
    made = Path(os.environ.get("PIBRAMBLE_TEST_CACHE", "/var/tmp/pibramble-test-bases"))  # noqa: S108 (as tests/bases)
    home = made / "emulator"
    (home / "bases").mkdir(parents=True, exist_ok=True)
    for base in made.glob("*/cache/bases/[!.]*"):
        link = home / "bases" / base.name
        if (base / "base.json").exists() and not link.exists():
            shutil.copytree(base, link, copy_function=os.link)
            shutil.copystat(base, link)
    return home
