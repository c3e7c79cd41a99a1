"""What a person can name to be run, and what is said when it cannot."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pibramble.errors import MissingError, UsageError
from pibramble.operate import programs
from pibramble.operate.elf import Abi
from pibramble.operate.facts import Facts, check_alike
from pibramble.operate.mpi import Mpich
from pibramble.operate.programs import Command, Executable, Source, find

MPICH = Mpich("5.0.2", "ch4:ofi")
ZERO = Abi("ARM", 32, float_abi="soft")
PC = Abi("x86", 64)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(path: Path, content: bytes, mode: int = 0o755) -> str:
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


def test_a_source_file_is_told_by_its_ending(here: Path) -> None:
    make(here / "cpi.c", b"int main;", 0o644)
    assert find("cpi.c", ["-O3"]) == Source("cpi.c", b"int main;", ("-O3",))


def test_an_executable_is_taken_as_it_is(here: Path) -> None:
    make(here / "go", b"#!/bin/sh\n")
    assert find("./go") == Executable("go", b"#!/bin/sh\n")


def test_a_name_that_is_no_file_is_a_program_of_the_nodes(here: Path) -> None:  # noqa: ARG001
    assert find("hostname") == Command("hostname")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("./missing", "there is no file ./missing"),
        ("missing.c", "there is no file missing.c here"),
        (".", "is a folder"),
        ("./text", "neither a program nor a script"),
        ("./plain", "is not executable"),
    ],
)
def test_what_cannot_be_run_is_refused_with_the_reason(here: Path, name: str, message: str) -> None:
    make(here / "text", b"hello\n")
    make(here / "plain", b"#!/bin/sh\n", stat.S_IRUSR)
    with pytest.raises(UsageError, match=message):
        find(name)


def test_compiler_arguments_need_a_source(here: Path) -> None:
    make(here / "go", b"#!/bin/sh\n")
    with pytest.raises(UsageError, match="nothing to compile"):
        find("./go", ["-O3"])


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(here: Path) -> None:
    make(here / "secret", b"#!/bin/sh\n", 0)
    with pytest.raises(UsageError, match="cannot be read: permission denied"):
        find("./secret")


def test_a_program_for_another_machine_is_refused_with_both_names() -> None:
    amd64 = Path("/bin/sh").read_bytes()
    facts = {name: Facts(MPICH, ZERO) for name in ("zero1", "zero2")}
    with pytest.raises(UsageError, match=r"64-bit \w+; it does not run on zero\[1-2\]: 32-bit ARM, soft-float"):
        programs.check_fits(Executable("cpi", amd64), facts)


def test_a_script_runs_anywhere() -> None:
    programs.check_fits(Executable("go", b"#!/bin/sh\n"), {"zero1": Facts(MPICH, ZERO)})


KILLED = "gcc: fatal error: Killed signal terminated program cc1\ncompilation terminated."


@pytest.mark.parametrize(
    ("code", "said", "message"),
    [
        (137, KILLED, "head ran out of memory while it compiled big.c: its kernel has ended cc1"),
        (137, "gcc: internal compiler error: Killed (program cc1plus)", "its kernel has ended cc1plus"),
        (137, "bash: line 6:   812 Killed                  mpicc -O2 -o ./big ./big.c", "its kernel has ended mpicc"),
        (1, "cc1: out of memory allocating 268435488 bytes after a total of 1437696 bytes", "head ran out of memory"),
        # Somebody else ended it; or it was wrong, and something else was ended meanwhile.
        (1, KILLED, "mpicc on head could not compile big.c"),
        (137, "big.c:1:25: error: 'nothing' undeclared", "mpicc on head could not compile big.c"),
    ],
)
def test_a_compiler_that_ran_out_of_memory_is_told_from_a_source_that_is_wrong(
    code: int, said: str, message: str
) -> None:
    error = programs._complaint(Source("big.c", b"", ()), "head", code, said)  # noqa: SLF001 (what a board without memory answers)
    assert message in error.message
    assert said in (error.hint or "")


def test_a_zero_s_vfp_unit_is_used_though_its_debian_is_soft_float() -> None:
    source = Source("cpi.c", b"", ())
    assert "-mfloat-abi=softfp" in source.flags(ZERO)
    assert source.flags(PC) == ("-O2",)


def test_names_are_quoted_for_the_nodes_shells() -> None:
    assert Executable("a b;c", b"x").path.endswith("/\"'a b;c'")


class TestMpichOfAllNodes:
    def test_is_one(self) -> None:
        assert check_alike({"a": Facts(MPICH, PC), "b": Facts(MPICH, PC)}) == MPICH

    def test_of_two_versions_is_said_in_one_table(self) -> None:
        facts = {f"zero{n}": Facts(Mpich("4.2.1" if n < 3 else "4.0.2", ""), ZERO) for n in range(1, 5)}
        with pytest.raises(MissingError) as error:
            check_alike(facts)
        assert "MPICH 4.2.1" in error.value.hint
        assert "zero[1-2]" in error.value.hint
        assert "zero[3-4]" in error.value.hint

    def test_of_two_word_sizes_cannot_talk(self) -> None:
        with pytest.raises(MissingError, match="word size"):
            check_alike({"zero1": Facts(MPICH, ZERO), "pc": Facts(MPICH, PC)})

    def test_that_is_missing_says_where(self) -> None:
        with pytest.raises(MissingError, match="no MPICH on zero1"):
            check_alike({"zero1": Facts(None, ZERO), "pc": Facts(MPICH, PC)})
