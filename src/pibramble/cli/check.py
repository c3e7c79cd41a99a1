"""`pibramble check`: judge the cluster file, and do nothing else."""

from __future__ import annotations

import click

from pibramble.cli.context import Context, print_json
from pibramble.errors import Exit
from pibramble.spec.findings import ClusterFileError, Placed, count, report
from pibramble.spec.load import ClusterFile


@click.command("check")
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_obj
def command(context: Context, *, strict: bool, as_json: bool) -> int:
    """Judge the cluster file: everything that is wrong with it, at once."""
    try:
        file = context.cluster_file
    except ClusterFileError as error:
        if as_json:
            print_json({"ok": False, "findings": [_plain(finding) for finding in error.findings]})
            return error.exit_code
        raise
    code = Exit.WRONG if strict and file.findings else Exit.OK
    if as_json:
        print_json({"ok": code is Exit.OK, "findings": [_plain(finding) for finding in file.findings]})
        return code
    if file.findings:
        click.echo(report(file.findings) + "\n", err=True)
    click.echo(verdict(file))
    return code


def verdict(file: ClusterFile) -> str:
    """Return the short verdict on a file that can be used."""
    from pibramble.spec.expand import expand

    workers = len(expand(file.cluster))
    found = f"no errors, {count(file.findings)}" if file.findings else "no errors"
    return f"{file.path}: {file.cluster.cluster.name}, a head and {workers:,} worker{'s' * (workers != 1)}: {found}"


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
