"""What a program is for, held against readelf."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from pibramble.cards import elf
from pibramble.cards.elf import Abi, Binary, ElfError
from pibramble.catalog.model import Architecture
from tests.unit.cards import images


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        (images.elf(cpu=6), Binary(Abi.ARMHF, Architecture.ARMV6)),  # Raspberry Pi OS, 32 bits
        (images.elf(cpu=7), Binary(Abi.ARMHF, Architecture.ARMV6)),  # v6KZ: what a Zero is
        (images.elf(cpu=9), Binary(Abi.ARMHF, Architecture.ARMV6)),  # v6K
        (images.elf(cpu=8), Binary(Abi.ARMHF, Architecture.ARMV7)),  # v6T2: Thumb-2, which a Zero has not
        (images.elf(cpu=10), Binary(Abi.ARMHF, Architecture.ARMV7)),  # Debian's armhf
        (images.elf(cpu=4, hard=False), Binary(Abi.ARMEL, Architecture.ARMV6)),  # Debian's armel: v5TE
        (images.elf(183), Binary(Abi.ARM64, Architecture.ARM64)),
    ],
)
def test_which_boards_run_a_program(program: bytes, expected: Binary) -> None:
    assert elf.read(program) == expected


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (images.elf(62), "programs for amd64"),
        (images.elf(99), "programs for another processor"),
        (images.elf(cpu=14), "newer ARM than v7"),
        (b"#!/bin/sh\n", "no program at all"),
        (b"", "no program at all"),
        (images.elf()[:60], "a damaged program"),
    ],
)
def test_what_runs_on_no_board_is_named(program: bytes, said: str) -> None:
    with pytest.raises(ElfError, match=said):
        elf.read(program)


@pytest.mark.parametrize(("cpu", "called"), [(6, "v6"), (7, "v6KZ"), (8, "v6T2"), (9, "v6K"), (10, "v7")])
def test_the_tests_own_programs_say_to_readelf_what_they_say_to_us(tmp_path: Path, cpu: int, called: str) -> None:
    path = tmp_path / "program"
    path.write_bytes(images.elf(cpu=cpu))
    argv = ["readelf", "--arch-specific", "--file-header", str(path)]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert re.search(rf"Tag_CPU_arch: {called}$", said, re.MULTILINE), said
    assert "hard-float ABI" in said
