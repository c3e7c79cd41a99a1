"""`pibramble console selftest`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from pibramble.cli.console.common import bench, complete_port
from pibramble.cli.context import Context, print_json
from pibramble.errors import Exit, PibrambleError, UsageError

if TYPE_CHECKING:
    from pibramble.console.selftest import Finding


@click.command(short_help="Test an adapter whose TX and RX are joined.")
@click.argument("port", metavar="NAME|DEVICE", shell_complete=complete_port)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_obj
def command(context: Context, port: str, *, yes: bool, as_json: bool) -> int:
    """Send bytes at every speed and a break through a wire from TX to RX, and say what came back.

    Take the device off first, and join TX and RX alone: a device that is still there would take the bytes for what
    somebody types. So you are asked before anything is sent. The port must not be in use by a broker.
    """
    from pibramble.console import selftest

    device = next((known.device for known in bench(context).ports if known.name == port), port)

    if not yes:
        _ask(port if port == device else f"{port} ({device})")

    def show(finding: Finding) -> None:
        if not as_json:
            click.echo(f"{finding.name:15}  {finding.result:11}  {finding.detail}")

    findings = selftest.examine(device, tell=show)
    if as_json:
        print_json({"device": device, "findings": findings})
    return Exit.FAILED if any(finding.result is selftest.Result.BAD for finding in findings) else Exit.OK


def _ask(port: str) -> None:
    """Say what goes down the line, and go on with a yes only. Raises UsageError where there is nobody to ask."""
    from pibramble.console.selftest import BREAK_SECONDS, SPEEDS, pattern_bytes

    most = max(pattern_bytes(baud) for baud in SPEEDS)
    what = (
        f"random bytes, up to {most:,} at each of {len(SPEEDS)} speeds, and a break of {BREAK_SECONDS * 1000:.0f} ms "
        f"go down {port}: a device on it takes them for typed"
    )
    if not sys.stdin.isatty():
        raise UsageError(
            f"{what}, and there is nobody here to ask", hint="with TX and RX joined, and nothing else: --yes"
        )
    click.echo(what, err=True)
    if not click.confirm("Is the device off, and are TX and RX joined?", err=True):
        raise PibrambleError("nothing was sent", hint="take the device off, and join TX and RX")
