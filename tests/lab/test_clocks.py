"""Time in a lab with a receiver: Debian's own gpsd and chronyd, a replayed log, and days on which something fails.

The tests go through one lab's life in the order in which they stand: before the first fix, a fix that comes late, a
receiver that is believed, unplugged and back.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from pibramble import proc
from pibramble.gps.framing import sentence
from pibramble.targets.lab import clocks, ground
from pibramble.targets.lab.state import LabState
from tests.lab.conftest import LabCluster

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

UNPACKED = Path(__file__).parents[2] / ".cache/gps/bin"  # make setup-dev
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:{UNPACKED}"
AHEAD_S = 0.3  # of the receiver: less than a second, since nobody may step this machine's clock

CLUSTER = """\
[cluster]
name = "timely"
ntp = []

[head]
board = "pi-1b"

[gps]
port = "/dev/ttyAMA0"
baud = 9600
share_position = true

[[workers]]
name = "zero[1-3]"
"""

# A walk that somebody took in March 2010, in the sentences of an old mouse: two seconds of it.
LOG = b"".join(
    sentence(content)
    for second in (b"093014.000", b"093015.000")
    for content in (
        b"GPGGA,%b,4807.0380,N,01131.0000,E,1,07,1.2,545.4,M,46.9,M,,0000" % second,
        b"GPGSA,A,3,04,05,09,12,24,25,29,,,,,,2.1,1.2,1.7",
        b"GPGSV,2,1,07,04,62,303,44,05,31,088,38,09,28,210,36,12,55,145,47",
        b"GPGSV,2,2,07,24,17,045,31,25,44,270,41,29,09,330,28",
        b"GPRMC,%b,A,4807.0380,N,01131.0000,E,1.20,231.00,310310,,,A" % second,
    )
)


@attrs.frozen
class Timely(LabCluster):
    """A cluster with a receiver, whose lab finds chronyd and gpsd."""

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "PATH": PATH}

    @property
    def state_of_lab(self) -> LabState:
        state = LabState.load(self.folder / "lab.json")
        assert state is not None
        return state

    @property
    def clocks(self) -> clocks.Clocks:
        plan = self.plan
        assert plan.gps is not None
        return clocks.Clocks(plan, plan.gps, self.state_of_lab, str(self.folder))

    def status(self) -> dict[str, Any]:
        done = self.pibramble("status", "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["cluster"]  # type: ignore[no-any-return]

    def on(self, node: str, *command: str) -> str:
        """Run a command on a node as its root."""
        inside = ground.inside_node(self.state_of_lab.nodes[node], rootless=self.state_of_lab.rootless)
        return proc.run([*inside, *command]).stdout

    def source(self) -> list[str]:
        """Return chronyc's line about the head's receiver."""
        return self.on("head", "chronyc", "-n", "-h", "127.0.0.1", "-c", "sources").strip().split(",")


@pytest.fixture(scope="module")
def timely(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Timely]:
    lacking = [name for name in ("chronyd", "chronyc", "gpsd") if shutil.which(name, path=PATH) is None]
    if lacking:
        pytest.skip(f"needs {' and '.join(lacking)}: make setup-dev unpacks them")
    os.environ["PATH"] = PATH
    folder = tmp_path_factory.mktemp("timely")
    (folder / "cluster.toml").write_text(CLUSTER)
    cluster = Timely(folder / "cluster.toml", folder / "state")
    cluster.up()
    cluster.clocks.unplug()  # before gpsd has seen the three fixes that it wants
    yield cluster
    cluster.pibramble("down")


def until(what: str, timeout_s: float, ask: Callable[[], object]) -> float:
    """Ask until the answer is yes; return how long that took, in seconds."""
    began = time.monotonic()
    while not ask():
        assert time.monotonic() - began < timeout_s, f"{what}: not within {timeout_s} s"
        time.sleep(1)
    return time.monotonic() - began


def followed(status: Mapping[str, Any]) -> dict[str, str]:
    return {node["node"]: node["clock"]["source"] for node in status["nodes"]}


def ahead(status: Mapping[str, Any]) -> dict[str, float]:
    return {node["node"]: node["clock"]["ahead_s"] for node in status["nodes"]}


WORKERS = ("zero1", "zero2", "zero3")
ALL = {"head": "GPS", **dict.fromkeys(WORKERS, "head")}


def test_before_the_first_fix_the_workers_share_the_head_s_own_time(timely: Timely) -> None:
    timely.clocks.plug_in("--blind")
    until("workers follow the head", 60, lambda: followed(timely.status()) == {**ALL, "head": ""})
    said = timely.pibramble("status")
    rows = {line.split()[0]: line.split() for line in said.stdout.splitlines()[1:5]}
    assert rows["head"][-2:] == ["nobody", "ok"]
    assert {tuple(rows[worker][-3:-1]) for worker in WORKERS} <= {("ahead", "head"), ("behind", "head")}
    assert max(abs(ahead(timely.status())[worker]) for worker in WORKERS) < 0.05
    assert "leaves it alone (-x)" in said.stdout
    assert int(timely.source()[5]) == 0  # gpsd has told chronyd nothing of what a receiver says that sees no satellite
    timely.clocks.unplug()


def test_a_fix_that_comes_late_makes_chronyd_step_the_clock_at_any_time(timely: Timely) -> None:
    """As far as a namespace goes: chronyd wants to, and may not."""
    timely.clocks.plug_in("--ahead", "1000")

    def log() -> str:
        return timely.on("head", "cat", "/run/chronyd.log")

    took_s = until("chronyd wants to step", 120, lambda: "System clock wrong by" in log())
    line = next(line for line in log().splitlines() if "System clock wrong by" in line)
    print(f"wanted after {took_s:.0f} s: {line}", file=sys.stderr)
    assert 990 < float(line.split()[-2]) < 1001
    assert "Could not step system clock" in log()
    timely.clocks.unplug()


def test_up_starts_what_has_died_and_the_receiver_with_it(timely: Timely) -> None:
    head = timely.state_of_lab.nodes["head"]
    for pid_file in (clocks.CHRONYD_PID, clocks.GPSD_PID):
        timely.on("head", "kill", "-9", str(ground.daemon(head, pid_file)))
    assert timely.status()["nodes"][0]["clock"]["problem"] == "chronyd does not answer"
    timely.up()
    for pid_file in (clocks.CHRONYD_PID, clocks.GPSD_PID, clocks.RECEIVER_PID):
        assert ground.daemon(head, pid_file) is not None
    timely.clocks.unplug()


def test_the_head_follows_a_replayed_receiver_and_the_workers_the_head(timely: Timely, tmp_path: Path) -> None:
    (tmp_path / "walk.log").write_bytes(LOG)
    timely.clocks.plug_in("--log", str(tmp_path / "walk.log"), "--ahead", str(AHEAD_S))
    head_s = until("the head follows the receiver", 120, lambda: followed(timely.status()) == ALL)

    def settled() -> bool:
        return all(abs(seconds + AHEAD_S) < 0.05 for seconds in ahead(timely.status()).values())

    # They have the receiver's time, and not that of the clock that they share: by NTP from the head.
    workers_s = until("all have the receiver's time", 150, settled)
    print(f"the head after {head_s:.0f} s, all within 50 ms after {workers_s:.0f} s more", file=sys.stderr)
    for node, seconds in ahead(timely.status()).items():
        print(f"{node}: {seconds:+.6f} s of {-AHEAD_S}", file=sys.stderr)
    print(timely.on("head", "gpsd", "-V") + timely.on("head", "readlink", "/run/chrony/gps.conf"), file=sys.stderr)
    print(timely.pibramble("exec", "-w", "@all", "--", "chronyc -h 127.0.0.1 sources").stdout, file=sys.stderr)
    strata = {node["node"]: node["clock"]["stratum"] for node in timely.status()["nodes"]}
    assert strata == {"head": 1, "zero1": 2, "zero2": 2, "zero3": 2}


def test_a_receiver_that_is_unplugged_and_back_is_heard_again(timely: Timely, tmp_path: Path) -> None:
    timely.clocks.unplug()
    until("the source is silent", 60, lambda: int(timely.source()[6]) > 20)
    assert followed(timely.status()) == ALL  # the clock runs on as it has learnt to
    (tmp_path / "walk.log").write_bytes(LOG)
    timely.clocks.plug_in("--log", str(tmp_path / "walk.log"), "--ahead", str(AHEAD_S))
    until("it is heard again", 60, lambda: int(timely.source()[6]) < 10)
    assert ahead(timely.status())["head"] == pytest.approx(-AHEAD_S, abs=0.05)


def test_workers_may_ask_gpsd_where_they_are_and_the_world_may_not(timely: Timely) -> None:
    asks = "exec 3<>/dev/tcp/192.168.7.1/2947 && read -t 5 -r line <&3 && echo $line"
    said = timely.pibramble("exec", "-w", "zero1", "--", asks)
    assert '"class":"VERSION"' in said.stdout, said.stderr
    state = timely.state_of_lab
    world = ground.inside(state.keeper, rootless=state.rootless)
    knock = "import socket; socket.create_connection(('10.213.7.2', 2947), timeout=3)"
    done = proc.run([*world, sys.executable, "-c", knock], check=False)
    assert socket.timeout.__name__ in done.stderr or "timed out" in done.stderr


def test_a_node_without_chronyd_is_named_with_the_cure_and_can_be_worked_on(timely: Timely) -> None:
    number = ground.daemon(timely.state_of_lab.nodes["zero1"], clocks.CHRONYD_PID)
    timely.on("zero1", "kill", "-9", str(number))
    said = timely.pibramble("status")
    assert said.returncode == 0
    assert "zero1: chronyd does not answer\n  " in said.stderr
    assert "`pibramble up` starts it again" in said.stderr
    assert timely.pibramble("run", "--no-stdin", "true").returncode == 0
    timely.up()
    assert ground.daemon(timely.state_of_lab.nodes["zero1"], clocks.CHRONYD_PID) is not None


def test_a_clock_that_is_a_year_off_is_said_by_status_and_by_run(timely: Timely) -> None:
    """The nodes of a lab share a clock; a `date` of its own stands in for one that is wrong."""
    date = '#!/bin/sh\nexec /bin/date --date="-365 days" "$@"\n'
    for path, text in (("/usr/local/bin/date", date), ("/home/pi/.bashrc", "unset EPOCHREALTIME\n")):
        timely.on("zero2", "sh", "-c", f"cat >{path} <<'END'\n{text}END\nchmod 755 {path}")
    told = "one clock is more than 1 s off: zero2 365 d behind"
    status = timely.pibramble("status")
    assert status.returncode == 0
    assert told in status.stderr
    assert [node["node"] for node in timely.status()["astray"]] == ["zero2"]
    job = timely.pibramble("run", "--no-stdin", "true")
    assert job.returncode == 0
    assert told in job.stderr
    assert told not in timely.pibramble("run", "--no-stdin", "-x", "zero2", "true").stderr


def test_down_leaves_nothing_of_it(timely: Timely) -> None:
    pids = [process.pid for process in timely.state_of_lab.nodes.values()]
    assert timely.pibramble("down").returncode == 0
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    left = [path for path in Path("/proc").glob("[0-9]*/environ") if str(timely.folder).encode() in readable(path)]
    assert left == []


def readable(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
