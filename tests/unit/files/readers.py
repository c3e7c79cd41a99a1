"""Runs the programs that read node files, away from this machine's own files and interfaces."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

# Last what `make setup-dev` only unpacks: chronyd and gpsd.
_UNPACKED = Path(__file__).parents[3] / ".cache/gps/bin"
_PATH = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin:{_UNPACKED}"


def program(name: str) -> str:
    """Return the path of a system program; without it the test is skipped, and says so."""
    found = shutil.which(name, path=f"{_PATH}:/usr/lib/systemd:/lib/systemd")
    if found is None:
        pytest.skip(f"needs {name}")
    return found


def read(argv: Sequence[str], *, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a reader to its end."""
    return subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=30, check=False)


def apart(script: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a shell script, with `words` as $1 and on, in network and mount namespaces of its own."""
    as_root = [] if os.getuid() == 0 else ["--map-root-user"]
    return read([program("unshare"), "--net", "--mount", *as_root, "sh", "-euc", script, "sh", *words])
