"""Booted cards whose host keys are not those of the cluster that asks: refused, and named."""

from __future__ import annotations

from pathlib import Path

import pytest

from pibramble import keys
from pibramble.errors import Exit
from pibramble.plan.resolve import resolve
from pibramble.progress import SilentProgress
from pibramble.spec import load
from pibramble.targets import reasons
from tests.emulator.bench import Bench

pytestmark = [pytest.mark.emulator, pytest.mark.timeout(1800)]


def test_a_pc_with_the_keys_of_another_cluster_does_not_take_this_head_for_its_own(
    cluster: Bench, tmp_path: Path
) -> None:
    (tmp_path / "cluster.toml").write_text((cluster.folder / "cluster.toml").read_text())
    pc = Bench(tmp_path)
    file = load.load(tmp_path / "cluster.toml")
    keys.ensure(resolve(file.cluster, file.text), tmp_path / "state" / cluster.state.name, SilentProgress())
    head = f"127.0.0.1:{cluster.ssh_port()}"
    done = pc.run("--target", "hardware", "up", "--head", head)
    assert done.returncode == Exit.UNREACHABLE, done.stderr
    assert f"head at {head}: {reasons.STRANGER}" in done.stderr
    assert pc.run("--target", "hardware", "status").returncode == Exit.NOT_UP


@pytest.mark.long  # CI has an hour, bases included; `make test-emulator` runs it
def test_a_worker_with_a_host_key_of_its_own_making_is_named_by_pc_and_head(cluster: Bench) -> None:
    """As a card of another cluster would be. Its console needs no network, and puts things right."""
    key = "/etc/ssh/pibramble_host_key"
    again = "sudo systemctl restart ssh.service"
    try:
        cluster.on("zero2", f"sudo cp -p {key} /run/key-as-planned && sudo rm {key}")
        cluster.on("zero2", f"sudo ssh-keygen -q -t ed25519 -N '' -f {key} && {again}")
        # Connections that are open stay so: it is new ones that are refused.
        cluster.run("exec", "-w", "zero2", "--", "sudo pkill -x sshd-session")
        stranger = cluster.wait_for("zero2", reachable=False)
        assert reasons.STRANGER in stranger["problem"]
        own = cluster.run("exec", "-w", "head", "-n", "--", "ssh -O exit zero2; pibramble status")
        assert reasons.STRANGER in own.stdout + own.stderr
    finally:
        mend = f"sudo mv /run/key-as-planned {key}; sudo ssh-keygen -y -f {key} | sudo tee {key}.pub; {again}"
        cluster.ok("console", "zero2", "--send", mend, timeout_s=300)
    assert cluster.wait_for("zero2", reachable=True)
