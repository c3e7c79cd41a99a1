"""`pibramble exec`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from pibramble.cli.context import Context, print_json
from pibramble.cli.options import ending_signals_interrupt, excluded_option, joined, target_option, wanted_option
from pibramble.errors import UsageError


@click.command(
    context_settings={"allow_interspersed_args": False},
    short_help="Run a command on many nodes.",
    epilog="Examples: pibramble exec uptime; pibramble exec -w 'zero[1-2],head' --gather -- 'uname -r | cut -d. -f1'; "
    "pibramble exec -x aplus -- sudo tee /etc/motd < motd",
)
@wanted_option
@excluded_option
@target_option
@click.option("--gather", is_flag=True, help="Wait for all, then show same answers together.")
@click.option("--timeout", "timeout_s", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS",
              help="End the command on a node that takes longer.")  # fmt: skip
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most N nodes at a time. [default: all]")
@click.option("-n", "--no-stdin", is_flag=True, help="Leave standard input alone, as in `while read` loops.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcomes as JSON when all are there.")
@click.argument("words", nargs=-1, metavar="COMMAND...")
@click.pass_obj
def command(  # noqa: PLR0913 (each is an option)
    context: Context,
    wanted: tuple[str, ...],
    excluded: tuple[str, ...],
    *,
    gather: bool,
    timeout_s: float | None,
    limit: int | None,
    no_stdin: bool,
    as_json: bool,
    words: tuple[str, ...],
) -> int:
    """Run COMMAND on all workers, or on the nodes of -w.

    As with ssh, the words of COMMAND are joined by spaces and read by each node's shell: quote for that shell what is
    meant for it, pipes and variables too. Standard input goes to every node, unless it is a terminal.

    The exit code is the highest of all nodes', where 5 stands for a node that could not be reached, 124 for one that
    took too long, and 255 for a command that a signal ended.
    """
    from pibramble.operate import show
    from pibramble.operate.execute import Interrupted, execute
    from pibramble.operate.nodeset import select

    if not any(words):
        raise UsageError("there is no command to run", hint="pibramble exec -w zero1 -- uptime")
    nodes = select(context.plan, joined(wanted), joined(excluded))
    live = None if gather or as_json else show.Live(nodes)
    interrupted = False
    with ending_signals_interrupt() as signal_exit:
        try:
            outcomes = execute(
                context.connections,
                nodes,
                " ".join(words),
                stdin=None if no_stdin else _stdin(),
                timeout_s=timeout_s,
                limit=limit,
                on_output=live.output if live else None,
                keep_output=live is None,
            )
        except Interrupted as interrupt:
            outcomes = interrupt.outcomes
            interrupted = True
    if live:
        live.finish()
    elif as_json:
        print_json(list(outcomes.values()))
    else:
        show.gathered(outcomes)
    for line in show.failures(outcomes.values()):
        click.echo(f"pibramble: {line}", err=True)
    return signal_exit.code if interrupted else max(outcome.code for outcome in outcomes.values())


def _stdin() -> int | None:
    """Return our standard input if there is one that is worth passing on."""
    try:
        return None if os.isatty(0) or os.path.samestat(os.fstat(0), Path(os.devnull).stat()) else 0
    except OSError:  # closed
        return None
