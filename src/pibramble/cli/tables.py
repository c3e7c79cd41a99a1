"""Columns in front of a person."""

from __future__ import annotations

from collections.abc import Container, Sequence

import click


def show_table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], *, right: Container[int] = (), cut: bool = False
) -> None:
    """Print aligned columns, the headings bold.

    `right`: the columns that stand on the right, as numbers do. `cut`: the last column where the terminal ends.
    """
    from shutil import get_terminal_size

    from pibramble.plan.describe import Table

    room = max(get_terminal_size((200, 24)).columns, 80) if cut else None
    first, *lines = Table(tuple(headings), tuple(tuple(row) for row in rows)).lines(right)
    click.secho(first[:room], bold=True)
    for line in lines:
        click.echo(line[:room])
