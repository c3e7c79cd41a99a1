"""What an ELF header says about where a program runs."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest

from pibramble.operate.elf import HEADER_BYTES, Abi


def header(*, bits: int, machine: int, flags: int = 0, kind: int = 2) -> bytes:
    """Make the header of a little-endian program."""
    start = b"\x7fELF" + bytes([1 if bits == 32 else 2, 1, 1]) + bytes(9) + struct.pack("<HH", kind, machine)
    body = start.ljust(36, b"\0") + struct.pack("<I", flags)
    return body.ljust(64, b"\0")[:HEADER_BYTES]


ARMEL = header(bits=32, machine=40, flags=0x5000200)
ARMHF = header(bits=32, machine=40, flags=0x5000400)
ARM64 = header(bits=64, machine=183)
AMD64 = header(bits=64, machine=62)


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (ARMEL, "32-bit ARM, soft-float"),
        (ARMHF, "32-bit ARM, hard-float"),
        (ARM64, "64-bit ARM"),
        (AMD64, "64-bit x86"),
        (header(bits=64, machine=9999), "64-bit machine 9999"),
    ],
)
def test_the_kind_is_named_as_people_name_it(program: bytes, said: str) -> None:
    assert str(Abi.read(program)) == said


@pytest.mark.parametrize(
    ("program", "node", "runs"),
    [
        (ARMEL, ARMEL, True),
        (ARMHF, ARMEL, False),  # its libraries have the other float ABI
        (ARMEL, ARM64, False),
        (AMD64, ARM64, False),
        (header(bits=32, machine=40), ARMHF, True),  # linkers before 2013 did not say
    ],
)
def test_a_program_runs_where_the_shell_is_of_its_kind(program: bytes, node: bytes, *, runs: bool) -> None:
    made_for, is_a = Abi.read(program), Abi.read(node)
    assert made_for
    assert is_a
    assert made_for.runs_on(is_a) is runs


def test_this_python_runs_on_this_machine() -> None:
    with Path(sys.executable).open("rb") as python, Path("/bin/sh").open("rb") as shell:
        own, node = Abi.read(python.read(HEADER_BYTES)), Abi.read(shell.read(HEADER_BYTES))
    assert own
    assert node
    assert own.runs_on(node)


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", b"\x7fELF", b"\x7fELF\x09" + bytes(60), b"MZ" + bytes(60)])
def test_what_is_no_elf_file_is_none(content: bytes) -> None:
    assert Abi.read(content) is None


def test_an_object_file_is_told_from_a_program() -> None:
    thing = Abi.read(header(bits=64, machine=62, kind=1))
    assert thing
    assert not thing.linked
