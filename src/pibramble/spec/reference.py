"""Renders the reference page of the cluster file from its types: `python -m pibramble.spec.reference`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

import attrs

from pibramble.catalog.load import boards
from pibramble.catalog.model import Board
from pibramble.catalog.sections import FILES
from pibramble.serialise import plain
from pibramble.spec.additions import keys_of_part
from pibramble.spec.model import Cluster, Engine, Kind, Link
from pibramble.spec.new import render
from pibramble.spec.structure import LISTS, SECTIONS

_TITLES = {"nodes": "[nodes.NAME]", **{name: f"[[{name}]]" for name in LISTS}}

_WORDS: Mapping[Any, str] = {
    str: "text",
    int: "number",
    float: "number",
    bool: "true or false",
    IPv4Address: "address",
    IPv4Interface: "address/prefix",
    IPv4Network: "network",
    Link: ", ".join(link.value for link in Link),
    Engine: ", ".join(engine.value for engine in Engine),
}

_INTRODUCTION = """\
# The cluster file

<!-- Made by `python -m pibramble.spec.reference` from the types that read the file. Do not edit. -->

One file, `cluster.toml`, says what the cluster is; everything else follows from it. It is
[TOML](https://toml.io). `pibramble new` writes one, `pibramble check` judges it, and `pibramble plan` shows
what follows.

pibramble takes the file named by `-f`, else the one named by the environment variable `PIBRAMBLE_FILE`, else
`cluster.toml` in the current folder, else `/etc/pibramble/cluster.toml`.

Only the workers' names have no default. This is a whole cluster, a Zero on the USB port of a Pi 1 B:

```toml
[[workers]]
name = "zero1"
```

And this is what `pibramble new` writes:

```toml
{example}```

## Sections
"""

_CATALOG = """\
### `[catalog.SECTION.NAME]`

What you know better than the catalogue, or what it lacks. Say only what is different; a part that the catalogue does
not know needs every key without which there is no such part, and the error names those that are missing. The same
tables, without `catalog.`, may stand in files of `~/.config/pibramble/catalog/`, for all your clusters at once; the
cluster file's word counts over theirs.

```toml
[catalog.prices.pi-zero]
amount = 7.50
currency = "USD"

[catalog.hubs.from-the-drawer]
title = "7-port hub, no name"
ports = 7
port_ma = 500
supply_ma = 2000
backfeeds = false # measured: its plug towards the head shows 0 V
```

| section | what it holds | keys |
| --- | --- | --- |
"""

_RANGES = """\
## Ranges

Names are written as in [ClusterShell](https://clustershell.readthedocs.io/): `zero[1-4]` is zero1 to zero4,
`node[01-12,20]` keeps its zeros, `a[1-9/2]` counts in steps, `a[1-2]b[1-2]` makes all four, `left,right` names
two. Nodes keep the order in which they are written. A range in `head_port` pairs up with the names one to one;
an `address` is the first one's, and the others count up from it.

## Mistakes

A wrong file is refused with exit code 2 and all its mistakes at once, each with its place and what would be
right. Warnings stop nothing; `pibramble check --strict` counts them as errors, `--json` prints them for
programs.

## Editors

`pibramble schema > cluster.schema.json` writes a JSON Schema. With Taplo or Even Better TOML, begin the cluster
file with `#:schema ./cluster.schema.json` to get completion, explanations and checks while you type.

"""

_BOARDS = """\
## Boards

What the catalogue knows. A gadget rate without "measured" is an estimate that nobody has verified on that
board. Sources and dates stand beside each figure in the catalogue's data file,
`src/pibramble/catalog/boards.toml`.

| board | name | architecture | cores | memory | links | gadget to / from the head | serial ports |
| --- | --- | --- | --- | --- | --- | --- | --- |
"""


def page() -> str:
    """Return the whole page as Markdown."""
    example = render("xmas", identity="5f0c9a1e")
    sections = "\n".join(_section(field) for field in attrs.fields(Cluster) if field.name in SECTIONS)
    rows = "\n".join(map(_board_row, boards().values()))
    parts = "\n".join(f"| `{name}` | {_summary(cls)} | {_keys(cls)} |" for name, (cls, _) in FILES.items())
    return f"{_INTRODUCTION.format(example=example)}\n{sections}\n{_CATALOG}{parts}\n\n{_RANGES}{_BOARDS}{rows}\n"


def _summary(cls: type) -> str:
    return (cls.__doc__ or "").strip().split("\n")[0].split(": ")[0].rstrip(".")


def _keys(cls: type) -> str:
    return ", ".join(f"`{key}`" for key in keys_of_part(cls))


def _section(field: attrs.Attribute[Any]) -> str:
    cls = SECTIONS[field.name]
    attrs.resolve_types(cls)
    title = _TITLES.get(field.name, f"[{field.name}]")
    purpose = (cls.__doc__ or "").split(": ", 1)[1].strip()
    rows = "\n".join(_rows(cls))
    return f"""### `{title}`

{purpose[0].upper()}{purpose[1:]}

| key | what it takes | default | what it is |
| --- | --- | --- | --- |
{rows}
"""


def _rows(cls: type) -> Iterator[str]:
    for field in attrs.fields(cls):
        default = field.default
        shown = "needed" if default is attrs.NOTHING else "" if default in {None, ""} else f"`{_toml(plain(default))}`"
        yield f"| `{field.name}` | {_words(field)} | {shown} | {field.metadata['help']} |"


def _words(field: attrs.Attribute[Any]) -> str:
    text = str(field.type)
    if field.type in _WORDS:
        words = _WORDS[field.type]
    else:
        inner = next(
            cls
            for cls in (Link, IPv4Interface, IPv4Network, IPv4Address, bool, int, float, str)
            if cls.__name__ in text
        )
        words = f"list of {_plural(_WORDS[inner])}" if text.startswith("tuple") else _WORDS[inner]
    kind: Kind = field.metadata["kind"]
    return kind.value or words


def _plural(word: str) -> str:
    return f"{word}es" if word.endswith("s") else f"{word}s"


def _toml(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def _board_row(board: Board) -> str:
    links = ["usb"] if board.usb_gadget else []
    links += ["serial"] if board.uarts else []
    links += [f"ethernet ({board.ethernet_mbit} Mbit/s)"] if board.ethernet_mbit else []
    gadget = ""
    if board.gadget_to_head_mbit and board.gadget_from_head_mbit:
        mark = " measured" if board.gadget_measured else ""
        gadget = f"{board.gadget_to_head_mbit:g} / {board.gadget_from_head_mbit:g} Mbit/s{mark}"
    ports = ", ".join(f"`{uart.device}` to {uart.max_baud:,}" for uart in board.uarts)
    cells = (f"`{board.name}`", board.title, board.architecture.value, board.cores, f"{board.memory_mb} MB")
    return f"| {' | '.join(map(str, cells))} | {', '.join(links)} | {gadget} | {ports} |"


if __name__ == "__main__":
    sys.stdout.write(page())
