"""A PC that reaches the cluster through its head: all verbs, and what happens when it is not what it says."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pibramble import keys
from pibramble.errors import Exit
from pibramble.progress import SilentProgress
from pibramble.targets import reasons, sockets
from tests.lab.conftest import XMAS, LabCluster, make_cluster
from tests.lab.heads import Pc, install
from tests.lab.nodes import kill_sshd, on_node

pytestmark = [pytest.mark.lab, pytest.mark.skipif(os.getuid() != 0, reason="a lab without root has no sudo inside")]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabCluster]:
    """A lab with pibramble on its head, for tests that leave it as they found it."""
    made = make_cluster(tmp_path_factory.mktemp("lab"), XMAS)
    made.up()
    install(made)
    yield made
    made.pibramble("down")


@pytest.fixture
def pc(cluster: LabCluster, tmp_path: Path) -> Iterator[Pc]:
    there = Pc.of(cluster, tmp_path / "pc")
    yield there
    there.pibramble("down")


@pytest.fixture
def own_pc(new_cluster: LabCluster, tmp_path: Path) -> Iterator[Pc]:
    """A PC and a lab of the test's own, for tests that break things. Nothing is installed on the head."""
    new_cluster.up()
    there = Pc.of(new_cluster, tmp_path / "pc")
    yield there
    there.pibramble("down")


def up(pc: Pc) -> None:
    done = pc.pibramble("up", "--head", pc.head)
    assert done.returncode == Exit.OK, done.stderr
    assert "head and 5 workers" in done.stderr
    assert "another cluster file" not in done.stderr


def folder_of_sockets(pc: Pc) -> Path:
    return sockets.folder(f"{pc.state}/{pc.cluster.folder.name}/hardware", pc.cluster.folder.name)


def test_every_verb_works_through_the_head(pc: Pc, tmp_path: Path) -> None:
    up(pc)
    status = pc.pibramble("status")
    assert status.returncode == Exit.OK, status.stderr
    assert "target: hardware" in status.stdout
    said = pc.pibramble("exec", "-w", "@all", "hostname").stdout
    assert sorted(said.splitlines()) == sorted(f"{node}: {node}" for node in pc.cluster.nodes)
    assert pc.pibramble("ssh", "aplus", "tr a-z A-Z", stdin="loud").stdout == "LOUD"
    source = str(Path("examples/cpi.c").resolve())
    assert pc.pibramble("copy", source, "zero[1-2]:").returncode == 0
    assert pc.pibramble("copy", "zero1:cpi.c", str(tmp_path / "back.c")).returncode == 0
    assert (tmp_path / "back.c").read_bytes() == Path(source).read_bytes()
    job = pc.pibramble("run", "-n", "3", source, "100000")
    assert job.returncode == 0, job.stderr
    assert "pi is about 3.14159265" in job.stdout


def test_the_head_is_remembered_until_down(pc: Pc) -> None:
    up(pc)
    assert folder_of_sockets(pc).stat().st_mode & 0o777 == 0o700
    again = pc.pibramble("up")
    assert again.returncode == Exit.OK, again.stderr
    down = pc.pibramble("down")
    assert "its boards stay on" in down.stderr
    assert not folder_of_sockets(pc).exists()
    assert pc.pibramble("status").returncode == Exit.NOT_UP
    assert on_node(pc.cluster, "zero1", "hostname") == "zero1\n"


def test_another_head_is_not_reached_over_connections_to_the_old_one(pc: Pc) -> None:
    up(pc)
    done = pc.pibramble("up", "--head", "127.0.0.1:9")
    assert done.returncode == Exit.UNREACHABLE
    assert "127.0.0.1:9: it refuses the connection" in done.stderr
    up(pc)


def test_the_heads_own_connections_are_open_afterwards_for_hydra(pc: Pc) -> None:
    on_node(pc.cluster, "head", "for node in zero1 aplus; do ssh -O exit $node; done")
    up(pc)
    assert "Master running" in on_node(pc.cluster, "head", "ssh -O check zero1 2>&1 && ssh -O check aplus 2>&1")


def test_a_head_without_pibramble_is_used_all_the_same(own_pc: Pc) -> None:
    on_node(own_pc.cluster, "head", "ssh -O exit zero1")
    done = own_pc.pibramble("up", "--head", own_pc.head)
    assert done.returncode == Exit.OK, done.stderr
    assert "head could not check its links: there is no pibramble on it" in done.stderr
    assert "Master running" in on_node(own_pc.cluster, "head", "ssh -O check zero1 2>&1")


