"""How a job ended, read from hydra's own words (as MPICH 5.0.2 prints them)."""

from __future__ import annotations

from pibramble.operate.mpi import share_out
from pibramble.operate.verdict import judge
from pibramble.plan.resolve import resolve
from pibramble.spec.model import Cluster, WorkerGroup

WORKERS = (WorkerGroup(name="zero[1-2]", board="pi-zero"), WorkerGroup(name="quad", board="pi-zero-2w"))
SHARES = share_out(resolve(Cluster(workers=WORKERS)).workers, None, None)


def banner(node: str, status: int) -> bytes:
    return f"""\
===================================================================================
=   BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES
=   PID 220 RUNNING AT {node}
=   EXIT CODE: {status}
=   CLEANING UP REMAINING PROCESSES
""".encode()


def test_a_segmentation_fault_names_rank_and_node() -> None:
    verdict = judge(255, banner("zero2", 11), b"", SHARES)
    assert (verdict.exit_code, verdict.reason) == (139, "rank 1 on zero2 was ended by SIGSEGV (segmentation fault)")


def test_the_core_dump_flag_is_no_part_of_the_signal() -> None:
    assert judge(139, banner("zero1", 139), b"", SHARES).exit_code == 139


def test_on_a_node_with_several_ranks_it_is_one_of_them() -> None:
    assert judge(255, banner("quad", 8), b"", SHARES).reason.startswith("one of ranks 2-5 on quad was ended by SIGFPE")


def test_the_first_one_counts_the_others_were_ended_because_of_it() -> None:
    verdict = judge(255, banner("zero1", 11) + banner("zero2", 9), b"", SHARES)
    assert "zero1" in verdict.reason


def test_an_illegal_instruction_says_what_it_usually_means() -> None:
    verdict = judge(255, banner("zero1", 4), b"", SHARES)
    assert verdict.exit_code == 132
    assert "newer processor" in verdict.hint


def test_a_program_s_own_exit_code_is_passed_on() -> None:
    verdict = judge(3, b"", b"", SHARES)
    assert (verdict.exit_code, verdict.reason, verdict.explained) == (3, "exit code 3", True)


def test_hydra_s_own_failure_is_not_explained() -> None:
    assert not judge(255, b"", b"[proxy:0@zero1] something (x.c:1)", SHARES).explained


def test_a_program_compiled_elsewhere_lacks_its_library() -> None:
    said = b"./hello: error while loading shared libraries: libmpi.so.12: cannot open shared object file"
    verdict = judge(127, b"", said, SHARES)
    assert verdict.reason == "the nodes have no libmpi.so.12"
    assert "SOURCE.c" in verdict.hint


def test_a_script_whose_interpreter_is_missing_says_so() -> None:
    verdict = judge(127, b"", b"/home/pi/x/go.sh: 1: exec: /home/pi/x/go.sh: not found\n", SHARES)
    assert verdict.reason == "go.sh could not be started: not found"
    assert "#!" in verdict.hint


def test_success_needs_no_reason() -> None:
    assert judge(0, b"EXIT CODE: 11", b"", SHARES).reason == ""
