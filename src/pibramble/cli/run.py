"""`pibramble run`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pibramble.cli.context import Context
from pibramble.cli.options import ending_signals_interrupt, excluded_option, joined, target_option, wanted_option
from pibramble.errors import UsageError

if TYPE_CHECKING:
    from pibramble.operate.jobs import Place


@click.command(
    context_settings={"allow_interspersed_args": False},
    short_help="Run an MPI program on the workers.",
    epilog="Examples: pibramble run examples/cpi.c; pibramble run -n 4 -x aplus examples/cpi.c 10000000; "
    "pibramble run --env OMP_NUM_THREADS=1 ./solver input.txt",
)
@wanted_option
@excluded_option
@target_option
@click.option("-n", "--ranks", type=click.IntRange(min=1), metavar="N", help="So many ranks. [default: one a core]")
@click.option("--ppn", "per_node", type=click.IntRange(min=1), metavar="N", help="So many ranks a node.")
@click.option("--with-head", is_flag=True, help="The head computes, too; it gets the first ranks.")
@click.option("--env", "environment", multiple=True, metavar="NAME=VALUE", help="Set this for every rank.")
@click.option("--timeout", "timeout_s", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS",
              help="End the job if it takes longer.")  # fmt: skip
@click.option("--cc-args", "compiler_arguments", default="", metavar="WORDS", help="For the compiler: '-O3 -fopenmp'.")
@click.option("--no-stdin", is_flag=True, help="Leave standard input alone, as in `while read` loops.")
@click.argument("program")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def command(  # noqa: PLR0913 (each is an option)
    context: Context,
    wanted: tuple[str, ...],
    excluded: tuple[str, ...],
    *,
    ranks: int | None,
    per_node: int | None,
    with_head: bool,
    environment: tuple[str, ...],
    timeout_s: float | None,
    compiler_arguments: str,
    no_stdin: bool,
    program: str,
    arguments: tuple[str, ...],
) -> int:
    """Run PROGRAM with ARGUMENTS on all workers, or on the nodes of -w, one rank a core.

    PROGRAM is an executable, a source file (.c, .cpp, .f90), which is compiled on the cluster first, or a program that
    the nodes have. Options stand before it. It runs in the home folder of every node; its output comes here as it is
    printed, standard input goes to rank 0.

    The exit code is the program's: those of all ranks, or'ed, as mpiexec has it; 128 and the signal if one ended a
    rank, 124 after the time limit, 5 if a node was lost. Ctrl-C ends every rank on every node.
    """
    import shlex

    from pibramble.operate import show
    from pibramble.operate.jobs import Request, Watcher, run_job

    place = place_of(context)
    with ending_signals_interrupt() as signal_exit:
        record = run_job(
            place,
            Request(
                program=program,
                arguments=arguments,
                nodes=_nodes(context, wanted, excluded, with_head=with_head),
                ranks=ranks,
                per_node=per_node,
                environment=_variables(environment),
                timeout_s=timeout_s,
                compiler_arguments=tuple(shlex.split(compiler_arguments)),
            ),
            Watcher(show.write_through, context.progress, _say, lambda: signal_exit.code),
            stdin=None if no_stdin else _stdin(),
        )
    return record.exit_code if record.exit_code is not None else 1


def place_of(context: Context) -> Place:
    """Return the cluster that the context is about."""
    from pibramble.operate.jobs import Place

    def gone(nodes: Sequence[str]) -> dict[str, str]:
        states = context.target.state().nodes
        dead = (state for state in states if not state.running and state.for_good)
        return {state.node: state.detail for state in dead if state.node in nodes}

    return Place(context.plan, context.folder, context.connections, gone)


def _nodes(
    context: Context, wanted: tuple[str, ...], excluded: tuple[str, ...], *, with_head: bool
) -> tuple[str, ...]:  # fmt: skip
    from pibramble.operate.nodeset import select

    head = context.plan.head.name
    chosen = select(context.plan, joined(wanted), joined(excluded))
    return (head, *(node for node in chosen if node != head)) if with_head else chosen


def _variables(pairs: tuple[str, ...]) -> dict[str, str]:
    variables = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name or not name.replace("_", "a").isalnum() or name[0].isdigit():
            raise UsageError(f"`--env {pair}` is not NAME=VALUE")
        variables[name] = value
    return variables


def _stdin() -> int | None:
    """Return our standard input if there is one that may be read."""
    try:
        if os.isatty(0) and os.tcgetpgrp(0) != os.getpgrp():
            return None  # in the background: reading from the terminal would stop us
        return None if os.path.samestat(os.fstat(0), Path(os.devnull).stat()) else 0
    except OSError:  # closed
        return None


def _say(text: str) -> None:
    click.echo(f"pibramble: {text}", err=True)
