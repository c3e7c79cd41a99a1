"""A lab of 64 nodes beside Mininet with 64 hosts.

Ours: `pibramble up --no-connect` from start to end, after which sshd listens in each of 64 nodes (a head and 63
workers), every wire is shaped, the firewall loaded; keys are there already. A second row is plain `pibramble up`, which
also opens an SSH connection to every node: Mininet has nothing like it. Mininet: its Python starting until its hosts
are up on one Linux bridge; no sshd, no process or file-system namespaces, no shaping.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

from common import Lab, Row, alone, alternate

_NODES = 64
_ROUNDS = 5
_MININET = str(Path(__file__).with_name("mininet_up.py"))
_STOP_TIMEOUT_S = 60


def mininet() -> float:
    """Bring Mininet up and down; return how long the way up took."""
    argv = ["/usr/bin/python3", _MININET, str(_NODES)]
    began = time.perf_counter()
    # A session of its own: Mininet stops by signalling its process group.
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True) as it:
        said = it.stdout.readline() if it.stdout else ""
        taken = time.perf_counter() - began
        it.communicate(timeout=_STOP_TIMEOUT_S)
    if said != "up\n":
        message = "Mininet did not come up: `make bench` installs it (and it needs root)"
        raise RuntimeError(message)
    return taken


def measure() -> list[Row]:
    """Return the table's rows."""
    with tempfile.TemporaryDirectory(prefix="pibramble-bench-") as folder:
        bench = Lab(Path(folder), _NODES - 1)

        def ours(*options: str) -> float:
            taken = bench.pibramble("up", *options)
            bench.pibramble("down")
            return taken

        sides = {"nodes": lambda: ours("--no-connect"), "connected": ours, "Mininet": mininet}
        all_ = alternate(sides, _ROUNDS)
    return [
        Row(f"lab of {_NODES} nodes up, sshd answering in each", all_["nodes"], all_["Mininet"], 0.6),
        Row("the same, and a connection open to each", all_["connected"], all_["Mininet"]),
    ]


if __name__ == "__main__":
    alone(measure)
