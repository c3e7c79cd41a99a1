"""Runs every benchmark and prints one table; `make bench` calls it.

`python benchmarks/all.py --write` also puts the table into docs/benchmarks.md, misses included.
"""

from __future__ import annotations

import datetime as dt
import re
import sys
from pathlib import Path

import cards
import console
import exec_nodes
import job_start
import lab_up
import planning
import startup
from common import Row, machine, table

_PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
_FIGURES = re.compile(r"(?<=<!-- figures -->\n).*?(?=<!-- end of figures -->)", re.DOTALL)
_BENCHMARKS = (lab_up, exec_nodes, job_start, startup, planning, cards, console)


def main() -> int:
    """Measure everything that can be measured; return 1 if something could not."""
    rows: list[Row] = []
    failed = 0
    for benchmark in _BENCHMARKS:
        print(f"{benchmark.__name__}: {(benchmark.__doc__ or '').splitlines()[0]}", file=sys.stderr)
        try:
            rows += benchmark.measure()
        except (RuntimeError, OSError) as error:
            print(f"{benchmark.__name__} could not be measured: {error}", file=sys.stderr)
            failed = 1
    report = f"{machine()}\n\n{table(rows)}\n"
    print(report)
    if "--write" in sys.argv[1:]:
        today = dt.datetime.now(tz=dt.UTC).date()
        page = _PAGE.read_text(encoding="utf-8")
        _PAGE.write_text(_FIGURES.sub(lambda _match: f"\nMeasured {today} on {report}\n", page), encoding="utf-8")
    return failed


if __name__ == "__main__":
    sys.exit(main())
