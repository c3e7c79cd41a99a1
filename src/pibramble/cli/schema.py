"""`pibramble schema`: print the cluster file's JSON Schema."""

from __future__ import annotations

import click

from pibramble.cli.context import print_json


@click.command("schema")
@click.option("--json", "_as_json", is_flag=True, hidden=True, help="It is JSON anyway.")
def command(*, _as_json: bool) -> None:
    """Print the cluster file's JSON Schema, for editors.

    With Taplo or Even Better TOML: `pibramble schema > cluster.schema.json`, and begin the cluster file with the line
    `#:schema ./cluster.schema.json`.
    """
    from pibramble.spec.schema import schema

    print_json(schema())
