"""`pibramble new`: write a cluster file from a template."""

from __future__ import annotations

from pathlib import Path

import click

from pibramble.cli.context import Context, print_json
from pibramble.spec import new
from pibramble.spec.new import HERE


def _complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in new.templates() if name.startswith(incomplete)]


@click.command("new")
@click.argument("template", default=new.DEFAULT, shell_complete=_complete)
@click.option("-o", "--output", help=f"The file to write; - prints it.  [default: {HERE}]")
@click.option("--list", "listing", is_flag=True, help="List the templates.")
@click.option("--json", "as_json", is_flag=True, help="List them as JSON.")
@click.pass_obj
def command(context: Context, template: str, output: str | None, *, listing: bool, as_json: bool) -> None:
    """Write a cluster file from a TEMPLATE, ready to be edited. Never overwrites one."""
    if as_json:
        print_json([{"name": name, "summary": summary} for name, summary in new.templates().items()])
        return
    if listing:
        width = max(map(len, new.templates()))
        for name, summary in new.templates().items():
            click.echo(f"{name:{width}}  {summary}")
        return
    text = new.render(template)
    output = output or context.file or HERE
    if output == "-":
        click.echo(text, nl=False)
        return
    new.write(Path(output), text)
    click.echo(f"wrote {output} ({template})")
    if not context.quiet:
        file = "" if output == HERE else f" -f {output}"
        click.echo(
            f"Next: edit it, then `pibramble{file} check`, `pibramble{file} plan`, `pibramble{file} up`.", err=True
        )
