"""The same command on 64 nodes, beside clush and pdsh.

Ours runs on this machine over the connections that `up` opened. clush and pdsh run on the lab's head: as installed,
where each opens its connections itself, and over those same opened connections, which the head's ssh configuration
gives them.
"""

from __future__ import annotations

from collections.abc import Mapping

from common import Lab, Row, alone, alternate, lab

_NODES = 64
_ROUNDS = 7
_PLAIN = "-o ControlMaster=no -o ControlPath=none"
_TARGETS = f"zero[1-{_NODES}]"


def clush(bench: Lab, *, opened: bool) -> float:
    """Run the command with Debian's clush on the head; as many at once as there are nodes."""
    options = [] if opened else ["-o", _PLAIN]
    return bench.on_head("/usr/bin/clush", "-f", str(_NODES), *options, "-w", _TARGETS, "hostname")


def pdsh(bench: Lab, *, opened: bool) -> float:
    """Run the command with Debian's pdsh on the head; as many at once as there are nodes."""
    environment: Mapping[str, str] = {} if opened else {"PDSH_SSH_ARGS_APPEND": _PLAIN}
    argv = ["/usr/bin/pdsh", "-R", "ssh", "-f", str(_NODES), "-w", _TARGETS, "hostname"]
    return bench.on_head(*argv, environment=environment)


def measure() -> list[Row]:
    """Return the table's rows: beside the faster of the two, once as installed, once over opened connections."""
    with lab(_NODES) as bench:
        taken = alternate(
            {
                "pibramble exec": lambda: bench.pibramble("exec", "--", "hostname"),
                "clush": lambda: clush(bench, opened=False),
                "pdsh": lambda: pdsh(bench, opened=False),
                "clush, opened": lambda: clush(bench, opened=True),
                "pdsh, opened": lambda: pdsh(bench, opened=True),
            },
            _ROUNDS,
        )
    what = f"same command on {_NODES} nodes"
    rows = []
    for goal, names in {0.1: ("clush", "pdsh"), 0.8: ("clush, opened", "pdsh, opened")}.items():
        rivals = sorted((taken[name] for name in names), key=lambda one: one.median)
        rows.append(Row(what, taken["pibramble exec"], rivals[0], goal))
        rows.append(Row(what, taken["pibramble exec"], rivals[1]))
    return rows


if __name__ == "__main__":
    alone(measure)
