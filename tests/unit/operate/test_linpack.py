"""Linpack by hpcc: how large, told how, and what its report says."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pibramble.errors import PibrambleError
from pibramble.operate import linpack
from pibramble.operate.elf import Abi
from pibramble.operate.linpack import BLOCK, Ready, Share, Size, judge, size

ZERO = Share(1, 512 << 20)
SHARES = {"zero1": ZERO, "zero2": ZERO}
SHELL = Path("/bin/sh").read_bytes()[:52].hex()
HERE = Abi.read(bytes.fromhex(SHELL))


def said(*programs: str, free_kb: int = 400_000) -> str:
    return "".join(f"{line}\n" for line in (*programs, f"abi {SHELL}", f"free_kb {free_kb}"))


HAS_IT = said("hpcc libmpich.so.12")
HAS_NONE = said()


def test_a_small_board_gets_a_problem_of_its_size_not_of_whole_gigabytes() -> None:
    problem = size(1, 400_000 * 1024)
    assert problem == Size(5520, 1, 1)
    assert problem.equations**2 * 8 < 0.6 * 400_000 * 1024


def test_more_boards_hold_more() -> None:
    assert size(4, 400_000 * 1024) == Size(11_040, 2, 2)


@pytest.mark.parametrize(("ranks", "grid"), [(1, (1, 1)), (2, (1, 2)), (6, (2, 3)), (7, (1, 7)), (16, (4, 4))])
def test_ranks_stand_in_a_grid_as_square_as_can_be(ranks: int, grid: tuple[int, int]) -> None:
    problem = size(ranks, 1 << 28)
    assert (problem.rows, problem.columns) == grid


def test_no_memory_is_said() -> None:
    with pytest.raises(PibrambleError, match="no memory"):
        size(1, 1000)


def test_the_board_with_the_least_memory_decides() -> None:
    answers = {"zero1": HAS_IT, "zero2": said("hpcc libmpich.so.12", free_kb=200_000)}
    ready = judge(answers, SHARES, {}, one_machine=False)
    assert (ready.reason, ready.bytes_a_rank) == ("", 200_000 * 1024)


def test_cores_of_one_board_and_nodes_of_one_machine_share_memory() -> None:
    fast = Share(4, 512 << 20)
    assert judge({"fast": HAS_IT}, {"fast": fast}, {}, one_machine=False).bytes_a_rank == 400_000 * 1024 // 4
    assert judge(dict.fromkeys(SHARES, HAS_IT), SHARES, {}, one_machine=True).bytes_a_rank == 400_000 * 1024 // 2


def test_a_lab_on_a_large_machine_takes_no_more_memory_than_its_boards_would_have() -> None:
    large = said("hpcc-hpl libmpi.so.12", free_kb=64_000_000)
    ready = judge(dict.fromkeys(SHARES, large), SHARES, {}, one_machine=True)
    assert ready.bytes_a_rank == 512 << 20


@pytest.mark.parametrize("library", ["libmpich.so.12", "libmpi.so.12"])
def test_linpack_alone_is_taken_before_all_of_hpcc(library: str) -> None:
    both = said(f"hpcc-hpl {library}", f"hpcc {library}")
    assert judge(dict.fromkeys(SHARES, both), SHARES, {}, one_machine=False).program == "hpcc-hpl"
    ready = judge(dict.fromkeys(SHARES, said(f"hpcc {library}")), SHARES, {}, one_machine=False)
    assert ready.runs_all
    assert ready.arguments(Size(80, 1, 2))[0] == "-c"


def test_what_was_made_here_is_brought_to_nodes_of_its_kind_only() -> None:
    assert HERE
    mine, other = Path("here/hpcc-hpl"), Path("there/hpcc-hpl")
    answers = dict.fromkeys(SHARES, said("hpcc libmpi.so.40"))
    assert judge(answers, SHARES, {HERE: mine}, one_machine=True).program == str(mine)
    soft = Abi("ARM", 32, float_abi="soft")
    assert "another MPI" in judge(answers, SHARES, {soft: other}, one_machine=True).reason
    assert Ready(program=str(mine)).arguments(Size(80, 1, 2)) == (
        linpack.input_file(Size(80, 1, 2)).replace("\n", "|"),
    )


def test_the_newest_that_was_made_here_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIBRAMBLE_CACHE", str(tmp_path))
    assert linpack.built_here() == {}
    for time_s, key in ((2_000_000_000, "b"), (1_000_000_000, "a")):
        file = tmp_path / "hpcc" / key / "hpcc-hpl"
        file.parent.mkdir(parents=True)
        file.write_bytes(Path("/bin/sh").read_bytes())
        os.utime(file, (time_s, time_s))
    assert linpack.built_here() == {HERE: tmp_path / "hpcc" / "b" / "hpcc-hpl"}


def test_where_it_is_missing_the_script_that_makes_it_is_told() -> None:
    ready = judge({"zero1": HAS_IT, "zero2": HAS_NONE}, SHARES, {}, one_machine=False)
    assert ready.reason.startswith("there is no hpcc on zero2: `scripts/build-hpcc`, in a checkout")


def test_on_old_boards_debian_s_own_package_will_do() -> None:
    header = bytearray(52)
    header[:6], header[16], header[18], header[36:40] = b"\x7fELF\x01\x01", 2, 40, (0x200).to_bytes(4, "little")
    ready = judge({"zero2": f"abi {header.hex()}\nfree_kb 1\n"}, {"zero2": ZERO}, {}, one_machine=False)
    assert ready.reason == (
        "there is no hpcc on zero2: `pibramble exec -w zero2 -- sudo apt-get install -y hpcc`"
    )  # fmt: skip


def test_an_hpcc_for_another_mpi_would_run_every_rank_alone_and_is_left_alone() -> None:
    ready = judge(dict.fromkeys(SHARES, said("hpcc libmpi.so.40")), SHARES, {}, one_machine=False)
    assert "zero[1-2] is built for another MPI (libmpi.so.40)" in ready.reason


def test_the_input_has_hpcc_s_lines_in_hpcc_s_order() -> None:
    lines = linpack.input_file(Size(800, 2, 3)).splitlines()
    assert len(lines) == 36
    assert (lines[5], lines[7], lines[10], lines[11]) == ("800 N", f"{BLOCK} NB", "2 P", "3 Q")
    assert lines[31].startswith("#####")  # "line 32 is ignored", says its example


REPORT = """\
||Ax-b||_oo/(eps*(||A||_oo*||x||_oo+||b||_oo)*N)=        0.0041 ...... {verdict}
Finished      1 tests with the following results:
              {right} tests completed and passed residual checks,
              {wrong} tests completed and failed residual checks,
