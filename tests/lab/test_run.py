"""`pibramble run` and `pibramble jobs` on a lab: programs that behave."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pibramble.errors import Exit
from pibramble.operate.record import load_all
from tests.lab.conftest import LabCluster

pytestmark = pytest.mark.lab

EXAMPLES = Path(__file__).parents[2] / "examples"
CPI = str(EXAMPLES / "cpi.c")
WORKERS = {"zero1", "zero2", "zero3", "zero4", "aplus"}


def test_pi_is_computed_by_all_workers_to_fifteen_digits(lab_cluster: LabCluster) -> None:
    done = lab_cluster.pibramble("run", CPI, "20000000")
    assert done.returncode == 0, done.stderr
    assert set(re.findall(r"runs on (\S+)", done.stdout)) == WORKERS
    assert "pi is about 3.1415926535" in done.stdout


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (["hello.c"], "hello from rank 4 of 5 on aplus"),
        (["ring.c", "2"], "the token came back as 20, as it should"),
        (["pingpong.c", "256", "0.02"], "256"),
        (["allreduce.c", "8", "2"], "(5 ranks)"),
    ],
)
def test_every_example_runs(lab_cluster: LabCluster, program: list[str], said: str) -> None:
    done = lab_cluster.pibramble("run", str(EXAMPLES / program[0]), *program[1:])
    assert done.returncode == 0, done.stderr
    assert said in done.stdout


def test_what_was_compiled_and_sent_once_is_neither_again(lab_cluster: LabCluster, tmp_path: Path) -> None:
    source = tmp_path / "once.c"
    source.write_text((EXAMPLES / "hello.c").read_text() + f"/* {tmp_path} */\n")
    first = lab_cluster.pibramble("run", str(source))
    assert "compiling once.c" in first.stderr
    assert "sending once" in first.stderr
    again = lab_cluster.pibramble("run", str(source))
    assert again.returncode == 0
    assert again.stderr == ""


def test_ranks_and_nodes_are_the_person_s_choice(lab_cluster: LabCluster) -> None:
    done = lab_cluster.pibramble("run", "-w", "zero[1-3]", "-x", "zero2", "--ppn", "2", "-n", "3", "hostname")
    assert sorted(done.stdout.split()) == ["zero1", "zero1", "zero3"]


def test_the_head_computes_when_asked_and_meets_the_workers_on_their_network(lab_cluster: LabCluster) -> None:
    done = lab_cluster.pibramble("run", "--with-head", "-x", "aplus", str(EXAMPLES / "ring.c"))
    assert done.returncode == 0, done.stderr
    assert "over 5 ranks" in done.stdout
    assert "as it should" in done.stdout


def test_more_ranks_than_cores_is_said_and_done(lab_cluster: LabCluster) -> None:
    done = lab_cluster.pibramble("run", "-n", "7", "hostname")
    assert len(done.stdout.split()) == 7
    assert "7 ranks share 5 cores" in done.stderr


def test_variables_reach_every_rank(lab_cluster: LabCluster) -> None:
    done = lab_cluster.pibramble("run", "--env", "GREETING=good day; you", "-n", "3", "printenv", "GREETING")
    assert done.stdout.splitlines() == ["good day; you"] * 3


def test_arguments_arrive_as_they_are(lab_cluster: LabCluster) -> None:
    words = ["two words", "a'b", "$HOME", "*", "-n", "--", ":x", "ü"]
    done = lab_cluster.pibramble("run", "-n", "1", "printf", "%s\\n", *words)
    assert done.stdout.splitlines() == words


def test_standard_input_that_nobody_reads_holds_nothing_up(lab_cluster: LabCluster) -> None:
    assert lab_cluster.pibramble("run", "-n", "2", "true", stdin="x" * 3_000_000).returncode == 0


def test_compiler_errors_are_shown_as_they_are(lab_cluster: LabCluster, tmp_path: Path) -> None:
    source = tmp_path / "wrong.c"
    source.write_text("int main(void) { return nothing; }\n")
    done = lab_cluster.pibramble("run", str(source))
    assert done.returncode == Exit.FAILED
    assert "wrong.c:1:25: error:" in done.stderr


def test_compiler_arguments_are_passed_on(lab_cluster: LabCluster, tmp_path: Path) -> None:
    source = tmp_path / "flag.c"
    source.write_text("#include <stdio.h>\nint main(void) { puts(WORD); return 0; }\n")
    done = lab_cluster.pibramble("run", "-n", "1", "--cc-args", "-DWORD='\"as told\"'", str(source))
    assert done.stdout == "as told\n", done.stderr


def test_a_program_for_another_architecture_is_refused_before_it_is_sent(
    lab_cluster: LabCluster, tmp_path: Path
) -> None:
    program = tmp_path / "cpi"
    header = bytearray(Path("/bin/sh").read_bytes()[:64])
    header[18:20] = (183).to_bytes(2, "little")  # e_machine: AArch64
    program.write_bytes(bytes(header))
    program.chmod(0o755)
    done = lab_cluster.pibramble("run", str(program))
    assert done.returncode == Exit.WRONG
    assert "is a program for 64-bit ARM; it does not run on" in done.stderr
    assert "64-bit x86" in done.stderr
    assert "sending" not in done.stderr


@pytest.mark.parametrize("name", ["nosuch", "./nosuch", "nosuch.c", "/", "/etc/passwd"])
def test_what_is_no_program_exits_with_two_and_says_why(lab_cluster: LabCluster, name: str) -> None:
    done = lab_cluster.pibramble("run", name)
    assert done.returncode == Exit.WRONG
    assert name in done.stderr


def test_every_job_leaves_a_record(lab_cluster: LabCluster) -> None:
    lab_cluster.pibramble("run", "-n", "2", "sh", "-c", "echo out; echo err >&2; exit 4")
    last = json.loads(lab_cluster.pibramble("jobs", "last", "--json").stdout)
    assert last["command"][0] == "sh"
    assert (last["state"], last["exit_code"], last["nodes"]) == ("ended", 4, ["zero1", "zero2"])
    output = lab_cluster.pibramble("jobs", last["id"], "--output")
    assert (output.stdout, output.stderr) == ("out\nout\n", "err\nerr\n")
    assert last["id"] in lab_cluster.pibramble("jobs").stdout
    assert last["id"] in [record.id for record in load_all(lab_cluster.folder / "jobs")]


def test_jobs_on_a_cluster_that_is_not_up_says_so(new_cluster: LabCluster) -> None:
    assert new_cluster.pibramble("run", "hostname").returncode == Exit.NOT_UP
    assert new_cluster.pibramble("jobs").returncode == 0
