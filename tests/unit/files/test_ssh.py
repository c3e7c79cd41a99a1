"""SSH's files, as sshd and ssh read them."""

from __future__ import annotations

import os
from ipaddress import IPv4Network
from pathlib import Path

import attrs
import pytest

from pibramble.files.render import render
from pibramble.plan.resolve import resolve
from pibramble.spec.model import Cluster, ClusterSection, WorkerGroup
from tests.unit.files.disks import Disks
from tests.unit.files.readers import program, read

CONFIG = "etc/ssh/sshd_config.d/10-pibramble.conf"


def settings(disk: Disks, node: str, tmp_path: Path) -> dict[str, str]:
    """Return what sshd makes of a node's configuration; fail when it refuses it."""
    text = (disk[node] / CONFIG).read_text().replace("/etc/ssh/", f"{disk[node]}/etc/ssh/")
    config = tmp_path / "sshd_config"
    config.write_text(text)
    done = read([program("sshd"), "-T", "-C", "user=pi,host=x,addr=192.168.7.1", "-f", str(config)])
    assert (done.returncode, done.stderr) == (0, "")
    return {key: value for key, _, value in (line.partition(" ") for line in done.stdout.splitlines())}


@pytest.mark.parametrize("node", ["head", "zero1", "aplus", "four"])
def test_sshd_accepts_the_configuration_and_lets_nobody_in_by_password(disk: Disks, node: str, tmp_path: Path) -> None:
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd's own package leaves it to the service
    found = settings(disk, node, tmp_path)
    assert found["passwordauthentication"] == found["kbdinteractiveauthentication"] == "no"
    assert found["permitrootlogin"] == found["usepam"] == "no"
    assert found["allowusers"] == "pi"
    assert found["maxstartups"] == "128:30:256"
    assert found["maxsessions"] == "128"
    assert found["hostcertificate"].endswith("/etc/ssh/pibramble_host_key-cert.pub")


def test_workers_trust_the_authority_alone_and_forward_nothing(disk: Disks, tmp_path: Path) -> None:
    worker, head = settings(disk, "zero1", tmp_path), settings(disk, "head", tmp_path)
    assert (worker["authorizedkeysfile"], worker["allowtcpforwarding"]) == ("none", "no")
    assert head["authorizedkeysfile"].endswith("/etc/ssh/pibramble_authorized_keys/%u .ssh/authorized_keys")
    assert head["allowtcpforwarding"] == "local"
    people = disk.nodes["head"].content("/etc/ssh/pibramble_authorized_keys/pi")
    assert people == "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO a-person\n"


@pytest.mark.parametrize("asked", ["aplus", "192.168.7.4"])
def test_ssh_on_the_head_goes_to_a_nodes_address_with_the_clusters_key(disk: Disks, asked: str) -> None:
    config = disk["head"] / "etc/ssh/ssh_config.d/10-pibramble.conf"
    done = read(["ssh", "-G", "-F", str(config), asked])
    assert done.returncode == 0, done.stderr
    found = {key: value for key, _, value in (line.partition(" ") for line in done.stdout.splitlines())}
    assert (found["hostname"], found["user"]) == ("192.168.7.4", "pi")
    assert found["controlpath"] == "/run/pibramble/ssh/192.168.7.4"
    assert (found["controlmaster"], found["controlpersist"]) == ("auto", "yes")
    assert (found["serveraliveinterval"], found["serveralivecountmax"]) == ("5", "2")
    assert (found["identityfile"], found["identitiesonly"]) == ("/etc/pibramble/user_key", "yes")
    assert found["certificatefile"] == "/etc/pibramble/user_key-cert.pub"
    assert found["stricthostkeychecking"] in {"true", "yes"}
    assert found["hostkeyalgorithms"] == "ssh-ed25519-cert-v01@openssh.com"
    assert found["kexalgorithms"].startswith("curve25519-sha256,")


def test_hosts_outside_the_cluster_are_left_alone(disk: Disks) -> None:
    config = disk["head"] / "etc/ssh/ssh_config.d/10-pibramble.conf"
    with_ours = read(["ssh", "-G", "-F", str(config), "example.org"]).stdout
    assert with_ours == read(["ssh", "-G", "-F", "/dev/null", "example.org"]).stdout


@pytest.mark.parametrize("asked", ["w-1", "192.168.7.5"])
def test_a_node_is_known_by_name_and_by_address_through_the_authority(disk: Disks, asked: str) -> None:
    known = disk["head"] / "etc/ssh/ssh_known_hosts"
    done = read(["ssh-keygen", "-F", asked, "-f", str(known)])
    assert f"@cert-authority w-1,192.168.7.5 {' '.join(disk.keyring.ca_public.split()[:2])}" in done.stdout


def test_only_the_head_holds_the_users_key_and_no_node_the_authoritys(disk: Disks) -> None:
    authority = (disk.folder / "state" / "keys" / "ca").read_text()
    for name, node in disk.nodes.items():
        everything = "".join(file.content for file in node.files)
        assert (disk.keyring.user_private in everything) == (name == "head")
        assert authority not in everything
        others = [key.private for other, key in disk.keyring.hosts.items() if other != name]
        assert not [key for key in others if key in everything]


def test_private_keys_are_marked_and_closed(disk: Disks) -> None:
    for node in disk.nodes.values():
        for file in node.files:
            private = "PRIVATE KEY" in file.content
            assert (file.secret, file.mode & 0o077 == 0) == (private, private), file.path
    (key,) = (file for file in disk.nodes["head"].files if file.path == "/etc/pibramble/user_key")
    assert key.owner == "pi"


def test_ssh_reads_the_configuration_of_a_thousand_nodes(disk: Disks, tmp_path: Path) -> None:
    section = ClusterSection(subnet=IPv4Network("10.0.0.0/16"))
    plan = resolve(Cluster(cluster=section, workers=(WorkerGroup(name="n[1-1000]"),)))
    keyring = disk.keyring
    path = tmp_path / "config"
    hosts = {"head": keyring.hosts["head"]}
    path.write_text(
        render(plan, attrs.evolve(keyring, hosts=hosts), "head").content("/etc/ssh/ssh_config.d/10-pibramble.conf")
    )
    done = read(["ssh", "-G", "-F", str(path), "n1000"])
    assert "hostname 10.0.3.233" in done.stdout
