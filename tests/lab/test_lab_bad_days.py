"""Days on which a lab is killed, interrupted, brought up twice. Whatever happens, the machine stays as it was."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from pibramble import keys
from pibramble.errors import Exit, PibrambleError
from pibramble.plan.model import NodePlan, Plan
from pibramble.progress import SilentProgress
from pibramble.targets.lab import links
from pibramble.targets.lab.network import Port
from pibramble.targets.lab.state import LabState
from tests.lab.conftest import XMAS, LabCluster, make_cluster
from tests.lab.machine import traces
from tests.lab.nodes import on_node

pytestmark = pytest.mark.lab


def state_of(cluster: LabCluster) -> LabState:
    state = LabState.load(cluster.folder / "lab.json")
    assert state is not None
    return state


def wait_until_at_work(cluster: LabCluster) -> None:
    deadline = time.monotonic() + 20
    while not (cluster.folder / "lab.json").exists():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_up_and_down_leave_the_machine_as_it_was(new_cluster: LabCluster) -> None:
    before = traces(new_cluster)
    new_cluster.up()
    assert len(traces(new_cluster).processes) > len(new_cluster.plan.nodes)
    assert new_cluster.pibramble("down").returncode == 0
    assert traces(new_cluster) == before


def test_up_on_a_lab_that_is_up_changes_nothing(new_cluster: LabCluster) -> None:
    new_cluster.up()
    first = state_of(new_cluster)
    new_cluster.up()
    assert state_of(new_cluster) == first


def test_down_of_nothing_says_so(new_cluster: LabCluster) -> None:
    done = new_cluster.pibramble("down")
    assert done.returncode == 0
    assert "was not up" in done.stderr


@pytest.mark.parametrize("after_s", [0.0, 0.05, 0.15, 0.3])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_up_leaves_nothing(new_cluster: LabCluster, after_s: float, number: signal.Signals) -> None:
    before = traces(new_cluster)
    process = new_cluster.start("up")
    wait_until_at_work(new_cluster)
    time.sleep(after_s)
    process.send_signal(number)
    _, said = process.communicate(timeout=20)
    if process.returncode != 0:  # it was quick enough to be done otherwise
        assert process.returncode == 128 + number
        assert "Traceback" not in said
        assert traces(new_cluster) == before


@pytest.mark.parametrize("after_s", [0.0, 0.1, 0.3])
def test_what_a_killed_up_leaves_is_cleaned_up_by_down(new_cluster: LabCluster, after_s: float) -> None:
    before = traces(new_cluster)
    process = new_cluster.start("up")
    wait_until_at_work(new_cluster)
    time.sleep(after_s)
    process.kill()
    process.communicate()
    assert new_cluster.pibramble("down").returncode == 0
    assert traces(new_cluster) == before


def test_what_a_killed_up_leaves_does_not_stop_the_next(new_cluster: LabCluster) -> None:
    process = new_cluster.start("up")
    wait_until_at_work(new_cluster)
    process.kill()
    process.communicate()
    new_cluster.up()
    assert on_node(new_cluster, "aplus", "hostname") == "aplus\n"


def test_a_lab_whose_state_file_is_lost_is_still_found(new_cluster: LabCluster) -> None:
    before = traces(new_cluster)
    new_cluster.up()
    (new_cluster.folder / "lab.json").unlink()
    assert new_cluster.pibramble("down").returncode == 0
    assert traces(new_cluster) == before


def test_a_node_that_died_comes_back_alone(new_cluster: LabCluster) -> None:
    new_cluster.up()
    before = state_of(new_cluster)
    before.nodes["zero2"].kill()
    assert [node.node for node in new_cluster.lab.state().nodes if not node.running] == ["zero2"]
    new_cluster.up()
    after = state_of(new_cluster)
    assert after.nodes["zero2"].alive()
    assert after.nodes["zero2"] != before.nodes["zero2"]
    assert {name for name in after.nodes if after.nodes[name] == before.nodes[name]} == set(before.nodes) - {"zero2"}
    assert on_node(new_cluster, "zero2", "hostname") == "zero2\n"
    assert on_node(new_cluster, "zero2", "timeout 5 bash -c 'head -c 4 </dev/tcp/zero3/22'") == "SSH-"


def test_a_serial_node_that_died_comes_back_too(new_cluster: LabCluster) -> None:
    new_cluster.up()
    state_of(new_cluster).nodes["aplus"].kill()
    new_cluster.up()
    assert on_node(new_cluster, "zero1", "timeout 5 bash -c 'head -c 4 </dev/tcp/aplus/22'") == "SSH-"


def test_a_head_that_died_takes_the_lab_along_and_up_makes_a_new_one(new_cluster: LabCluster) -> None:
    new_cluster.up()
    state_of(new_cluster).nodes["head"].kill()
    new_cluster.up()
    assert on_node(new_cluster, "zero1", "hostname") == "zero1\n"


def test_an_sshd_that_was_killed_is_started_again_by_up(new_cluster: LabCluster) -> None:
    new_cluster.up()
    init = state_of(new_cluster).nodes["zero1"]
    for pid in init.children():
        os.kill(pid, signal.SIGKILL)
    new_cluster.up()
    assert state_of(new_cluster).nodes["zero1"] == init
    assert on_node(new_cluster, "zero1", "hostname") == "zero1\n"
    assert on_node(new_cluster, "zero2", "timeout 5 bash -c 'head -c 4 </dev/tcp/zero1/22'") == "SSH-"


def test_two_ups_at_once_make_one_lab(new_cluster: LabCluster) -> None:
    both = [new_cluster.start("up"), new_cluster.start("up")]
    ends = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    assert sum(1 for node in new_cluster.lab.state().nodes if node.running) == len(new_cluster.plan.nodes)


def test_down_stops_an_up_that_is_under_way(new_cluster: LabCluster) -> None:
    before = traces(new_cluster)
    process = new_cluster.start("up")
    wait_until_at_work(new_cluster)
    assert new_cluster.pibramble("down").returncode == 0
    process.communicate(timeout=20)
    assert process.returncode in {Exit.INTERRUPTED, Exit.OK}
    assert traces(new_cluster) == before


def test_a_changed_cluster_file_is_not_forced_onto_a_running_lab(new_cluster: LabCluster) -> None:
    new_cluster.up()
    first = state_of(new_cluster)
    new_cluster.file.write_text(XMAS.replace("zero[1-4]", "zero[1-5]"))
    done = new_cluster.pibramble("up")
    assert done.returncode == Exit.FAILED
    assert "pibramble down" in done.stderr
    assert state_of(new_cluster) == first


def test_what_fails_half_way_is_named_and_leaves_nothing(
    new_cluster: LabCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plugged_into_nothing(plan: Plan, worker: NodePlan) -> Port:
        port = links_port(plan, worker)
        return {**port, "end": {**port["end"], "interface": "nowhere"}}

    links_port = links.port
    monkeypatch.setattr(links, "port", plugged_into_nothing)
    before = traces(new_cluster)
    keyring = keys.ensure(new_cluster.plan, new_cluster.folder, SilentProgress())
    with pytest.raises(PibrambleError, match="the lab could not be made") as error:
        new_cluster.lab.up(new_cluster.plan, lambda: keyring, SilentProgress())
    assert "the head's ports" in error.value.hint
    assert traces(new_cluster) == before


def test_two_labs_with_the_same_addresses_run_side_by_side(new_cluster: LabCluster, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    other = make_cluster(folder, XMAS.replace('"xmas"', '"easter"'))
    try:
        new_cluster.up()
        other.up()
        on_node(other, "zero1", "touch /home/pi/easter")
        assert on_node(new_cluster, "zero1", "ls /home/pi") == ""
        assert other.pibramble("down").returncode == 0
        assert on_node(new_cluster, "zero1", "hostname") == "zero1\n"
    finally:
        other.pibramble("down")
