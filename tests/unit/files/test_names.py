"""Names: the node's own, and everybody's."""

from __future__ import annotations

from tests.unit.files.disks import Disks
from tests.unit.files.readers import apart, read


def test_every_node_has_its_name(disk: Disks) -> None:
    assert {name: node.content("/etc/hostname") for name, node in disk.nodes.items()} == {
        name: f"{name}\n" for name in disk.nodes
    }


def test_every_node_knows_every_node_at_its_address_in_the_cluster(disk: Disks) -> None:
    hosts = disk.nodes["zero1"].content("/etc/hosts")
    for node in disk.plan.nodes:
        assert f"{node.address} {node.name}\n" in hosts
        assert disk.nodes[node.name].content("/etc/hosts") == hosts


def test_no_name_stands_at_127_0_1_1(disk: Disks) -> None:
    assert "127.0.1.1" not in disk.nodes["head"].content("/etc/hosts")


def test_the_c_library_finds_the_names(disk: Disks) -> None:
    script = 'mount --bind "$1"/etc/hosts /etc/hosts; getent -s files hosts w-1 localhost'
    found = apart(script, str(disk["zero1"])).stdout.split()
    assert found[:2] == ["192.168.7.5", "w-1"]
    assert "localhost" in found


def test_the_resolver_asks_the_servers_of_the_cluster_file(disk: Disks) -> None:
    lines = disk.nodes["aplus"].content("/etc/resolv.conf").splitlines()
    assert [line for line in lines if line.startswith("nameserver")] == ["nameserver 9.9.9.9"]


def test_a_shell_finds_programs_where_a_command_does(disk: Disks) -> None:
    done = read(["sh", "-c", '. "$1"; echo "$PATH"', "sh", str(disk["zero1"] / "etc/profile.d/pibramble.sh")])
    assert f"SetEnv PATH={done.stdout}" in disk.nodes["zero1"].content("/etc/ssh/sshd_config.d/10-pibramble.conf")


def test_mpiexec_is_told_of_every_worker_and_its_cores(disk: Disks) -> None:
    script = '. "$1"/etc/profile.d/pibramble-mpi.sh; echo "$HYDRA_LAUNCHER $HYDRA_HOST_FILE"'
    assert read(["sh", "-c", script, "sh", str(disk["head"])]).stdout == "ssh /etc/pibramble/hostfile\n"
    assert disk.nodes["head"].content("/etc/pibramble/hostfile") == "zero1:1\nzero2:1\naplus:1\nw-1:1\nfour:4\n"
