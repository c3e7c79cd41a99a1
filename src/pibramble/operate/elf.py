"""What an ELF header says about the machine that a program was made for (System V ABI, chapter 4)."""

from __future__ import annotations

import struct
from typing import Self

import attrs

HEADER_BYTES = 52  # of a 32-bit header; all that is read here stands within it, also in a 64-bit one

_MAGIC = b"\x7fELF"
_RELOCATABLE = 1  # e_type ET_REL: what `cc -c` makes
_ARM = 40
_FLOAT_HARD = 0x400  # EF_ARM_ABI_FLOAT_HARD, "ELF for the Arm Architecture" 5.2.1
_FLOAT_SOFT = 0x200
_MACHINES = {3: "x86", 8: "MIPS", 20: "PowerPC", 21: "PowerPC", 22: "S/390", _ARM: "ARM", 62: "x86", 183: "ARM",
             243: "RISC-V", 258: "LoongArch"}  # fmt: skip


@attrs.frozen
class Abi:
    """The kind of machine code: a program runs where the node's own /bin/sh is of the same kind."""

    machine: str  # "ARM"
    bits: int
    big_endian: bool = False
    float_abi: str = ""  # "hard" or "soft" on 32-bit ARM, where it decides which libraries fit; "" elsewhere
    linked: bool = True  # false: an object file

    @classmethod
    def read(cls, header: bytes) -> Self | None:
        """Read the first HEADER_BYTES of a file; None if it is no ELF file."""
        if len(header) < HEADER_BYTES or not header.startswith(_MAGIC):
            return None
        bits = {1: 32, 2: 64}.get(header[4])
        if bits is None:
            return None
        order = ">" if header[5] == 2 else "<"  # noqa: PLR2004 (ELFDATA2MSB)
        kind, machine = struct.unpack_from(order + "HH", header, 16)
        float_abi = ""
        if machine == _ARM:
            (flags,) = struct.unpack_from(order + "I", header, 36)
            float_abi = "hard" if flags & _FLOAT_HARD else "soft" if flags & _FLOAT_SOFT else ""
        name = _MACHINES.get(machine, f"machine {machine}")
        return cls(name, bits, order == ">", float_abi, kind != _RELOCATABLE)

    def runs_on(self, node: Abi) -> bool:
        """Say whether a program of this kind runs on a node of that kind."""
        return (
            (self.machine, self.bits, self.big_endian) == (node.machine, node.bits, node.big_endian)
            and (not self.float_abi or not node.float_abi or self.float_abi == node.float_abi)
        )  # fmt: skip

    def __str__(self) -> str:
        """Return it as people say it: `32-bit ARM, soft-float`."""
        words = f"{self.bits}-bit {self.machine}"
        if self.big_endian:
            words += ", big-endian"
        return f"{words}, {self.float_abi}-float" if self.float_abi else words
