"""`pibramble card verify`."""

from __future__ import annotations

import click

from pibramble.cli.card.common import with_cards
from pibramble.cli.context import Context, print_json
from pibramble.cli.tables import show_table
from pibramble.errors import Exit, UsageError


@click.command()
@click.argument("nodes", required=False)
@click.option("--boot", is_flag=True, help="Boot each in the emulator, alone.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def command(context: Context, nodes: str | None, *, boot: bool, as_json: bool) -> int:
    """Say whether the cards of NODES (default: all) will do, before they are written.

    A card that is not today's is called what it is (`not built`, `plan changed` ...) and not tried.

    Compares each with today's plan and has its file systems checked (e2fsck, fsck.fat). With --boot each is also
    started in the emulator, which takes minutes, until its system has come up: links stay unplugged. Ends with 1 when
    one will not do. Nothing is written to a card.
    """
    from pibramble.operate.nodeset import select
    from pibramble.targets.emulator.verify import Verifier

    with_card = tuple(node.name for node in context.plan.nodes if node.board.firmware)
    chosen = with_cards(context, select(context.plan, nodes, None) if nodes else with_card)
    if not chosen:
        raise UsageError(f"{context.plan.name} has no cards: none of its nodes starts from one")
    verifier = Verifier(context.plan, context.keyring, context.folder)
    verdicts = [verifier.verify(node, context.progress, boot=boot) for node in chosen]
    if as_json:
        print_json(verdicts)
    else:
        show_table(("NODE", "VERDICT", "SEEN"), [(v.node, v.verdict, v.seen) for v in verdicts])
        for verdict in verdicts:
            if not verdict.good:
                click.echo(f"pibramble: {verdict.node}: {verdict.problem}", err=True)
    return Exit.OK if all(verdict.good for verdict in verdicts) else Exit.FAILED
