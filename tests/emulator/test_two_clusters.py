"""Two emulated clusters at once: nothing of one is the other's, though they have names and addresses in common."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from pibramble.errors import Exit
from tests.emulator.bench import EXAMPLES, Bench, Left, noise

pytestmark = [pytest.mark.emulator, pytest.mark.long, pytest.mark.timeout(1800)]

BAUD = 115_200  # of the second one's serial line
PAYLOAD_BYTES = 100_000
BITS_A_BYTE = 10  # with the start and the stop bit


def test_a_second_cluster_leaves_the_first_one_alone(cluster: Bench, other: Bench) -> None:
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


def test_a_paced_line_is_no_faster_than_its_baud_rate(other: Bench, tmp_path: Path) -> None:
    sent = noise(tmp_path, PAYLOAD_BYTES)
    before, began = other.links()["zero1"]["to_worker_bytes"], time.monotonic()
    other.ok("copy", str(sent), "zero1:/tmp/noise", timeout_s=600)
    seconds, carried = time.monotonic() - began, other.links()["zero1"]["to_worker_bytes"] - before
    print(f"{carried} bytes in {seconds:.1f} s; at {BAUD} baud they take {carried * BITS_A_BYTE / BAUD:.1f} s")
    assert carried > PAYLOAD_BYTES
    assert seconds >= PAYLOAD_BYTES * BITS_A_BYTE / BAUD
    assert other.on("zero1", "wc -c </tmp/noise") == str(PAYLOAD_BYTES)


def test_without_its_sockets_a_cluster_is_told_and_ended_and_the_other_goes_on(cluster: Bench, other: Bench) -> None:
    """Whatever removed them, as a cleaner of temporary folders does."""
    sockets = other.world().parent
    shutil.rmtree(sockets)
    for words in (("status",), ("emulator", "links"), ("up", "--target", "emulator")):
        done = other.run(*words)
        assert done.returncode == Exit.NOT_UP, (words, done.stderr)
        assert f"its socket {sockets}/keeper is gone" in done.stderr
        assert "`pibramble down`" in done.stderr
    left = Left.of(other)
    assert left
    other.ok("down")  # no target is named
    left.assert_gone()
    assert {node["reachable"] for node in cluster.statuses().values()} == {True}
    assert "runs on zero1" in cluster.ok("run", "-n", "3", str(EXAMPLES / "cpi.c"), "100000", timeout_s=600)
