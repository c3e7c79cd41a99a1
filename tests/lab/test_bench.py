"""`pibramble bench` on a lab."""

from __future__ import annotations

import json

import pytest

from tests.lab.conftest import LabCluster

pytestmark = pytest.mark.lab


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
    again = lab_cluster.pibramble("bench", "--show", said["run"]["id"], "--against", "last")
    assert again.returncode == 0, again.stderr
    assert {line.split()[-1] for line in again.stdout.splitlines() if line.startswith("ping-pong")} == {"1.00"}


def test_a_lone_serial_worker_is_measured_without_a_partner(lab_cluster: LabCluster) -> None:
    measured = lab_cluster.pibramble("bench", "-w", "aplus", "--json")
    assert measured.returncode == 0, measured.stderr
    run = json.loads(measured.stdout)["run"]
    assert (list(run["speeds"]), run["pings"], run["sums"]) == (["pi-1a-plus"], [], [])
