"""A node that dies under a job, and a host file that is far too long. More bad days: test_bad_days_jobs.py."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pibramble.errors import Exit
from pibramble.targets.lab.state import LabState
from tests.lab.conftest import LabCluster

pytestmark = pytest.mark.lab

MPI = """
#include <mpi.h>
#include <stdio.h>
#include <unistd.h>
int main(int argc, char **argv) {
    int rank;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    BODY
    MPI_Finalize();
    return 0;
}
"""
SLEEP = 'printf("rank %d sleeps\\n", rank); fflush(stdout); for (;;) pause();'
LABELLED = "sudo -n grep -lasF PIBRAMBLE_JOB= /proc/[0-9]*/environ; true"


def program(folder: Path, body: str) -> str:
    source = folder / "program.c"
    source.write_text(MPI.replace("BODY", body))
    return str(source)


def left_over(cluster: LabCluster, nodes: str = "@all") -> str:
    """Return what still carries a job's label on these nodes."""
    return cluster.pibramble("exec", "-w", nodes, "--", LABELLED).stdout


def wait_for_line(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if text in line:
            return
    pytest.fail(f"{text!r} was never printed")


def test_a_node_that_dies_in_the_middle_is_named_and_the_job_ends(new_cluster: LabCluster, tmp_path: Path) -> None:
    new_cluster.up()
    process = new_cluster.start("run", program(tmp_path, SLEEP))
    wait_for_line(process, "sleeps")
    state = LabState.load(new_cluster.folder / "lab.json")
    assert state is not None
    state.nodes["zero2"].kill()
    _, said = process.communicate(timeout=60)
    assert process.returncode == Exit.UNREACHABLE
    assert "zero2" in said
    assert left_over(new_cluster, "@all!zero2") == ""


def test_a_host_file_of_a_thousand_lines_is_no_hardship(lab_cluster: LabCluster) -> None:
    lines = "for i in $(seq 1000); do echo zero1:1; done > many; echo zero2:1 >> many"
    run = f"{lines}; mpiexec -launcher ssh -f many -n 2 hostname"
    done = lab_cluster.pibramble("exec", "-w", "@head", "--", run)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("zero1") == 2