def test_a_worker_without_sshd_is_reported_with_what_the_head_sees(own_pc: Pc) -> None:
    install(own_pc.cluster)
    up(own_pc)
    kill_sshd(own_pc.cluster, "zero2")
    status = own_pc.pibramble("status")
    again = own_pc.pibramble("up")
    assert again.returncode == Exit.UNREACHABLE
    assert "zero2: it refuses the connection: sshd does not run there" in again.stderr
    assert "head and 4 of 5 workers" in again.stderr
    assert status.returncode == Exit.UNREACHABLE
    assert "zero2: unreachable" in status.stderr


def test_links_that_the_head_mends_are_told_on_the_pc(pc: Pc) -> None:
    on_node(pc.cluster, "head", "ssh -O exit zero1; sudo ip link set zero1 down")
    done = pc.pibramble("up", "--head", pc.head)
    assert done.returncode == Exit.OK, done.stderr
    assert "zero1: the interface zero1 was down: brought up" in done.stderr


def test_another_cluster_file_on_the_head_is_remarked(own_pc: Pc) -> None:
    install(own_pc.cluster)
    on_node(own_pc.cluster, "head", "sudo sed -i 's/921600/460800/' /etc/pibramble/cluster.toml")
    done = own_pc.pibramble("up", "--head", own_pc.head)
    assert done.returncode == Exit.OK, done.stderr
    assert "works by another cluster file" in done.stderr


def test_no_worker_is_reached_but_through_the_head(pc: Pc) -> None:
    pc.route_to_workers()
    greet = "exec 3<>/dev/tcp/$0/22 && head -c 4 <&3"
    direct = pc.run("timeout", "3", "bash", "-c", greet, "192.168.7.2")
    assert (direct.returncode, direct.stdout) == (124, "")  # the firewall drops it
    assert pc.run("timeout", "3", "bash", "-c", greet, pc.head).stdout == "SSH-"


def test_a_head_that_another_authority_vouches_for_is_refused(pc: Pc) -> None:
    shutil.rmtree(pc.state)
    keys.ensure(pc.cluster.plan, pc.state / pc.cluster.folder.name, SilentProgress())
    done = pc.pibramble("up", "--head", pc.head)
    assert done.returncode == Exit.UNREACHABLE
    assert f"head at {pc.head}: {reasons.STRANGER}" in done.stderr
    assert pc.pibramble("status").returncode == Exit.NOT_UP  # and it is not remembered
    assert not folder_of_sockets(pc).exists()


def test_a_worker_in_the_heads_place_is_refused(own_pc: Pc) -> None:
    """The right authority, but the certificate of another node."""
    rules = f"""
        table ip swap {{
            chain pre {{
                type nat hook prerouting priority dstnat;
                ip daddr {own_pc.head} tcp dport 22 dnat to 192.168.7.2
            }}
        }}
        insert rule inet pibramble forward ip daddr 192.168.7.2 accept
    """
    on_node(own_pc.cluster, "head", f"sudo nft -f - <<'END'\n{rules}\nEND")
    done = own_pc.pibramble("up", "--head", own_pc.head)
    assert done.returncode == Exit.UNREACHABLE
    assert reasons.STRANGER in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["up", "--target", "hardware"], Exit.WRONG, "where is the head of xmas?"),
        (["up", "--patience", "5"], Exit.WRONG, "where is the head?"),
        (["up", "--head", "pi@head"], Exit.WRONG, "is no HOST or HOST:PORT"),
        (["up", "--target", "lab", "--head", "10.0.0.1"], Exit.WRONG, "the lab needs no head"),
        (["up", "--head", "127.0.0.1:9"], Exit.UNREACHABLE, "sshd does not run there"),
        (["up", "--head", "10.213.7.9"], Exit.UNREACHABLE, "nobody answers"),
        (["--target", "hardware", "status"], Exit.NOT_UP, "pibramble up --head HOST"),
    ],
)
def test_what_cannot_be_is_said_in_words(pc: Pc, words: list[str], code: Exit, says: str) -> None:
    done = pc.pibramble(*words)
    assert (done.returncode, says in done.stderr) == (code, True), done.stderr


def test_a_machine_without_the_keys_is_told_so(pc: Pc) -> None:
    shutil.rmtree(pc.state)
    done = pc.pibramble("up", "--head", pc.head)
    assert done.returncode == Exit.MISSING
    assert "its cards carry the keys of the machine they were made on" in done.stderr
