"""`pibramble card export`."""

from __future__ import annotations

from pathlib import Path

import click

from pibramble.cli.card.common import megabytes, node_with_card, store
from pibramble.cli.context import Context
from pibramble.errors import UsageError


@click.command()
@click.argument("node")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@click.pass_obj
def command(context: Context, node: str, file: Path, *, force: bool) -> None:
    """Write NODE's card to FILE: a whole image (.img), or what differs for QEMU (.qcow2).

    The .img can be written to a card by any program. The .qcow2 holds the differences only, over the base in the cache
    folder, which must stay there. Both hold the node's private keys.
    """
    from pibramble.cards import export

    planned = node_with_card(context, node)
    if file.suffix not in {".img", ".qcow2"}:
        raise UsageError(f"{file}: the name must end in .img or .qcow2", hint=f"{file.with_suffix('.img')}")
    if file.exists() and not force:
        raise UsageError(f"{file} is there already", hint="--force replaces it")
    with store(context).image(planned.name) as image:
        if file.suffix == ".qcow2":
            image.check_base()  # which QEMU will read, not we
            export.overlay(image, file)
        else:
            export.raw(image, file, context.progress)
        size = file.stat().st_blocks * 512
        click.echo(
            f"{file}: the card of {planned.name}, {megabytes(image.size_bytes)}, {megabytes(size)} on disk", err=True
        )
