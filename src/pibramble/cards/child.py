"""A program that works for minutes: it ends with us, its children and all, however we end."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pibramble import proc

_STOP_S = 60  # to remove what it has made
# The group is told, not the one process: mmdebstrap's own ignores signals and leaves it to its children to clean up.
# And the kernel tells it when we are killed and can tell nobody.
_ON_TERM = """trap 'trap : TERM; kill -TERM 0; wait' TERM; "$@" & wait $!"""
_ENDED_WITH_US = ("setpriv", "--pdeathsig", "TERM", "--", "sh", "-c", _ON_TERM, "sh")


@contextmanager
def running(argv: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:  # noqa: ANN401 (Popen's own)
    """Start a program; whatever of it still runs when the block ends is told to stop, then killed."""
    child = proc.start([*_ENDED_WITH_US, *argv], stdin=subprocess.DEVNULL, process_group=0, **options)
    try:
        yield child
    finally:
        _stop(child)


def _stop(child: subprocess.Popen[bytes]) -> None:
    """End it if it still runs: Ctrl-C, a full disk where its log goes."""
    if child.poll() is not None:
        return
    os.killpg(child.pid, signal.SIGTERM)
    try:
        child.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
