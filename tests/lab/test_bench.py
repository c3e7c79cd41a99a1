"""`pibramble bench` on a lab."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.lab.conftest import LabCluster

pytestmark = pytest.mark.lab

BUILD_HPCC = Path(__file__).parents[2] / "scripts" / "build-hpcc"


def test_a_lab_is_measured_and_the_run_is_kept_and_compared(lab_cluster: LabCluster) -> None:
    measured = lab_cluster.pibramble("bench", "-w", "zero[1-2]", "--seconds", "0.02", "--json", timeout_s=110)
    assert measured.returncode == 0, measured.stderr
    said = json.loads(measured.stdout)
    assert said["run"]["target"] == "lab"
    assert set(said["run"]["speeds"]) == {"pi-zero"}
    assert said["run"]["speeds"]["pi-zero"] > 1e6
    assert [ping["traffic"] for ping in said["run"]["pings"]] == ["one-way", "both-ways"]
    assert {node for ping in said["run"]["pings"] for node in ping["nodes"]} == {"zero1", "zero2"}
    sizes = [figure["size_bytes"] for figure in said["figures"] if figure["what"] == "ping-pong, usb-usb"]
    assert sizes == [4**power for power in range(11)]
    largest = [figure["value"] for figure in said["figures"] if figure["size_bytes"] == 1 << 20]
    assert min(largest) > (1 << 20) * 8 / 90e6 * 0.9  # the wire is shaped to 90 Mbit/s
    [of_two] = said["run"]["sums"]
    assert of_two["nodes"] == ["zero1", "zero2"]
    first = said["run"]["id"]
    words = ("bench", "-w", "zero[1-2]", "--seconds", "0.02", "--against", "last", "--json")
    again = lab_cluster.pibramble(*words, timeout_s=110)
    assert again.returncode == 0, again.stderr
    second = json.loads(again.stdout)
    assert (second["against"], second["run"]["id"] > first) == (first, True)
    largest = [f["ratio"] for f in second["figures"] if f["size_bytes"] == 1 << 20]
    assert largest == [pytest.approx(1, rel=0.5)] * 2  # the same shaped wire, measured twice
    assert any(f["ratio"] != 1 for f in second["figures"])  # but no run beside itself


def test_a_lone_serial_worker_is_measured_without_a_partner(lab_cluster: LabCluster) -> None:
    measured = lab_cluster.pibramble("bench", "-w", "aplus", "--json")
    assert measured.returncode == 0, measured.stderr
    run = json.loads(measured.stdout)["run"]
    assert (list(run["speeds"]), run["pings"], run["sums"]) == (["pi-1a-plus"], [], [])


@pytest.fixture(scope="session")
def _hpcc() -> None:
    """Linpack for the lab, compiled from Debian's source unless that was done before (`scripts/setup dev`)."""
    done = subprocess.run([BUILD_HPCC], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.timeout(700)  # the first time it is compiled
@pytest.mark.usefixtures("_hpcc")
def test_linpack_runs_across_nodes_and_its_residual_passes(lab_cluster: LabCluster) -> None:
    words = ("bench", "-w", "zero[1-4]", "--seconds", "0.02", "--hpl-n", "640")
    measured = lab_cluster.pibramble(*words, "--json", timeout_s=110)
    assert measured.returncode == 0, measured.stderr
    solved = json.loads(measured.stdout)["run"]["linpack"]
    assert (solved["equations"], solved["block"], solved["rows"], solved["columns"]) == (640, 80, 2, 2)
    assert 0 < solved["residual"] < 16
    assert solved["gflops"] == pytest.approx((2 / 3 * 640**3 + 3 / 2 * 640**2) / solved["seconds"] / 1e9, rel=0.05)
    # 640 * 640 doubles on four nodes whose wires carry 90 Mbit/s: one rank alone would not have had to wait for them.
    assert solved["seconds"] > 640 * 640 * 8 / 4 * 8 / 90e6
    shown = lab_cluster.pibramble("bench", "--show", "last")
    assert "P x Q = 2 x 2" in shown.stdout
    assert "PASSED" in shown.stdout
    [job] = [
        job for job in json.loads(lab_cluster.pibramble("jobs", "--json").stdout) if "hpcc-hpl" in job["command"][0]
    ]
    assert job["ranks_by_node"] == {"zero1": 1, "zero2": 1, "zero3": 1, "zero4": 1}
