"""`pibramble files`: what each node's disk will hold."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pibramble.cli.context import Context, print_json
from pibramble.cli.options import complete_node
from pibramble.cli.tables import show_table
from pibramble.errors import UsageError

if TYPE_CHECKING:
    from pibramble.files.model import Entry, NodeFiles


@click.command()
@click.argument("node", required=False, shell_complete=complete_node)
@click.argument("path", required=False)
@click.option("--into", type=click.Path(file_okay=False, path_type=Path), help="Write the node's files below a folder.")
@click.option("--secrets", is_flag=True, help="Private keys too.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@click.pass_obj
def command(  # noqa: PLR0913 (one parameter an option)
    context: Context, node: str | None, path: str | None, into: Path | None, *, secrets: bool, as_json: bool
) -> None:
    """Show what each node's disk will hold.

    Without NODE, count; with NODE, list its files; with PATH too, print that one. Edits change a file that the base
    system brings along.
    """
    if node is None:
        if into is not None:
            raise UsageError("--into writes the files of one node", hint="pibramble files NODE --into FOLDER")
        _count(context, as_json=as_json)
        return
    if into is not None and path is not None:
        raise UsageError("--into writes all files of a node", hint=f"pibramble files {node} --into {into}")
    files = _files_of(context, node)
    if into is not None:
        _write(files, into, secrets=secrets)
    elif path is not None:
        _print(files, path, secrets=secrets, as_json=as_json)
    else:
        _list(files, as_json=as_json)


def _files_of(context: Context, node: str) -> NodeFiles:
    from pibramble.files.render import render

    names = [known.name for known in context.plan.nodes]
    if node not in names:
        message = f'there is no node "{node}" in {context.plan.name}'
        raise UsageError(message, hint=_nearest(node, names) or "`pibramble plan` lists the nodes")
    return render(context.plan, context.keyring, node)


def _count(context: Context, *, as_json: bool) -> None:
    from pibramble.files.render import render_all

    rendered = render_all(context.plan, context.keyring)
    counts = [
        {
            "node": name,
            "files": len(files.files),
            "links": len(files.links),
            "edits": len(files.edits),
            "bytes": sum(len(file.content.encode()) for file in files.files),
        }
        for name, files in rendered.items()
    ]
    if as_json:
        print_json(counts)
        return
    rows = [[str(value) for value in count.values()] for count in counts]
    show_table(("NODE", "FILES", "LINKS", "EDITS", "BYTES"), rows)


def _list(files: NodeFiles, *, as_json: bool) -> None:
    entries = [_facts(entry) for entry in files.entries]
    if as_json:
        print_json(entries)
        return
    rows = tuple(
        tuple(str(entry.get(key, "")) for key in ("path", "mode", "owner", "bytes", "why"))
        if entry["kind"] == "file"
        else (str(entry["path"]), str(entry["kind"]), "", "", str(entry["why"]))
        for entry in entries
    )
    show_table(("PATH", "MODE", "OWNER", "BYTES", "WHY"), rows)


def _print(files: NodeFiles, path: str, *, secrets: bool, as_json: bool) -> None:
    entries = {entry.path: entry for entry in files.entries}
    entry = entries.get(path)
    if entry is None:
        message = f"{files.node} has no file {path} from pibramble"
        raise UsageError(message, hint=_nearest(path, entries) or f"`pibramble files {files.node}` lists them")
    facts = _facts(entry)
    if facts.get("secret") and not secrets:
        message = f"{path} is a private key of {files.node}"
        raise UsageError(message, hint="--secrets prints it all the same")
    if as_json:
        print_json(facts | {"content": _content(entry)})
    else:
        click.echo(_content(entry), nl=False)


def _write(files: NodeFiles, into: Path, *, secrets: bool) -> None:
    from pibramble.files.write import write

    done = write(files, into, secrets=secrets)
    click.echo(f"{len(done.written)} files of {files.node} are below {into}", err=True)
    if done.withheld:
        click.echo(f"left out, private keys (--secrets): {' '.join(done.withheld)}", err=True)
    if done.unedited:
        click.echo(f"left out, edits of files that are not there: {' '.join(done.unedited)}", err=True)


def _facts(entry: Entry) -> dict[str, object]:
    """Return what a listing says of an entry."""
    from pibramble.files.model import NodeFile, Symlink

    if isinstance(entry, NodeFile):
        return {
            "path": entry.path,
            "kind": "file",
            "mode": f"{entry.mode:04o}",
            "owner": entry.owner,
            "bytes": len(entry.content.encode()),
            "secret": entry.secret,
            "why": entry.why,
        }
    if isinstance(entry, Symlink):
        return {"path": entry.path, "kind": "link", "target": entry.target, "why": entry.why}
    return {"path": entry.path, "kind": "edit", "remove": entry.remove, "add": entry.add, "why": entry.why}


def _content(entry: Entry) -> str:
    from pibramble.files.model import NodeFile, Symlink

    if isinstance(entry, NodeFile):
        return entry.content
    if isinstance(entry, Symlink):
        return f"-> {entry.target}\n"
    gone = [f"- {pattern}" for pattern in entry.remove]
    there = [f"+ {line}" for item in entry.add for line in item.splitlines()]
    return "\n".join(["# what matches - goes, then + is there", *gone, *there]) + "\n"


def _nearest(word: str, known: Iterable[str]) -> str:
    import difflib  # only for a typo

    near = difflib.get_close_matches(word, list(known), n=1)
    return f'did you mean "{near[0]}"?' if near else ""
