"""`pibramble copy` as a person meets it, on a lab: nodes with disks of their own."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest

from tests.lab.conftest import LabCluster
from tests.lab.nodes import kill_node, on_node

pytestmark = pytest.mark.lab


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "tool").write_bytes(os.urandom(200_000))
    (folder / "sub" / "tool").chmod(0o755)
    (folder / "it's").write_text("quoted\n")
    return folder


def test_there_and_back_is_the_same(lab_cluster: LabCluster, project: Path, tmp_path: Path) -> None:
    there = lab_cluster.pibramble("copy", str(project), "@workers:there/")
    assert there.returncode == 0, there.stderr
    back = lab_cluster.pibramble("copy", "@workers:there/project", str(tmp_path / "back"))
    assert back.returncode == 0, back.stderr
    for node in lab_cluster.plan.workers:
        copied = tmp_path / "back" / node.name / "project"
        assert (copied / "sub" / "tool").read_bytes() == (project / "sub" / "tool").read_bytes()
        assert (copied / "sub" / "tool").stat().st_mode & 0o777 == 0o755
        assert (copied / "it's").read_text() == "quoted\n"


def test_files_belong_to_the_cluster_s_user(lab_cluster: LabCluster, project: Path) -> None:
    lab_cluster.pibramble("copy", str(project / "it's"), "zero1:mine")
    assert on_node(lab_cluster, "zero1", "stat -c %U:%a mine") == "pi:644\n"


def test_one_file_from_one_node_is_that_file(lab_cluster: LabCluster, tmp_path: Path) -> None:
    done = lab_cluster.pibramble("copy", "zero2:/etc/hostname", str(tmp_path / "name"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "name").read_text() == "zero2\n"


def test_a_full_disk_is_told_and_the_old_file_stays(lab_cluster: LabCluster, tmp_path: Path) -> None:
    on_node(lab_cluster, "zero3", "echo old > keep")
    big = tmp_path / "keep"
    big.write_bytes(os.urandom(900_000))
    free = "df --output=avail -B1 . | tail -n 1"
    filled = f"head -c $(($({free}) - 300000)) /dev/zero > fill"
    on_node(lab_cluster, "zero3", filled)
    try:
        done = lab_cluster.pibramble("copy", str(big), "zero[3-4]:")
        assert done.returncode == 1
        assert re.search(r"zero3: not copied: .*(full|No space left)", done.stderr)
        assert "zero4" not in done.stderr.replace("copy to zero[3-4]", "")
        assert on_node(lab_cluster, "zero3", "cat keep; ls -dA .pib* 2>/dev/null || true") == "old\n"
    finally:
        on_node(lab_cluster, "zero3", "rm fill keep")
    assert on_node(lab_cluster, "zero4", "stat -c %s keep") == "900000\n"


def test_what_cannot_fit_is_not_begun(lab_cluster: LabCluster, tmp_path: Path) -> None:
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.truncate(10**11)
    began = time.monotonic()
    done = lab_cluster.pibramble("copy", str(huge), "aplus:")
    assert done.returncode == 1
    assert "KiB are needed" in done.stderr
    assert time.monotonic() - began < 10


def test_a_folder_without_permission_is_told(lab_cluster: LabCluster, project: Path) -> None:
    done = lab_cluster.pibramble("copy", str(project), "zero1:/etc/")
    assert done.returncode == 1
    assert "zero1: not copied: /etc/: Permission denied" in done.stderr


def test_what_is_missing_on_some_nodes_is_told(lab_cluster: LabCluster, tmp_path: Path) -> None:
    on_node(lab_cluster, "zero1", "echo here > only")
    done = lab_cluster.pibramble("copy", "zero[1-2]:only", str(tmp_path / "got"))
    assert done.returncode == 1
    assert "zero2: not copied: only: no such file or folder" in done.stderr
    assert (tmp_path / "got" / "zero1" / "only").read_text() == "here\n"
    assert not (tmp_path / "got" / "zero2").exists()


def test_ctrl_c_leaves_nothing_on_the_node_and_works_on_a_slow_wire(lab_cluster: LabCluster, tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.write_bytes(b"x" * 3_000_000)  # half a minute on the serial wire
    # sudo leaves a mark in the home folder when it is used first, and ending a command uses it.
    before = on_node(lab_cluster, "aplus", "sudo true; ls -A")
    there = lab_cluster.start("copy", str(big), "aplus:")
    until = time.monotonic() + 10
    while not on_node(lab_cluster, "aplus", "ls -A .pibramble-*/big 2>/dev/null || true"):
        assert time.monotonic() < until
    there.send_signal(signal.SIGINT)
    _, said = there.communicate(timeout=20)
    assert there.returncode == 130
    assert "interrupted" in said
    assert on_node(lab_cluster, "aplus", "ls -A") == before


def test_ctrl_c_leaves_nothing_here(lab_cluster: LabCluster, tmp_path: Path) -> None:
    on_node(lab_cluster, "zero1", "truncate -s 200M long")  # 20 s on the wire
    back = lab_cluster.start("copy", "zero1:long", f"{tmp_path}/here/")
    while not list((tmp_path / "here").glob(".pibramble-*/long")):
        assert back.poll() is None
        time.sleep(0.02)
    back.send_signal(signal.SIGINT)
    back.communicate(timeout=20)
    on_node(lab_cluster, "zero1", "rm long")
    assert back.returncode == 130
    assert list((tmp_path / "here").iterdir()) == []


def test_a_node_that_dies_in_the_middle_is_named_and_the_other_has_it_all(
    new_cluster: LabCluster, tmp_path: Path
) -> None:
    new_cluster.up()
    big = tmp_path / "big"
    big.write_bytes(os.urandom(12_000_000))
    process = new_cluster.start("copy", str(big), "zero[1-2]:")
    until = time.monotonic() + 10
    while not on_node(new_cluster, "zero2", "ls -A .pibramble-*/big 2>/dev/null || true"):
        assert time.monotonic() < until
    kill_node(new_cluster, "zero2")
    _, said = process.communicate(timeout=90)
    assert process.returncode == 5
    assert "zero2: unreachable: the connection was lost" in said
    assert on_node(new_cluster, "zero1", "stat -c %s big") == "12000000\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["here", "there"], "one side of a copy has to be on nodes"),
        (["zero1:a", "zero2:b"], "one side of a copy has to be this machine"),
        (["zero1:a", "zero2:b", "here/"], "all sources have to be on the same nodes"),
        (["/nowhere", "zero1:"], "No such file or directory"),
        (["/etc/hostname", "zero9:"], "there is no node `zero9`"),
        (["/etc/hostname"], "copy what, and to where?"),
        (["zero1:x", "/nowhere/x"], "no such folder"),
    ],
)
def test_what_makes_no_sense_is_refused(lab_cluster: LabCluster, words: list[str], says: str) -> None:
    done = lab_cluster.pibramble("copy", *words)
    assert done.returncode == 2
    assert says in done.stderr