HPL_Tflops=0.00213
HPL_time=1.5
HPL_N=1600
HPL_NB=80
HPL_nprow=1
HPL_npcol=2
"""


def test_the_report_is_read() -> None:
    found = linpack.read(REPORT.format(verdict="PASSED", right=1, wrong=0))
    assert found.gflops == pytest.approx(2.13)
    assert str(found) == "N = 1,600, NB = 80, P x Q = 1 x 2: 1.5 s, residual 0.0041 PASSED"


@pytest.mark.parametrize(
    "report", [REPORT.format(verdict="FAILED", right=0, wrong=1), "HPL_Tflops=0.5\n", "", "no such host\n"]
)
def test_the_report_of_a_wrong_result_is_refused(report: str) -> None:
    with pytest.raises(PibrambleError, match="right result"):
        linpack.read(report)


@pytest.mark.skipif(shutil.which("hpcc") is None, reason="Debian's hpcc is not installed")
def test_debian_s_hpcc_takes_our_input_and_we_read_its_report(tmp_path: Path) -> None:
    ready = judge(dict.fromkeys(SHARES, HAS_IT), SHARES, {}, one_machine=False)
    done = subprocess.run(
        ["sh", *ready.arguments(Size(2 * BLOCK, 1, 1))], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert linpack.read(done.stdout).gflops > 0
