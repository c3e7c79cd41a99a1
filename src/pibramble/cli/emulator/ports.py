"""`pibramble emulator ports`."""

from __future__ import annotations

import click

from pibramble.cli.context import Context, print_json
from pibramble.cli.emulator.common import emulator
from pibramble.cli.tables import show_table


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def command(context: Context, *, as_json: bool) -> None:
    """List the head's serial ports that lead out of the emulator: the receiver's, and those of switches and routers.

    What connects to a port's socket hangs on that port: `pibramble gps replay LOG --now --to SOCKET` is a receiver
    there, and `socat` brings anything else.
    """
    found = emulator(context).ports(context.plan)
    if as_json:
        print_json(found)
        return
    rows = [(port.use, port.device, str(port.socket or "-"), "" if port.socket else "not emulated") for port in found]
    show_table(("USE", "DEVICE", "SOCKET", ""), rows)
