"""Two emulated clusters at once: nothing of one is the other's, though they have names and addresses in common."""

from __future__ import annotations

import pytest

from tests.emulator.bench import EXAMPLES, Bench

pytestmark = [pytest.mark.emulator, pytest.mark.long, pytest.mark.timeout(1800)]


def test_a_second_cluster_comes_up_beside_the_first_and_leaves_it_alone(cluster: Bench, other: Bench) -> None:
    try:
        other.ok("up", "--target", "emulator", timeout_s=1500)
        assert {node["reachable"] for node in other.statuses().values()} == {True}
        assert set(other.links()) == {"zero1"}
        # Both have a zero1 at the same address: each is reached by its own head, and proves itself with its own key.
        for bench, name in ((cluster, "emu"), (other, "other")):
            assert bench.json("status", "--json")["cluster"]["cluster"] == name
        keys = {bench.on("zero1", "cat /etc/ssh/pibramble_host_key.pub") for bench in (cluster, other)}
        assert len(keys) == 2
        assert "runs on zero1" in other.ok("run", str(EXAMPLES / "cpi.c"), "100000", timeout_s=600)
        assert cluster.ssh_port() != other.ssh_port()
        assert cluster.world() != other.world()
    finally:
        other.ok("down")
    assert {node["reachable"] for node in cluster.statuses().values()} == {True}
    assert "runs on zero1" in cluster.ok("run", "-n", "3", str(EXAMPLES / "cpi.c"), "100000", timeout_s=600)
    assert other.run("status").returncode == 4
