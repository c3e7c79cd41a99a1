"""What several verbs that work on nodes share: their options, and how they end when they are told to."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import attrs
import click

from pibramble.errors import Exit, PibrambleError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from pibramble.plan.model import Plan


def _plan(ctx: click.Context) -> Plan | None:
    """Return the plan that a completion is about; a wrong cluster file is not the moment's subject."""
    from pibramble.cli.context import Context

    try:
        return Context(file=ctx.find_root().params.get("file"), quiet=True).plan
    except PibrambleError:
        return None


def complete_node(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the nodes of the cluster file."""
    from click.shell_completion import CompletionItem

    plan = _plan(ctx)
    return [CompletionItem(node.name) for node in plan.nodes if node.name.startswith(incomplete)] if plan else []


def complete_nodes(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the nodes and groups of the cluster file for the last part of a node set."""
    from click.shell_completion import CompletionItem

    from pibramble.operate.nodeset import groups

    plan = _plan(ctx)
    if plan is None:
        return []
    before, comma, last = incomplete.rpartition(",")
    names = [node.name for node in plan.nodes] + [f"@{name}" for name, nodes in groups(plan).items() if nodes]
    return [CompletionItem(before + comma + name) for name in names if name.startswith(last)]


wanted_option = click.option(
    "-w", "--nodes", "wanted", multiple=True, metavar="NODES", shell_complete=complete_nodes,
    help="Which nodes: zero[1-3],aplus or @all, @head, @workers, @usb, @serial. [default: @workers]",
)  # fmt: skip
excluded_option = click.option(
    "-x", "--exclude", "excluded", multiple=True, metavar="NODES", shell_complete=complete_nodes,
    help="Which nodes not.",
)  # fmt: skip


def _ask_for(ctx: click.Context, _param: click.Parameter, name: str | None) -> None:
    if name is not None and not ctx.resilient_parsing:
        ctx.obj.asked_target = name


target_option = click.option(
    "-t", "--target", metavar="NAME", expose_value=False, callback=_ask_for,
    help="lab, emulator or hardware. [default: what is up, else on the head hardware, elsewhere the lab]",
)  # fmt: skip


def joined(sets: tuple[str, ...]) -> str | None:
    """Return several -w as one set; None when there was none, which is not the same as an empty one."""
    return ",".join(sets) if sets else None


@attrs.define
class SignalExit:
    """The exit code of a command that was told to end: 128 and the signal."""

    code: int = Exit.INTERRUPTED


@contextmanager
def ending_signals_interrupt() -> Iterator[SignalExit]:
    """Let SIGTERM and SIGHUP end the block as Ctrl-C does: what runs on the nodes has to be ended first."""
    told = SignalExit()

    def interrupt(number: int, _frame: FrameType | None) -> None:
        told.code = 128 + number
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # nohup
            signal.signal(number, interrupt)
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
