"""`pibramble console selftest`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pibramble.cli.console.common import bench, complete_port
from pibramble.cli.context import Context, print_json
from pibramble.errors import Exit

if TYPE_CHECKING:
    from pibramble.console.selftest import Finding


@click.command(short_help="Test an adapter whose TX and RX are joined.")
@click.argument("port", metavar="NAME|DEVICE", shell_complete=complete_port)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_obj
def command(context: Context, port: str, *, as_json: bool) -> int:
    """Send bytes at every speed and a break through a wire from TX to RX, and say what came back.

    Take the device off first: join TX and RX alone. The port must not be in use by a broker.
    """
    from pibramble.console import selftest

    device = next((known.device for known in bench(context).ports if known.name == port), port)

    def show(finding: Finding) -> None:
        if not as_json:
            click.echo(f"{finding.name:15}  {finding.result:11}  {finding.detail}")

    findings = selftest.examine(device, tell=show)
    if as_json:
        print_json({"device": device, "findings": findings})
    return Exit.FAILED if any(finding.result is selftest.Result.BAD for finding in findings) else Exit.OK
