"""`pibramble gps detect`."""

from __future__ import annotations

from pathlib import Path

import click

from pibramble.cli.context import Context, print_json
from pibramble.cli.gps.common import Span, complete_source


@click.command()
@click.argument("port", shell_complete=complete_source)
@click.option("--seconds", type=Span(), default=2.2, show_default=True, help="How long to listen at each speed.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def command(context: Context, port: str, *, seconds: float, as_json: bool) -> None:
    """Find the speed and the language of a receiver at PORT, and say how that is known.

    Only listens: nothing is sent to what may be no receiver. The proof of a speed are right checksums.
    """
    from pibramble.cli.tables import show_table
    from pibramble.gps.detect import detect, found

    detection = detect(port, context.progress, listen_s=seconds)
    if as_json:
        print_json(
            {"port": port, "baud": detection.baud, "protocol": detection.protocol, "attempts": detection.attempts}
        )
    else:
        rows = [(str(one.baud), str(one.heard.sound), one.heard.evidence) for one in detection.attempts]
        show_table(("BAUD", "HEARD", "HOW IT IS KNOWN"), rows)
    best = found(detection)  # says what it is instead
    if not as_json:
        click.echo(f"\n{port}: {best.heard.protocol} at {best.baud} baud")
        if "ttyACM" in Path(port).resolve().name:
            click.echo("(one with USB of its own takes any speed)")
