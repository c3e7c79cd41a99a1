"""Time in the lab, where the cluster file has a receiver: chronyd in every node; gpsd and a receiver at the head.

They are the programs and the configuration of a board, with what namespaces cannot give left out. All nodes share this
machine's clock, and nobody may set it: chronyd runs with -x, so it follows its sources, tells others the time that it
has from them, and leaves the clock alone. A time for which it would have to step the clock it does not follow, and says
so in its log.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

import pibramble
from pibramble import proc
from pibramble.errors import PibrambleError
from pibramble.files import gps as gps_files
from pibramble.files.model import NodeFile
from pibramble.plan.model import GpsPlan, Plan
from pibramble.progress import Progress
from pibramble.targets.lab import ground
from pibramble.targets.lab.builder import DROPPED_CAPABILITIES
from pibramble.targets.lab.state import LabState
from pibramble.targets.processes import LABEL, Process

RECEIVER = "127.0.0.1:10110"  # the port that IANA keeps for NMEA 0183
CHRONYD_PID, GPSD_PID, RECEIVER_PID = "run/chrony/chronyd.pid", "run/gpsd.pid", "run/receiver.pid"

_PROGRAMS = {"chronyd": "sbin", "chronyc": "bin", "gpsd": "sbin"}  # and the folder of /usr/local that shows each
_SEEN_BY_NODES = ("/usr/", "/bin/", "/sbin/", "/opt/")
_SUPPOSED_LAG_S = 0.5  # as the head's files suppose of a receiver that nobody has measured
_END_TIMEOUT_S = 10.0
_PAUSE_S = 0.02


def missing() -> list[str]:
    """Return which of the programs this machine lacks."""
    return [name for name in _PROGRAMS if _find(name) is None]


def binds() -> list[tuple[str, str, bool]]:
    """Return the folders that nodes must see for programs that are no part of the system: PREFIX of PREFIX/bin."""
    outside = {Path(path).parent.parent for name in _PROGRAMS if (path := _find(name)) and not _seen(path)}
    return [(str(folder), str(folder), True) for folder in sorted(outside)]


def wrappers() -> list[NodeFile]:
    """Return what shows such programs where a board has them: on PATH."""
    return [
        NodeFile(
            f"/usr/local/{folder}/{name}",
            f'#!/bin/sh\nexec {path} "$@"\n',
            "shows this machine's program where a board has it",
            mode=0o755,
        )
        for name, folder in _PROGRAMS.items()
        if (path := _find(name)) and not _seen(path)
    ]


@attrs.frozen
class Clocks:
    """The clocks of a lab that is up."""

    plan: Plan
    gps: GpsPlan
    state: LabState
    label: str  # the lab's, for the environment of what is started

    @property
    def head(self) -> Process:
        """Return the head's init."""
        return self.state.nodes[self.plan.head.name]

    def start(self, progress: Progress) -> None:
        """Start what is not running. Raises PibrambleError where one of the programs refuses."""
        head = self.head
        with progress.step("Starting clocks", len(self.state.nodes), "nodes") as step:
            for name, init in self.state.nodes.items():  # the head comes first: the workers ask it
                if ground.daemon(init, CHRONYD_PID) is None:
                    self._start_chronyd(init)
                    if init == head:
                        self._stop(GPSD_PID)  # as its unit has it: chronyd's socket is a new one
                if init == head and ground.daemon(head, GPSD_PID) is None:
                    self._start_gpsd()
                step.advance(1, name)
        if ground.daemon(head, RECEIVER_PID) is None:
            lag_s = _SUPPOSED_LAG_S if self.gps.lag_ms is None else self.gps.lag_ms / 1000
            self.plug_in("--lag", str(lag_s))

    def plug_in(self, *options: str) -> None:
        """Start the receiver in the head's network; its program is this machine's, with these options."""
        user = ("--user", "--preserve-credentials") if self.state.rootless else ()
        inside = ["nsenter", "--target", str(self.head.pid), *user, "--net", "--pid"]
        program = [sys.executable, "-S", "-m", "pibramble.targets.lab.receiver"]
        pid_file = f"/proc/{self.head.pid}/root/{RECEIVER_PID}"
        package = str(Path(pibramble.__file__).parent.parent)
        self._run([*inside, *program, *options, "--pid-file", pid_file, RECEIVER], {"PYTHONPATH": package})

    def unplug(self) -> None:
        """Stop the receiver."""
        self._stop(RECEIVER_PID)

    def _start_chronyd(self, init: Process) -> None:
        inside = self._inside(init)
        if init == self.head:
            self._run([*inside, gps_files.CHOOSER])
        # As the node's root, who has no power over the clock: not every machine has an account of chrony's.
        configuration = ["-f", "/etc/chrony/chrony.conf", "-l", "/run/chronyd.log"]
        self._run([*inside, "chronyd", "-x", "-u", "root", *configuration])

    def _start_gpsd(self) -> None:
        inside = self._inside(self.head)
        # gpsd looks for a socket named after its source, which is no board's port here.
        self._run([*inside, "ln", "-sfn", gps_files.CLOCK_SOCKET, gps_files.sought_socket(RECEIVER)])
        shared = ["-G"] if self.gps.share_position else []
        options = ["-n", *shared, "-F", "/run/gpsd.sock", "-P", f"/{GPSD_PID}"]
        self._run([*inside, "gpsd", *options, f"udp://{RECEIVER}"])

    def _inside(self, init: Process) -> list[str]:
        """Return the words that start a program in a node, without the power to reach out of it."""
        words = [*ground.inside_node(init, rootless=self.state.rootless)]
        if not self.state.rootless:
            words += ["setpriv", "--bounding-set", ",".join(f"-{name}" for name in DROPPED_CAPABILITIES)]
        return words

    def _run(self, argv: Sequence[str], more: Mapping[str, str] | None = None) -> None:
        proc.run(argv, env={**os.environ, LABEL: self.label, **(more or {})})

    def _stop(self, pid_file: str) -> None:
        """End one of the head's daemons, and wait until it is gone."""
        deadline = time.monotonic() + _END_TIMEOUT_S
        while (number := ground.daemon(self.head, pid_file)) is not None:
            # That it has ended meanwhile is no failure; the next look at it says so.
            proc.run([*self._inside(self.head), "kill", str(number)], check=False)
            if time.monotonic() > deadline:
                raise PibrambleError(f"what /{pid_file} of {self.plan.head.name} names does not end")
            time.sleep(_PAUSE_S)


def _find(name: str) -> str | None:
    return shutil.which(name, path=proc.system_path())


def _seen(path: str) -> bool:
    return path.startswith(_SEEN_BY_NODES)
