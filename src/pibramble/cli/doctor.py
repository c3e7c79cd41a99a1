"""`pibramble doctor`: which system programs are missing for what."""

from __future__ import annotations

import click

from pibramble import doctor
from pibramble.cli.context import print_json
from pibramble.errors import Exit

_MARKS = {
    doctor.State.THERE: ("ok", "green"),
    doctor.State.MISSING: ("missing", "red"),
    doctor.State.TOO_OLD: ("too old", "red"),
    doctor.State.UNKNOWN: ("not tried", "yellow"),
}


@click.command
@click.argument("features", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def command(features: tuple[str, ...], *, as_json: bool) -> int:
    """Say which system programs and kernel features are missing for what.

    Without FEATURES, all that a user needs are looked at; name some (think, lab, operate, run, files, bench) for those
    alone. Exits with 3 when something is missing.
    """
    report = doctor.examine(features)
    if as_json:
        print_json({"healthy": report.healthy, "packages": report.packages, "findings": report.findings})
    else:
        _show(report)
    return Exit.OK if report.healthy else Exit.MISSING


def _show(report: doctor.Report) -> None:
    width = max(len(finding.name) for finding in report.findings)
    for feature in report.features:
        click.echo(f"{click.style(feature.name, bold=True)}: {feature.purpose}")
        for finding in report.of(feature):
            mark, colour = _MARKS[finding.state]
            line = (
                f"  {click.style(f'{mark:9}', fg=colour)} {finding.name:{width}}  {finding.detail or finding.package}"
            )
            click.echo(line.rstrip())
    if report.packages:
        click.echo(f"\nsudo apt-get install {' '.join(report.packages)}")
    if any(finding.wanting and finding.kind == "kernel" for finding in report.findings):
        click.echo("\nThe kernel refuses what the lab needs. In a container: start it with --privileged.", err=True)
