"""`pibramble card files`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pibramble.cli.card.common import node_with_card, store
from pibramble.cli.context import Context, print_json
from pibramble.cli.tables import show_table

if TYPE_CHECKING:
    from pibramble.files.model import Entry


@click.command()
@click.argument("node")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def command(context: Context, node: str, *, as_json: bool) -> None:
    """Show what is on NODE's card beyond its base: the node's files and what only a card has."""
    from pibramble.cards import delta
    from pibramble.cards.content import of_card
    from pibramble.cards.itself import PACKAGE_FOLDER

    planned = node_with_card(context, node)
    path = store(context).path(planned.name)
    base = delta.read_head(path).base if path.exists() else "(not built)"
    entries = [_facts(entry) for entry in of_card(context.plan, context.keyring, planned, base).entries.entries]
    if as_json:
        print_json(entries)
        return
    columns = ("path", "kind", "mode", "owner", "why")
    others = [entry for entry in entries if not str(entry["path"]).startswith(f"{PACKAGE_FOLDER}/")]
    rows = [[str(entry.get(column, "")) for column in columns] for entry in others]
    if own := len(entries) - len(others):
        rows.append([f"{PACKAGE_FOLDER}/", "files", "0644", "root", f"pibramble itself, {own} files"])
    show_table([column.upper() for column in columns], rows)


def _facts(entry: Entry) -> dict[str, object]:
    from pibramble.files.model import NodeFile, Symlink

    if isinstance(entry, NodeFile):
        size = len(entry.content.encode())
        rights = {"mode": f"{entry.mode:04o}", "owner": entry.owner, "bytes": size, "secret": entry.secret}
        return {"path": entry.path, "kind": "file", **rights, "why": entry.why}
    if isinstance(entry, Symlink):
        return {"path": entry.path, "kind": "link", "target": entry.target, "why": entry.why}
    return {"path": entry.path, "kind": "edit", "why": entry.why}
