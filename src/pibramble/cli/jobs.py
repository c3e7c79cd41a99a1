"""`pibramble jobs`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pibramble.cli.context import Context, print_json
from pibramble.errors import UsageError

if TYPE_CHECKING:
    from pibramble.operate.record import JobRecord

_COMMAND_WIDTH = 48


@click.command(
    short_help="List the records of past jobs, or show one.",
    epilog="Examples: pibramble jobs; pibramble jobs last --output; pibramble jobs --json | jq '.[-1].seconds'",
)
@click.option("--output", "want_output", is_flag=True, help="Print what the job printed, each stream where it was.")
@click.option("--json", "as_json", is_flag=True, help="Print the records as JSON.")
@click.argument("job", required=False)
@click.pass_obj
def command(context: Context, job: str | None, *, want_output: bool, as_json: bool) -> None:
    """List the jobs that were run on this cluster, the newest last, or show JOB: its id, a part of it, or `last`."""
    from pibramble.operate import record

    folder = context.folder / "jobs"
    if want_output and job is None:
        raise UsageError("whose output?", hint="pibramble jobs last --output")
    if job is None:
        records = record.load_all(folder)
        if as_json:
            print_json(records)
        else:
            _list(records)
        return
    found = record.find(folder, job)
    if as_json:
        print_json(found)
    elif want_output:
        from pibramble.operate.remote import Stream
        from pibramble.operate.show import write_through

        for stream in Stream:
            for chunk in record.output(folder, found.id, stream):
                write_through(stream, chunk)
        if not found.output_complete:
            click.echo("pibramble: the record of this job's output is incomplete", err=True)
    else:
        _show(found)


def _list(records: list[JobRecord]) -> None:
    if not records:
        click.echo("no job has been run on this cluster yet", err=True)
        return
    rows = [("JOB", "RANKS", "SECONDS", "ENDED", "COMMAND")]
    rows += [(job.id, str(job.ranks), _seconds(job), _end(job), _command(job)) for job in records]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        cells = [
            row[0].ljust(widths[0]),
            row[1].rjust(widths[1]),
            row[2].rjust(widths[2]),
            row[3].ljust(widths[3]),
            row[4] if len(row[4]) <= _COMMAND_WIDTH else row[4][: _COMMAND_WIDTH - 3] + "...",
        ]
        click.echo("  ".join(cells).rstrip())


def _show(job: JobRecord) -> None:
    from pibramble.operate.nodeset import fold
    from pibramble.operate.record import local_time

    spread = sorted({str(count) for count in job.ranks_by_node.values()})
    lines = {
        "job": job.id,
        "command": _command(job),
        "nodes": fold(job.nodes),
        "ranks": f"{job.ranks} ({'-'.join(dict.fromkeys([spread[0], spread[-1]]))} a node)" if spread else "0",
        "variables": " ".join(f"{name}={value}" for name, value in job.environment.items()),
        "MPICH": job.mpich,
        "began": local_time(job),
        "seconds": _seconds(job),
        "ended": _end(job),
        "reason": job.reason,
    }
    for name, value in lines.items():
        if value:
            click.echo(f"{name:10} {value}")
    click.echo(f"\npibramble jobs {job.id} --output prints what it printed", err=True)


def _command(job: JobRecord) -> str:
    import shlex

    return shlex.join(job.command)


def _seconds(job: JobRecord) -> str:
    from pibramble.operate.record import duration_s

    seconds = duration_s(job)
    return "?" if seconds is None else f"{seconds:.1f}"


def _end(job: JobRecord) -> str:
    return job.state.value if job.exit_code is None else f"exit {job.exit_code}"
