"""Days on which programs hang, crash and flood, nodes die and disks fill up. Nothing of a job is left on any node."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pibramble.errors import Exit
from pibramble.operate.ending import END_SCRIPT
from pibramble.operate.execute import execute
from pibramble.targets.lab.state import LabState
from tests.lab.conftest import LabCluster
from tests.lab.nodes import kill_node, kill_sshd

pytestmark = pytest.mark.lab

BAD = str(Path(__file__).parent / "programs" / "bad_days.c")

# Every process that carries a job's label, whatever its name is; hydra's proxies carry it, too.
_LABELLED = "grep -lasF PIBRAMBLE_JOB= /proc/[0-9]*/environ"


def left_over(cluster: LabCluster, *without: str) -> str:
    nodes = [node for node in cluster.nodes if node not in without]
    said = execute(cluster.connections, nodes, _LABELLED)
    return "".join(f"{node}: {outcome.stdout.decode()}" for node, outcome in said.items() if outcome.stdout)


@pytest.fixture
def compiled(lab_cluster: LabCluster) -> Iterator[LabCluster]:
    """The lab, with the bad program compiled and on every node; nothing of it may run when the test is over."""
    done = lab_cluster.pibramble("run", BAD)
    assert done.returncode == 0, done.stderr
    yield lab_cluster
    assert left_over(lab_cluster) == ""


def start_and_wait_for_ranks(cluster: LabCluster, *words: str) -> subprocess.Popen[str]:
    """Start a job of five ranks that wait, and return when all of them do."""
    job = cluster.start("run", BAD, *words)
    assert job.stdout
    for _ in range(5):
        line = job.stdout.readline()
        assert "waits" in line, (line, job.communicate())
    return job


def last_job(cluster: LabCluster) -> dict[str, object]:
    record: dict[str, object] = json.loads(cluster.pibramble("jobs", "last", "--json").stdout)
    return record


def test_exit_codes_are_passed_on(compiled: LabCluster) -> None:
    assert compiled.pibramble("run", BAD, "exit", "3").returncode == 3


def test_an_abort_s_code_is_passed_on(compiled: LabCluster) -> None:
    assert compiled.pibramble("run", BAD, "abort", "9").returncode == 9


def test_a_segmentation_fault_is_139_and_names_rank_and_node(compiled: LabCluster) -> None:
    done = compiled.pibramble("run", BAD, "segv")
    assert done.returncode == 139
    assert "rank 1 on zero2 was ended by SIGSEGV" in done.stderr
    assert "[proxy" not in done.stderr  # every proxy's complaint that it was left alone helps nobody


def test_a_program_that_hangs_ends_at_the_time_limit(compiled: LabCluster) -> None:
    done = compiled.pibramble("run", "--timeout", "1.5", BAD, "hang")
    assert done.returncode == Exit.TIMEOUT
    assert "time limit of 1.5 s" in done.stderr
    assert last_job(compiled)["exit_code"] == 124


def test_a_program_that_ignores_all_but_sigkill_ends_at_the_time_limit(compiled: LabCluster) -> None:
    assert compiled.pibramble("run", "--timeout", "1.5", BAD, "deaf").returncode == Exit.TIMEOUT


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_us_ends_every_rank_on_every_node(compiled: LabCluster, number: signal.Signals) -> None:
    job = start_and_wait_for_ranks(compiled, "hang")
    assert left_over(compiled) != ""
    job.send_signal(number)
    _, stderr = job.communicate(timeout=30)
    assert job.returncode == 128 + number
    assert "interrupted" in stderr
    assert "Traceback" not in stderr
    assert last_job(compiled)["reason"] == "it was interrupted"


def test_a_program_that_prints_100_mb_needs_no_memory_for_it(lab_cluster: LabCluster) -> None:
    size = 100_000_000
    script = f"exec head -c {size} /dev/zero"
    # On the head, whose way to us no wire shapes.
    job = subprocess.Popen(
        lab_cluster.argv("run", "-w", "@head", "-n", "1", "sh", "-c", script),
        env=lab_cluster.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    assert job.stdout
    got, peak_kb = 0, 0
    while chunk := job.stdout.read(1 << 20):
        got += len(chunk)
        status = Path(f"/proc/{job.pid}/status").read_text()
        peak_kb = max(peak_kb, int(status.partition("VmHWM:")[2].split()[0]) if "VmHWM:" in status else 0)
    assert job.wait() == 0
    assert got == size
    assert 0 < peak_kb < 60_000
    record = last_job(lab_cluster)
    assert record["output_complete"] is False  # a record keeps the beginning only
    assert (lab_cluster.folder / "jobs" / str(record["id"]) / "stdout").stat().st_size == 32 * 1024 * 1024


def test_output_without_a_newline_appears_at_once(compiled: LabCluster) -> None:
    job = compiled.start("run", BAD, "no-newline")
    assert job.stdout
    began = time.monotonic()
    assert os.read(job.stdout.fileno(), 100) == b"no newline"
    assert time.monotonic() - began < 4  # the program itself goes on for 5 s
    job.send_signal(signal.SIGINT)
    job.communicate(timeout=30)


def test_a_reader_that_leaves_ends_the_job(compiled: LabCluster) -> None:
    job = compiled.start("run", BAD, "flood", "50000000")
    assert job.stdout
    assert job.stdout.read(10) == "x" * 10
    job.stdout.close()
    job.stdout = None
    job.communicate(timeout=30)
    assert last_job(compiled)["reason"] == "nobody reads its output any more"


def test_a_full_disk_costs_the_record_not_the_job(compiled: LabCluster) -> None:
    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))  # write(2) fails from there, as on a full disk

    done = compiled.pibramble("run", BAD, "flood", "1000000", preexec_fn=small_files)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout) == 1_000_000
    assert done.stderr.count("its record is incomplete") == 1
    record = last_job(compiled)
    assert (record["state"], record["exit_code"], record["output_complete"]) == ("ended", 0, False)


def test_a_job_whose_pibramble_is_killed_is_listed_as_lost(compiled: LabCluster) -> None:
    job = start_and_wait_for_ranks(compiled, "hang")
    job.kill()
    job.communicate()
    lost = last_job(compiled)
    assert lost["state"] == "lost"
    assert "lost" in compiled.pibramble("jobs").stdout
    ended = execute(compiled.connections, compiled.nodes, END_SCRIPT, stdin=f"PIBRAMBLE_JOB={lost['id']}\n".encode())
    assert {outcome.exit_code for outcome in ended.values()} == {0}


class TestNodeThatDies:
    def test_in_the_middle_of_a_job_is_named_and_the_job_ends_everywhere(self, new_cluster: LabCluster) -> None:
        new_cluster.up()
        job = start_and_wait_for_ranks(new_cluster, "hang")
        state = LabState.load(new_cluster.folder / "lab.json")
        assert state
        began = time.monotonic()
        os.kill(state.nodes["zero3"].pid, signal.SIGKILL)
        _, stderr = job.communicate(timeout=40)
        assert time.monotonic() - began < 12
        assert job.returncode == Exit.UNREACHABLE
        assert "zero3 was lost" in stderr
        assert left_over(new_cluster, "zero3") == ""
        assert "zero3" in str(last_job(new_cluster)["reason"])

        again = new_cluster.pibramble("run", BAD)
        assert again.returncode == Exit.UNREACHABLE
        assert "zero3 cannot be reached; nothing was started" in again.stderr
        assert new_cluster.pibramble("run", "-x", "zero3", BAD).returncode == 0

    def test_with_its_sshd_only_is_noticed_too(self, new_cluster: LabCluster) -> None:
        new_cluster.up()
        job = start_and_wait_for_ranks(new_cluster, "hang")
        kill_sshd(new_cluster, "aplus")
        _, stderr = job.communicate(timeout=40)
        assert job.returncode == Exit.UNREACHABLE
        assert "aplus was lost" in stderr
        assert left_over(new_cluster, "aplus") == ""

    def test_when_it_is_the_head_nobody_else_is_blamed(self, new_cluster: LabCluster) -> None:
        new_cluster.up()
        job = start_and_wait_for_ranks(new_cluster, "hang")
        kill_node(new_cluster, "head")
        _, stderr = job.communicate(timeout=40)
        assert job.returncode == Exit.UNREACHABLE
        assert "head was lost: its first process has died" in stderr
        assert not any(f"{node}: " in stderr for node in ("zero1", "zero2", "zero3", "zero4", "aplus"))
