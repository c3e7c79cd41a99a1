"""`pibramble emulator links`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pibramble.cli.context import Context, print_json
from pibramble.cli.emulator.common import emulator
from pibramble.cli.tables import show_table

if TYPE_CHECKING:
    from pibramble.targets.emulator.order import LinkFacts


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def command(context: Context, *, as_json: bool) -> None:
    """List the wires between the emulated boards.

    PLUGGED is how often both ends came together: more than once means that a board started anew, that a cut link was
    joined, or that no interface came of a USB cable (IN VAIN), which is then plugged in again. Bytes are those on the
    wire of a serial link, frames, escapes and all.
    """
    facts = emulator(context).running().ask("facts")
    if as_json:
        print_json(facts.links)
        return
    headings = ("WORKER", "LINK", "STATE", "TO WORKER", "TO HEAD", "LOST", "PLUGGED", "IN VAIN")
    show_table(headings, [_row(name, link) for name, link in facts.links.items()])


def _row(name: str, link: LinkFacts) -> tuple[str, ...]:
    state = "joined" if link.joined else "apart"
    if link.vain is not None:
        return name, "usb", state, "-", "-", "-", str(link.plugged), str(link.vain)
    counts = (link.to_worker_bytes, link.to_head_bytes, link.lost_bytes)
    return (name, "serial", state, *(f"{count or 0:,} B" for count in counts), str(link.plugged), "-")
