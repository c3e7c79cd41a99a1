"""The start of an MPI job of 16 ranks on 16 nodes, beside the same `mpiexec` over plain ssh.

The program does nothing but MPI_Init and MPI_Finalize. Ours is the whole of `pibramble run`, record and checks
included; the rival is `mpiexec` on the head with the program in place already on every node, each connection made anew.
"""

from __future__ import annotations

from pathlib import Path

from common import Lab, Row, alone, alternate, lab

_RANKS = 16
_ROUNDS = 7
_SOURCE = str(Path(__file__).with_name("empty.c"))
_PLAIN_SSH = '#!/bin/sh\nexec ssh -o ControlMaster=no -o ControlPath=none "$@"\n'


def prepare(bench: Lab) -> None:
    """Put the program onto every node, and onto the head an ssh that does not share connections."""
    (bench.folder / "plain-ssh").write_text(_PLAIN_SSH)
    (bench.folder / "plain-ssh").chmod(0o755)
    bench.pibramble("copy", _SOURCE, "plain-ssh", "head:/tmp/")
    bench.on_head("mpicc", "-O2", "-o", "/tmp/empty", "/tmp/empty.c")
    for number in range(1, _RANKS + 1):
        bench.on_head("scp", "-q", "/tmp/empty", f"zero{number}:/tmp/")


def mpiexec(bench: Lab, *, opened: bool) -> float:
    """Start the program with hydra alone."""
    hosts = ",".join(f"zero{number}" for number in range(1, _RANKS + 1))
    launcher = [] if opened else ["-launcher-exec", "/tmp/plain-ssh"]
    argv = ["mpiexec", "-launcher", "ssh", *launcher, "-hosts", hosts, "-n", str(_RANKS), "/tmp/empty"]
    return bench.on_head(*argv)


def measure() -> list[Row]:
    """Return the table's rows."""
    with lab(_RANKS) as bench:
        prepare(bench)
        taken = alternate(
            {
                "pibramble run": lambda: bench.pibramble("run", "-n", str(_RANKS), _SOURCE),
                "mpiexec, plain ssh": lambda: mpiexec(bench, opened=False),
                "mpiexec, opened": lambda: mpiexec(bench, opened=True),
            },
            _ROUNDS,
        )
    what = f"start of a {_RANKS}-rank job"
    return [
        Row(what, taken["pibramble run"], taken["mpiexec, plain ssh"], 0.4),
        Row(what, taken["pibramble run"], taken["mpiexec, opened"]),
    ]


if __name__ == "__main__":
    alone(measure)
