"""A bench for the browser tests: `pibramble serve` itself, and devices that are a getty and bash on a pty each."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import attrs

REPO = Path(__file__).parents[2]
PIBRAMBLE = str(Path(sys.executable).with_name("pibramble"))

PROFILE = """\
title = "The tests' device"
settings = "115200 8N1"
enter = "cr"
prompts = ['# $']

[[buttons]]
name = "press"
label = "press"
steps = [{ send = "echo pres''sed\\n" }, { wait_for = 'pressed', timeout_seconds = 5 }]

[[buttons]]
name = "erase"
label = "erase"
steps = [{ confirm = "Erase it all?" }, { send = "echo era''sed\\n" }]
"""

CLUSTER = """\
[cluster]
name = "browser"

[head]
board = "pc"

[[workers]]
name = "zero1"
board = "pi-zero"
"""


class Device:
    """What hangs on a serial line: a getty and bash on a pty, which socat shows as a device that can be pulled out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._relay: subprocess.Popen[bytes] | None = None

    def plug_in(self) -> None:
        shell = (
            "/usr/sbin/agetty -n -L -l /bin/bash -o --norc\\ -i - vt100" if os.geteuid() == 0 else "/bin/bash --norc -i"
        )
        argv = ["socat", f"PTY,link={self.path},rawer", f"EXEC:{shell},pty,setsid,ctty,stderr"]
        environment = {
            **os.environ,
            "PS1": f"{self.path.name}# ",
            "TERM": "vt100",
            "COLUMNS": "80",
            "LINES": "24",
            "HISTFILE": "",
        }
        self._relay = subprocess.Popen(
            argv, env=environment, cwd="/", stderr=subprocess.DEVNULL, start_new_session=True
        )
        wait_until(self.path.exists)

    def pull_out(self) -> None:
        assert self._relay is not None
        os.killpg(self._relay.pid, signal.SIGTERM)
        self._relay.wait(10)
        self._relay = None
        self.path.unlink(missing_ok=True)

    def end(self) -> None:
        if self._relay is not None:
            self.pull_out()


class OldDevice(Device):
    """One that loses what comes too fast: tests/console/slow.py."""

    def plug_in(self) -> None:
        argv = [sys.executable, "-m", "tests.console.slow", str(self.path)]
        self._relay = subprocess.Popen(argv, cwd=REPO, start_new_session=True)
        wait_until(self.path.exists)


class QuietDevice(Device):
    """One that says nothing."""

    def plug_in(self) -> None:
        argv = ["socat", f"PTY,link={self.path},rawer", "PTY,rawer"]
        self._relay = subprocess.Popen(argv, stderr=subprocess.DEVNULL, start_new_session=True)
        wait_until(self.path.exists)


@attrs.define
class Stage:
    """A running broker with its pages, and the devices on its lines."""

    address: str
    devices: dict[str, Device]
    said: str
    folder: Path
    process: subprocess.Popen[str]
    prefix: Sequence[str]

    def pibramble(self, *words: str, stdin: str = "") -> str:
        """Run the command beside the broker."""
        done = subprocess.run(
            command(self.folder, *words), input=stdin, cwd=self.folder, env=environment(self.folder), check=False,
            capture_output=True, text=True, timeout=30,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def end(self, complaint: str = "") -> None:
        """Stop it as Ctrl-C does; nothing but `complaint` may have been said on standard error."""
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=20)
        for device in self.devices.values():
            device.end()
        shutil.rmtree(self.devices["sw1"].path.parent, ignore_errors=True)
        said = (self.folder / "errors.txt").read_text()
        assert said.strip() == complaint, said


def begin(  # noqa: PLR0913 (what a bench is made of)
    folder: Path,
    names: Sequence[str],
    *serve: str,
    prefix: Sequence[str] = (),
    profile: str = "test",
    old: Sequence[str] = (),
    quiet: Sequence[str] = (),
) -> Stage:
    """Start everything; `prefix` goes before the command of the broker, `old` are devices of the profile cisco-ios."""
    ports = Path("/dev/shm") / f"pibramble-{os.getpid()}-{folder.name}"  # noqa: S108 (a device stands below /dev)
    ports.mkdir(mode=0o700)
    kinds = [(Device, names), (OldDevice, old), (QuietDevice, quiet)]
    devices = {name: kind(ports / name) for kind, named in kinds for name in named}
    write_cluster(folder, {name: device.path for name, device in devices.items()}, profile, old)
    for device in devices.values():
        device.plug_in()
    errors = (folder / "errors.txt").open("w")  # a pipe that nobody reads would stop the broker one day
    process = subprocess.Popen(
        [*prefix, *command(folder, "serve", *serve)], cwd=folder, env=environment(folder), text=True,
        stdout=subprocess.PIPE, stderr=errors,
    )  # fmt: skip
    assert process.stdout is not None
    said = ""
    while "pages: " not in said:
        line = process.stdout.readline()
        assert line, said
        said += line
    if "https:" in said:
        said += process.stdout.readline() + process.stdout.readline()
    address = re.findall(r"pages: (\S+)/$", said, re.MULTILINE)[0]
    return Stage(address, devices, said, folder, process, prefix)


def write_cluster(folder: Path, ports: Mapping[str, Path], profile: str = "test", old: Collection[str] = ()) -> None:
    """Write a cluster file with these consoles, and their profile; those in `old` are Cisco's."""
    profiles_of = {name: "cisco-ios" if name in old else profile for name in ports}
    consoles = [
        f'\n[[consoles]]\nname = "{name}"\nport = "{path}"\nprofile = "{profiles_of[name]}"\n'
        for name, path in ports.items()
    ]
    (folder / "cluster.toml").write_text(CLUSTER + "".join(consoles))
    profiles = folder / "config" / "pibramble" / "profiles"
    profiles.mkdir(parents=True, exist_ok=True)
    (profiles / "test.toml").write_text(PROFILE)


def command(folder: Path, *words: str) -> list[str]:
    return [PIBRAMBLE, "-f", str(folder / "cluster.toml"), *words]


def environment(folder: Path) -> dict[str, str]:
    own = {"PIBRAMBLE_STATE": str(folder / "state"), "XDG_CONFIG_HOME": str(folder / "config")}
    return {**os.environ, **own, "PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"}


def wait_until(true: object, seconds: float = 10) -> None:
    """Wait until a function says yes."""
    assert callable(true)
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)
