"""`pibramble card inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pibramble.cli.card.common import megabytes
from pibramble.cli.context import Context, print_json
from pibramble.errors import Exit, PibrambleError

if TYPE_CHECKING:
    from pibramble.cards.inspect import Report
    from pibramble.files.model import Keyring
    from pibramble.plan.model import Plan


@click.command()
@click.argument("image", metavar="IMAGE|DEVICE", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def command(context: Context, image: Path, *, as_json: bool) -> int:
    """Say whose card an image or a device is, and what on it is no longer as planned.

    Nothing is mounted or written. Without a cluster file it only says whose it is. Ends with 1 when something differs.
    """
    from pibramble.cards import inspect

    plan, keyring = _plan(context)
    report = inspect.look(image, plan, keyring)
    if as_json:
        print_json(report)
    else:
        _show(report, plan)
    return Exit.FAILED if report.differences or report.planned is False else Exit.OK


def _plan(context: Context) -> tuple[Plan | None, Keyring | None]:
    """Return plan and keys; None where there is no cluster file and none was asked for."""
    if context.file is None:
        from pibramble.spec import load

        try:
            load.find(None)
        except PibrambleError:
            return None, None
    return context.plan, context.keyring


def _show(report: Report, plan: Plan | None) -> None:
    who = report.identity
    click.secho(f"{who.node} of {who.cluster} ({who.board})", bold=True)
    click.echo(f"  made by  pibramble {who.pibramble} over {who.base}")
    boot, root = megabytes(report.layout.boot.length), megabytes(report.layout.root.length)
    click.echo(f"  size     {megabytes(report.size_bytes)}: boot {boot}, root {root}")
    if plan is None:
        click.echo("there is no cluster file here to compare it with", err=True)
    elif not report.planned:
        click.echo(f"{plan.name} has no such node: it is another cluster's card, or the node is gone", err=True)
    elif not report.differences:
        click.echo("  plan     as planned")
    else:
        click.echo("  plan     differs in")
        for difference in report.differences:
            click.echo(f"    {difference.path} ({difference.what})")
