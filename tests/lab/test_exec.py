"""`pibramble exec` as a person meets it, on a lab."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.lab.conftest import LabCluster
from tests.lab.nodes import kill_node, kill_sshd, on_node

pytestmark = pytest.mark.lab

WORKERS = ["zero1", "zero2", "zero3", "zero4", "aplus"]


@pytest.fixture
def broken_cluster(new_cluster: LabCluster) -> LabCluster:
    """A lab that a test may break."""
    new_cluster.up()
    return new_cluster


def still_running(cluster: LabCluster, node: str, marker: str) -> bool:
    """Say whether a process with this marker on its command line runs on the node."""
    found = on_node(cluster, node, f"grep -lsa {marker[:-1]}[{marker[-1]}] /proc/[0-9]*/cmdline || true")
    return bool(found)


def test_every_worker_says_its_name(lab_cluster: LabCluster) -> None:
    done = lab_cluster.pibramble("exec", "hostname")
    assert done.returncode == 0
    assert sorted(done.stdout.splitlines()) == sorted(f"{node}: {node}" for node in WORKERS)
    assert done.stderr == ""


def test_sets_choose_the_nodes(lab_cluster: LabCluster) -> None:
    done = lab_cluster.pibramble("exec", "-w", "zero[1-3],@head", "-x", "zero2", "--", "hostname")
    assert sorted(done.stdout.splitlines()) == ["head: head", "zero1: zero1", "zero3: zero3"]


def test_words_are_read_by_the_node_s_shell_as_with_ssh(lab_cluster: LabCluster) -> None:
    done = lab_cluster.pibramble("exec", "-w", "zero1", "--", "echo", "$USER", "|", "tr", "a-z", "A-Z")
    assert done.stdout == "zero1: PI\n"


def test_the_highest_exit_code_wins_and_the_nodes_are_named(lab_cluster: LabCluster) -> None:
    done = lab_cluster.pibramble("exec", "case $(hostname) in zero1) exit 3 ;; zero*) exit 2 ;; esac")
    assert done.returncode == 3
    assert "pibramble: zero1: exit code 3\n" in done.stderr
    assert "pibramble: zero[2-4]: exit code 2\n" in done.stderr
    assert "aplus" not in done.stderr


def test_errors_of_the_nodes_go_to_standard_error(lab_cluster: LabCluster) -> None:
    done = lab_cluster.pibramble("exec", "-w", "zero1", "echo to me; echo to you >&2")
    assert (done.stdout, done.stderr) == ("zero1: to me\n", "zero1: to you\n")


def test_same_answers_are_gathered(lab_cluster: LabCluster) -> None:
    done = lab_cluster.pibramble("exec", "--gather", "case $(hostname) in zero3) echo odd ;; *) echo same ;; esac")
    rule = "-" * 15
    assert done.stdout == f"{rule}\naplus,zero[1-2,4] (4)\n{rule}\nsame\n{rule}\nzero3\n{rule}\nodd\n"


def test_outcomes_are_there_as_json(lab_cluster: LabCluster) -> None:
    done = lab_cluster.pibramble("exec", "--json", "-w", "zero1,zero2", "hostname; exit 4")
    assert done.returncode == 4
    outcomes = json.loads(done.stdout)
    assert [(one["node"], one["stdout"], one["exit_code"]) for one in outcomes] == [
        ("zero1", "zero1\n", 4),
        ("zero2", "zero2\n", 4),
    ]


def test_standard_input_goes_to_every_node(lab_cluster: LabCluster) -> None:
    done = lab_cluster.pibramble("exec", "sha256sum", stdin="the same for all")
    said = {line.split()[1] for line in done.stdout.splitlines()}
    assert said == {hashlib.sha256(b"the same for all").hexdigest()}
    assert len(done.stdout.splitlines()) == 5


def test_standard_input_is_left_alone_on_request(lab_cluster: LabCluster) -> None:
    argv = " ".join(lab_cluster.argv("exec", "-n", "-w", "zero1", "cat; hostname"))
    script = argv.replace("cat; hostname", "'cat; hostname'")
    loop = f"printf 'one\\ntwo\\n' | while read line; do echo $line; {script}; done"
    done = subprocess.run(["sh", "-c", loop], env=lab_cluster.environment, capture_output=True, text=True, check=True)
    assert done.stdout == "one\nzero1: zero1\ntwo\nzero1: zero1\n"


def test_a_hundred_megabytes_come_through(lab_cluster: LabCluster) -> None:
    """Without a newline, on a wire that carries 10 MB/s; the head's own way is not shaped."""
    argv = lab_cluster.argv("exec", "-w", "head", "head -c 100M /dev/zero")
    process = subprocess.Popen(argv, env=lab_cluster.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.read(6) == b"head: "
    total = most_kib = 0
    while chunk := process.stdout.read(1 << 20):
        total += len(chunk)
        # Not by wait4(2): what it says goes back to before the program was started, so to the memory of these tests.
        said = re.search(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{process.pid}/status").read_text(), re.MULTILINE)
        most_kib = int(said[1]) if said else most_kib
    assert process.wait() == 0
    assert total == 100 * 1024 * 1024 + 1  # and a newline at the end
    assert 0 < most_kib < 100 * 1024  # far from what came through


def test_lines_come_when_they_are_said(lab_cluster: LabCluster) -> None:
    process = lab_cluster.start("exec", "-w", "zero1", "echo first; sleep 2; echo second")
    assert process.stdout is not None
    began = time.monotonic()
    assert process.stdout.readline() == "zero1: first\n"
    first_s = time.monotonic() - began
    assert process.stdout.read() == "zero1: second\n"
    assert time.monotonic() - began - first_s > 1.5
    process.wait()


def test_nobody_reading_ends_the_command_on_the_node(lab_cluster: LabCluster) -> None:
    process = lab_cluster.start("exec", "-w", "zero1", "echo; sleep 1; while echo 71001; do sleep 0.01; done")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    process.wait(10)
    assert not still_running(lab_cluster, "zero1", "71001")


def test_a_time_limit_ends_the_command_and_spares_the_quick(lab_cluster: LabCluster) -> None:
    command = "[ $(hostname) = zero2 ] && sleep 71002; echo done"
    done = lab_cluster.pibramble("exec", "-w", "zero[1-2]", "--timeout", "1", command)
    assert done.returncode == 124
    assert done.stdout == "zero1: done\n"
    assert done.stderr == "pibramble: zero2: timed out after 1 s\n"
    assert not still_running(lab_cluster, "zero2", "71002")


def test_a_root_command_is_ended_too(lab_cluster: LabCluster) -> None:
    done = lab_cluster.pibramble("exec", "-w", "zero1", "--timeout", "1", "sudo -n sleep 71003")
    assert done.returncode == 124, done.stderr
    assert not still_running(lab_cluster, "zero1", "71003")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_signals_end_the_command_on_every_node(lab_cluster: LabCluster, number: signal.Signals, code: int) -> None:
    process = lab_cluster.start("exec", "echo began; sleep 71004")
    assert process.stdout is not None
    for _ in WORKERS:
        process.stdout.readline()
    os.kill(process.pid, number)
    _, said = process.communicate(timeout=20)
    assert process.returncode == code
    assert said == "pibramble: aplus,zero[1-4]: interrupted\n"
    assert not any(still_running(lab_cluster, node, "71004") for node in WORKERS)


def test_a_connection_that_was_lost_is_opened_again(broken_cluster: LabCluster) -> None:
    for node in ("zero1", "zero2"):
        argv = [*broken_cluster.connections.interactive(node), "-O", "exit"]
        subprocess.run(argv, capture_output=True, check=True)
    done = broken_cluster.pibramble("exec", "-w", "zero[1-3]", "hostname")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3


def test_a_node_without_sshd_is_named_with_reason_and_cure(broken_cluster: LabCluster) -> None:
    kill_sshd(broken_cluster, "zero2")
    done = broken_cluster.pibramble("exec", "-w", "zero[1-2]", "hostname")
    assert done.stdout == "zero1: zero1\n"
    assert done.returncode == 5
    assert "zero2: unreachable:" in done.stderr
    assert "Connection refused" in done.stderr


def test_a_node_that_dies_in_the_middle_is_named(broken_cluster: LabCluster) -> None:
    process = broken_cluster.start("exec", "-w", "zero[1-2]", "echo began; [ $(hostname) = zero1 ] || sleep 71005")
    assert process.stdout is not None
    assert {process.stdout.readline(), process.stdout.readline()} == {"zero1: began\n", "zero2: began\n"}
    kill_node(broken_cluster, "zero2")
    _, said = process.communicate(timeout=30)
    assert process.returncode == 5
    assert "zero2: unreachable: the connection was lost while the command ran" in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["exec"], "there is no command to run"),
        (["exec", ""], "there is no command to run"),
        (["exec", "-w", "zero9", "true"], "there is no node `zero9`"),
        (["exec", "-w", "", "true"], "a set of nodes is empty"),
        (["exec", "-w", "zero[", "true"], "is no set of nodes"),
        (["exec", "--timeout", "0", "true"], "x>0"),
        (["exec", "--limit", "none", "true"], "not a valid integer"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_runs(lab_cluster: LabCluster, words: list[str], says: str) -> None:
    done = lab_cluster.pibramble(*words)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stdout == ""


def test_a_cluster_that_is_down_says_so(new_cluster: LabCluster) -> None:
    done = new_cluster.pibramble("exec", "true")
    assert done.returncode == 4
    assert "pibramble up" in done.stderr
