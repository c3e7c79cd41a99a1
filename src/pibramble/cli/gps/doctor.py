"""`pibramble gps doctor`."""

from __future__ import annotations

import click

from pibramble.cli.context import Context, print_json
from pibramble.cli.gps.common import Span, baud_option, complete_source
from pibramble.errors import Exit


@click.command()
@click.argument("source", default="", shell_complete=complete_source)
@baud_option
@click.option("--seconds", type=Span(), default=5.0, show_default=True, help="How long to watch.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def command(context: Context, source: str, *, baud: int | None, seconds: float, as_json: bool) -> int:
    """Say what is wrong with a receiver or with what is made of it, and what to do about each.

    Without SOURCE, gpsd and chrony of this machine are looked at; with a port, what comes over its wire: stop gpsd
    first where it reads that port. Exits with 1 when there is a problem.
    """
    from pibramble.gps import sources
    from pibramble.gps.doctor import examine
    from pibramble.gps.findings import Severity
    from pibramble.gps.observe import observe

    findings = examine(observe(sources.named(source, baud), context.progress, baud, seconds))
    if as_json:
        print_json(findings)
    else:
        colours = {Severity.GOOD: "green", Severity.NOTE: None, Severity.WARNING: "yellow", Severity.PROBLEM: "red"}
        for finding in findings:
            severity = click.style(f"{finding.severity:8}", fg=colours[finding.severity])
            click.echo(f"{severity} {_indented(finding.what).lstrip()}")
            if finding.cure:
                click.echo(_indented(finding.cure))
        if not findings:
            click.echo("nothing was heard of a receiver")
    bad = not findings or any(finding.severity is Severity.PROBLEM for finding in findings)
    return Exit.FAILED if bad else Exit.OK


def _indented(text: str) -> str:
    indent = " " * 9
    return click.wrap_text(text, width=110, initial_indent=indent, subsequent_indent=indent)
