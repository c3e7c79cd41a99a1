"""Limits that the kernel keeps, by control groups: how much memory a command needs, and a disk as slow as an SD card.

Both need root, and a kernel that has these groups (version 1 or 2 of their interface).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_STEP_MB = 10
_MOST_MB = 400
_MB = 1_000_000


def least_memory_mb(argv: Sequence[str], cwd: Path) -> int:
    """Return the least memory, in steps of 10 MB, in which the command succeeds. Raises RuntimeError.

    Peaks of processes would miss what lies in nameless files in memory, and what children need at the same time. A
    limit misses nothing; the page cache may be given back and does not count.
    """
    for limit_mb in range(_STEP_MB, _MOST_MB + 1, _STEP_MB):
        size = str(limit_mb * _MB)
        with _group("memory", {"memory.limit_in_bytes": size}, {"memory.max": size}) as prefix:
            done = subprocess.run([*prefix, *argv], cwd=cwd, capture_output=True, check=False)
        if done.returncode == 0:
            return limit_mb
    message = f"{' '.join(argv)} does not succeed in {_MOST_MB} MB"
    raise RuntimeError(message)


@contextmanager
def slow_disk(file: Path, rate_mb_s: int) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Make a file a disk for the time of the block; yield its name, and the words before a command that slow it down.

    Raises RuntimeError where there are no loop devices.
    """
    made = subprocess.run(
        ["losetup", "--find", "--show", "--direct-io=on", str(file)], capture_output=True, text=True, check=False
    )
    if made.returncode != 0:
        message = f"there is no loop device: {made.stderr.strip()}"
        raise RuntimeError(message)
    disk = made.stdout.strip()
    try:
        number = Path("/sys/block", Path(disk).name, "dev").read_text(encoding="ascii").strip()
        rate = rate_mb_s * _MB
        old = {f"blkio.throttle.{way}_bps_device": f"{number} {rate}" for way in ("read", "write")}
        with _group("blkio", old, {"io.max": f"{number} rbps={rate} wbps={rate}"}) as prefix:
            yield disk, prefix
    finally:
        subprocess.run(["losetup", "--detach", disk], check=True)


@contextmanager
def _group(controller: str, old: dict[str, str], new: dict[str, str]) -> Iterator[tuple[str, ...]]:
    """Make a group with these settings; yield the words before a command that put it there. Raises RuntimeError."""
    for root, settings in ((_ROOT / controller, old), (_ROOT, new)):
        group = root / f"pibramble-bench-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            if all((group / name).exists() for name in settings):
                for name, value in settings.items():
                    (group / name).write_text(value)
                yield ("sh", "-c", f'echo $$ >"{group}/cgroup.procs" && exec "$@"', "sh")
                return
        finally:
            group.rmdir()
    message = f"no limit of {controller} can be set here: that needs root, and control groups that have it"
    raise RuntimeError(message)
