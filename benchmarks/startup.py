"""Start-up of the command beside bare Python, with the same interpreter."""

from __future__ import annotations

import sys

from common import PIBRAMBLE, Row, alone, alternate, seconds

_ROUNDS = 21


def measure() -> list[Row]:
    """Return the table's rows."""
    both = alternate(
        {
            "pibramble --version": lambda: seconds([PIBRAMBLE, "--version"]),
            "python -c pass": lambda: seconds([sys.executable, "-c", "pass"]),
        },
        _ROUNDS,
    )
    return [Row("start-up of the command", both["pibramble --version"], both["python -c pass"], goal_ratio=3)]


if __name__ == "__main__":
    alone(measure)
