"""`pibramble up`: bring the cluster up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pibramble.cli.context import Context, print_json
from pibramble.cli.options import target_option
from pibramble.cli.privilege import become_root_to_begin
from pibramble.errors import Exit, UsageError

if TYPE_CHECKING:
    from pibramble.plan.model import Plan
    from pibramble.targets.base import NodeReport, UpReport


@click.command(
    short_help="Bring the cluster up.",
    epilog="Examples: pibramble up; pibramble up --head 192.168.1.20; pibramble up --target lab",
)
@target_option
@click.option("--head", metavar="HOST[:PORT]", help="Real boards, whose head this is; remembered until `down`.")
@click.option("--patience", "patience_s", type=click.FloatRange(min=1), metavar="SECONDS",
              help="How long the head, and then the workers, may take to greet. [default: 60]")  # fmt: skip
@click.option(
    "--connect/--no-connect",
    default=True,
    help="Open the connections now, or leave each to the first command that needs it. [default: now]",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was found and repaired as JSON.")
@click.pass_obj
def command(context: Context, head: str | None, patience_s: float | None, *, connect: bool, as_json: bool) -> int:
    """Bring the cluster up: all of it, or nothing. What is up already stays as it is.

    The lab makes every node a set of namespaces on this machine, with its own sshd, and shapes every wire to what the
    real one carries. It needs root (sudo asks) where the kernel does not grant user namespaces.

    Of real boards the head's links are checked and repaired, and what cannot be is reported with the likely cause: on
    the head itself, or from a PC with --head. The exit code is 5 when a board is missing; the others can be used.
    """
    plan = context.plan
    if head is not None or patience_s is not None:
        _name_head(context, head, patience_s)
    target = context.target
    become_root_to_begin(target)
    report = target.up(plan, lambda: context.keyring, context.progress, connect=connect)
    if as_json:
        print_json(report)
    else:
        _show(plan, report)
    return Exit.UNREACHABLE if report.missing else Exit.OK


def _name_head(context: Context, head: str | None, patience_s: float | None) -> None:
    """Tell the hardware where its head is. Raises UsageError."""
    from pibramble.targets.hardware.from_pc import FromPc
    from pibramble.targets.through_head import Way

    context.asked_target = context.asked_target or "hardware"
    target = context.target
    if not isinstance(target, FromPc):
        where = "this machine is the head itself" if target.name == "hardware" else f"the {target.name} needs no head"
        raise UsageError(f"--head and --patience are for real boards, seen from a PC: {where}")
    target.use(Way.read(head) if head else None, patience_s)


def _show(plan: Plan, report: UpReport) -> None:
    for remark in report.remarks:
        click.echo(f"pibramble: {remark}", err=True)
    for node in report.nodes:
        if node.said:
            click.echo(_line(node), err=True)
    workers = [worker.name for worker in plan.workers if worker.name not in report.missing]
    count = str(len(plan.workers)) if len(workers) == len(plan.workers) else f"{len(workers)} of {len(plan.workers)}"
    click.echo(f"{plan.name} is up: {plan.head.name} and {count} worker{'s' * (len(plan.workers) != 1)}", err=True)
    click.echo("  pibramble status | exec -- hostname | run PROGRAM.c | down", err=True)


def _line(node: NodeReport) -> str:
    cure = f"\n  {node.hint}" if node.hint else ""
    return f"pibramble: {node.node}: {node.said}{cure}"
