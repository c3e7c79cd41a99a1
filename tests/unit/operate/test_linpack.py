"""Linpack by hpcc: how large, told how, and what its report says."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from pibramble.errors import PibrambleError
from pibramble.operate import linpack
from pibramble.operate.linpack import BLOCK, Size, judge, size

HAS_IT = "hpcc libmpich.so\nfree_kb 400000\n"
CORES = {"zero1": 1, "zero2": 1}


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
    ready = judge({"zero1": HAS_IT, "zero2": "hpcc libmpich.so\nfree_kb 200000\n"}, CORES, one_machine=False)
    assert (ready.reason, ready.bytes_a_rank) == ("", 200_000 * 1024)


def test_cores_of_one_board_and_nodes_of_one_machine_share_memory() -> None:
    assert judge({"fast": HAS_IT}, {"fast": 4}, one_machine=False).bytes_a_rank == 400_000 * 1024 // 4
    assert judge(dict.fromkeys(CORES, HAS_IT), CORES, one_machine=True).bytes_a_rank == 400_000 * 1024 // 2


def test_where_it_is_missing_the_line_that_installs_it_is_told() -> None:
    ready = judge({"zero1": HAS_IT, "zero2": "hpcc none\n"}, CORES, one_machine=False)
    assert ready.reason == (
        "there is no hpcc on zero2: `pibramble exec -w zero2 -- sudo apt-get install -y hpcc`"
    )  # fmt: skip


def test_an_hpcc_for_another_mpi_would_run_every_rank_alone_and_is_left_alone() -> None:
    ready = judge(dict.fromkeys(CORES, "hpcc libmpi.so\nfree_kb 1\n"), CORES, one_machine=False)
    assert "zero[1-2] is built for another MPI (libmpi.so)" in ready.reason


def test_the_input_has_hpcc_s_lines_in_hpcc_s_order() -> None:
    lines = linpack.input_file(Size(800, 2, 3)).splitlines()
    assert len(lines) == 36
    assert (lines[5], lines[7], lines[10], lines[11]) == ("800 N", f"{BLOCK} NB", "2 P", "3 Q")
    assert lines[31].startswith("#####")  # "line 32 is ignored", says its example


def test_the_report_of_a_wrong_result_is_refused() -> None:
    report = " 0 tests completed and failed residual checks,\nHPL_Tflops=0.5\n"
    with pytest.raises(PibrambleError, match="right result"):
        linpack.read(report)


@pytest.mark.skipif(shutil.which("hpcc") is None, reason="hpcc is not installed")
def test_the_real_hpcc_takes_our_input_and_we_read_its_report(tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", *linpack.arguments(Size(2 * BLOCK, 1, 1))], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert linpack.read(done.stdout) > 0
