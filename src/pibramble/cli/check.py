"""`pibramble check`: judge the cluster file, its power and its wires, and do nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from pibramble.cli.context import Context, print_json
from pibramble.cli.tables import show_table
from pibramble.errors import Exit
from pibramble.spec.findings import ClusterFileError, Placed, count, listed, report
from pibramble.spec.load import ClusterFile

if TYPE_CHECKING:
    from pibramble.advise.power import Feeding, Point


@click.command("check")
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@click.option("--power", "show_power", is_flag=True, help="Show the current of every port, hub and supply.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings and the currents as JSON.")
@click.pass_obj
def command(context: Context, *, strict: bool, show_power: bool, as_json: bool) -> int:
    """Judge the cluster file: everything that is wrong with it, at once; then its power and its wires."""
    try:
        file = context.cluster_file
    except ClusterFileError as error:
        if as_json:
            print_json({"ok": False, "findings": [_plain(finding) for finding in error.findings]})
            return error.exit_code
        raise
    from pibramble.advise import checks, power
    from pibramble.catalog.sections import Catalogue

    feeding = power.Feeding(file.cluster, Catalogue(file.cluster.catalog))
    findings = (*file.findings, *file.place(checks.judge(feeding)))
    code = Exit.WRONG if strict and findings else Exit.OK
    if as_json:
        points = [_plain_point(point) for point in feeding.points()]
        reckoned = [
            {"device": name, "kind": one.device.kind.value, "part": one.part, "draw_ma": one.draw_ma}
            for name, one in feeding.devices.items()
        ]
        shown = [_plain(finding) for finding in findings]
        print_json({"ok": code is Exit.OK, "findings": shown, "power": points, "reckoned": reckoned})
        return code
    if show_power:
        _show(feeding)
    if findings:
        click.echo(report(findings) + "\n", err=True)
    strictly = "; --strict counts warnings as errors: not passed" if code else ""
    click.echo(f"{verdict(file, findings)}{strictly}")
    return code


def verdict(file: ClusterFile, findings: Sequence[Placed]) -> str:
    """Return the short verdict on a file that can be used."""
    from pibramble.spec.expand import expand

    workers = len(expand(file.cluster))
    found = f"no errors, {count(findings)}" if findings else "no errors"
    return f"{file.path}: {file.cluster.cluster.name}, a head and {workers:,} worker{'s' * (workers != 1)}: {found}"


def _show(feeding: Feeding) -> None:
    from pibramble.plan.describe import NO_VALUE

    def row(point: Point) -> tuple[str, ...]:
        load, limit = point.load, point.limit_ma
        over = "" if limit is None or load.worst_ma <= limit else "over"
        shown = NO_VALUE if limit is None else str(limit)
        first, rest = point.takers[0], len(point.takers) - 1
        takers = f"{first} and {rest} more" if rest else first
        return point.name, takers, str(load.idle_ma), str(load.stress_ma), str(load.worst_ma), shown, over

    headings = ("PLACE", "FEEDS", "IDLE mA", "STRESS mA", "WORST mA", "LIMIT mA", "")
    show_table(headings, [*map(row, feeding.points())])
    if feeding.devices:
        known = ", ".join(f"{name} {one.draw_ma} mA ({one.part})" for name, one in feeding.devices.items())
        click.echo(f"Reckoned, since the file names no make: {known}.")
        tables = dict.fromkeys(f"[catalog.{one.section}.{one.part}]" for one in feeding.devices.values())
        click.echo(f"  Yours: draw_ma under {listed(tables)}")
    click.echo()


def _plain_point(point: Point) -> dict[str, object]:
    return {
        "place": point.name,
        "feeds": list(point.takers),
        "idle_ma": point.load.idle_ma,
        "stress_ma": point.load.stress_ma,
        "worst_ma": point.load.worst_ma,
        "limit_ma": point.limit_ma,
        "unknown": list(point.load.unknown),
    }


def _plain(finding: Placed) -> dict[str, object]:
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "path": finding.where.path,
        "line": finding.where.line,
        "column": finding.where.column,
        "message": finding.message,
        "cure": finding.cure,
    }
