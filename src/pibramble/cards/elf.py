"""Which processors a program is for, from its ELF header and, on 32-bit ARM, from its build attributes.

The names `armhf` and `arm` do not tell: Debian's armhf is for ARMv7, Raspberry Pi OS' for ARMv6 as well. The tag does.
Sources: the ELF specification; "ELF for the Arm Architecture" and "Addenda to, and Errata in, the ABI for the Arm
Architecture" (Arm IHI 0044 and 0045).
"""

from __future__ import annotations

import struct
from enum import StrEnum

import attrs

from pibramble.catalog.model import Architecture

_MACHINES = {3: "i386", 8: "mips", 40: "arm", 62: "amd64", 183: "arm64", 243: "riscv64"}
_ARM_ATTRIBUTES = 0x7000_0003  # SHT_ARM_ATTRIBUTES
_HARD_FLOAT = 0x400  # EF_ARM_ABI_FLOAT_HARD
_TAG_FILE, _TAG_CPU_ARCH, _TAG_COMPATIBILITY = 1, 6, 32
_TEXT_TAGS = {4, 5, 32, 65, 67}  # names; of higher tags the odd ones are texts
_FIRST_BY_PARITY = 64
# Tag_CPU_arch: what an ARM1176 of a Zero or Pi 1 (ARMv6KZ) runs: up to v6, v6KZ and v6K. v6T2 (8) has Thumb-2.
_FOR_ARMV6 = {*range(8), 9}
_ARMV7 = 10


class Abi(StrEnum):
    """A system's programs, by Debian's name for them."""

    ARMEL = "armel"
    ARMHF = "armhf"
    ARM64 = "arm64"


@attrs.frozen
class Binary:
    """What a program asks for."""

    abi: Abi
    least: Architecture  # the oldest processor in the catalogue that runs it


class ElfError(ValueError):
    """No program for any board; the text says what it is instead."""


def read(data: bytes) -> Binary:
    """Return what a program asks for. Raises ElfError."""
    if data[:4] != b"\x7fELF":
        raise ElfError("no program at all")
    try:
        return _read(data)
    except (struct.error, IndexError):
        raise ElfError("a damaged program") from None


def _read(data: bytes) -> Binary:
    machine = _MACHINES.get(struct.unpack_from("<H", data, 18)[0], "another processor")
    if machine == "arm64":
        return Binary(Abi.ARM64, Architecture.ARM64)
    if machine != "arm":
        message = f"programs for {machine}"
        raise ElfError(message)
    (flags,) = struct.unpack_from("<I", data, 36)
    cpu = _cpu_arch(_attributes_section(data))
    if cpu > _ARMV7:
        message = f"32-bit programs for a newer ARM than v7 (Tag_CPU_arch {cpu})"
        raise ElfError(message)
    least = Architecture.ARMV6 if cpu in _FOR_ARMV6 else Architecture.ARMV7
    return Binary(Abi.ARMHF if flags & _HARD_FLOAT else Abi.ARMEL, least)


def _attributes_section(data: bytes) -> bytes:
    """Return the content of .ARM.attributes; nothing where there is none: then the program asks for nothing special."""
    (sections_at,) = struct.unpack_from("<I", data, 32)
    entry_bytes, count = struct.unpack_from("<HH", data, 46)
    for number in range(count):
        at = sections_at + number * entry_bytes
        kind, _, _, offset, size = struct.unpack_from("<IIIII", data, at + 4)
        if kind == _ARM_ATTRIBUTES:
            return data[offset : offset + size]
    return b""


def _cpu_arch(section: bytes) -> int:
    """Return Tag_CPU_arch of the file; 0 (before v4) where it is not given."""
    if section[:1] != b"A":
        return 0
    at = 1
    while at + 5 <= len(section):
        (length,) = struct.unpack_from("<I", section, at)
        vendor, _, body = section[at + 4 : at + length].partition(b"\0")
        if vendor == b"aeabi" and body and body[0] == _TAG_FILE:
            (size,) = struct.unpack_from("<I", body, 1)
            return _tag(body[5:size], _TAG_CPU_ARCH)
        at += max(length, 5)
    return 0


def _tag(attributes: bytes, wanted: int) -> int:
    at = 0
    while at < len(attributes):
        tag, at = _uleb128(attributes, at)
        if tag == _TAG_COMPATIBILITY:
            _, at = _uleb128(attributes, at)
        if tag in _TEXT_TAGS or (tag > _FIRST_BY_PARITY and tag % 2):
            at = attributes.index(b"\0", at) + 1
            continue
        value, at = _uleb128(attributes, at)
        if tag == wanted:
            return value
    return 0


def _uleb128(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if not data[at - 1] & 0x80:
            return value, at
