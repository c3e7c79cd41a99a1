"""`pibramble ssh` and the completion script, on a lab."""

from __future__ import annotations

import os
import pty
import subprocess

import pytest

from tests.lab.conftest import LabCluster

pytestmark = pytest.mark.lab


def test_a_command_runs_and_its_exit_code_is_ssh_s(lab_cluster: LabCluster) -> None:
    done = lab_cluster.pibramble("ssh", "zero2", "hostname; exit 7")
    assert (done.stdout, done.returncode) == ("zero2\n", 7)


def test_standard_input_is_passed(lab_cluster: LabCluster) -> None:
    assert lab_cluster.pibramble("ssh", "aplus", "tr", "a-z", "A-Z", stdin="loud").stdout == "LOUD"


def test_a_terminal_gets_a_shell_on_the_node(lab_cluster: LabCluster) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        lab_cluster.argv("ssh", "zero3"), env=lab_cluster.environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    os.write(ours, b"echo on $(hostname) with $(tty); exit 5\n")
    said = b""
    try:
        while chunk := os.read(ours, 4096):
            said += chunk
    except OSError:  # Linux ends a terminal that nobody holds any more with EIO
        pass
    assert process.wait(10) == 5
    assert b"on zero3 with /dev/pts/" in said


@pytest.mark.parametrize(
    ("words", "says"),
    [(["zero1,zero2"], "is 2 nodes"), (["zero7"], "there is no node"), ([], "Missing argument")],
)
def test_what_makes_no_sense_is_refused(lab_cluster: LabCluster, words: list[str], says: str) -> None:
    done = lab_cluster.pibramble("ssh", *words)
    assert done.returncode == 2
    assert says in done.stderr


def complete(cluster: LabCluster, line: str) -> list[str]:
    """Return what bash would offer at the end of this line."""
    environment = {
        **cluster.environment,
        "_PIBRAMBLE_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
        "PIBRAMBLE_FILE": str(cluster.file),
    }
    argv = [word for word in cluster.argv() if word not in {"-f", str(cluster.file)}]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    return [answer.partition(",")[2] for answer in done.stdout.splitlines()]


def test_nodes_and_groups_are_completed(lab_cluster: LabCluster) -> None:
    assert complete(lab_cluster, "pibramble exec -w zero") == ["zero1", "zero2", "zero3", "zero4"]
    assert complete(lab_cluster, "pibramble exec -w zero1,ap") == ["zero1,aplus"]
    assert complete(lab_cluster, "pibramble exec -w @us") == ["@usb"]
    assert complete(lab_cluster, "pibramble ssh h") == ["head"]
    assert "exec" in complete(lab_cluster, "pibramble e")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_is_the_shell_s_own(lab_cluster: LabCluster, shell: str) -> None:
    done = lab_cluster.pibramble("completion", shell)
    assert done.returncode == 0
    assert "_PIBRAMBLE_COMPLETE" in done.stdout
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=done.stdout, text=True, check=True)
