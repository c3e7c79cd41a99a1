"""`pibramble doctor`: which system programs are missing for what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from pibramble import doctor
from pibramble.cli.context import Context, print_json
from pibramble.errors import Exit, PibrambleError

if TYPE_CHECKING:
    from pibramble.operate.swarm.engine import Engine
    from pibramble.operate.swarm.health import Complaint

_CONTAINERS = "swarm"  # the feature that engines belong to

_MARKS = {
    doctor.State.THERE: ("ok", "green"),
    doctor.State.MISSING: ("missing", "red"),
    doctor.State.TOO_OLD: ("too old", "red"),
    doctor.State.UNKNOWN: ("not tried", "yellow"),
}


@click.command
@click.argument("features", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.pass_obj
def command(context: Context, features: tuple[str, ...], *, as_json: bool) -> int:
    """Say which system programs and kernel features are missing for what.

    Without FEATURES, all that a user needs are looked at; name some (think, lab, operate, run, files, bench, swarm) for
    those alone. Where the cluster file has containers and the cluster is up, its nodes' engines are asked, too.

    Exits with 3 when something is missing.
    """
    report = doctor.examine(features)
    engines = _ask_engines(context) if not features or _CONTAINERS in features else {}
    complaints = _judge(context, engines)
    if as_json:
        said = {"healthy": report.healthy and not complaints, "packages": report.packages, "findings": report.findings}
        print_json({**said, "engines": tuple(engines.values()), "complaints": complaints})
    else:
        _show(report)
        _show_engines(context, engines, complaints)
    return Exit.OK if report.healthy and not any(one.stops for one in complaints) else Exit.MISSING


def _ask_engines(context: Context) -> Mapping[str, Engine]:
    """Ask the engines of the cluster that is meant; nothing where there is none, or it has none, or is not up."""
    try:
        if context.plan.containers is None or not context.target.state().up:
            return {}
        connections = context.connections
    except PibrambleError:  # `check` and `status` tell what is wrong there; this machine is what was asked about
        return {}
    from pibramble.operate.swarm import engine

    return engine.ask(connections, [node.name for node in context.plan.nodes])


def _judge(context: Context, engines: Mapping[str, Engine]) -> Sequence[Complaint]:
    if not engines:
        return ()
    from pibramble.operate.swarm import health

    return health.judge(engines, context.plan.head.name)


def _show_engines(context: Context, engines: Mapping[str, Engine], complaints: Sequence[Complaint]) -> None:
    if not engines:
        return
    from pibramble.operate.swarm.health import told

    click.echo(f"{click.style('engines', bold=True)}: containers on the nodes of {context.plan.name}")
    wrong = {one.node for one in complaints}
    width = max(map(len, engines))
    for name, one in engines.items():
        mark, colour = ("wrong", "red") if name in wrong else ("ok", "green")
        left = "" if one.disk_free_mb is None else f", {one.disk_free_mb:,} MB left"
        said = f"docker {one.version}{left}" if one.version else "no answer"
        click.echo(f"  {click.style(f'{mark:9}', fg=colour)} {name:{width}}  {said}")
    for line in told(complaints):
        click.echo(f"pibramble: {line}", err=True)


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
