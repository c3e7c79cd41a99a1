"""`pibramble wiring`: the harness of this cluster and the library of known cables, checked, drawn and listed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pibramble.cli.context import Context, print_json
from pibramble.cli.tables import show_table
from pibramble.errors import Exit, UsageError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from pibramble.advise.wiring.model import At, Fault, Harness


def _complete_cables(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    from pibramble.advise.wiring.library import cables

    return [CompletionItem(name, help=cable.title) for name, cable in cables().items() if name.startswith(incomplete)]


@click.command("wiring")
@click.option("--cable", "name", shell_complete=_complete_cables, help="A known cable instead of this cluster.")
@click.option("--list", "listing", is_flag=True, help="List the known cables.")
@click.option("--check", "only_check", is_flag=True, help="Only the electrical rule check.")
@click.option("--checklist", is_flag=True, help="What to measure before power comes on.")
@click.option(
    "--draw", "folder", type=click.Path(path_type=Path), help="Draw into a folder: SVG, PNG, HTML with parts."
)
@click.option("--yaml", "as_yaml", is_flag=True, help="Print WireViz's own YAML.")
@click.option(
    "--measured", multiple=True, metavar="END.PIN=VOLTS", help="An output's voltage at rest, as you measured it."
)
@click.option("--json", "as_json", is_flag=True, help="Print the wires and what is wrong as JSON.")
@click.pass_obj
def command(  # noqa: PLR0913 (one parameter an option)
    context: Context,
    *,
    name: str | None,
    listing: bool,
    only_check: bool,
    checklist: bool,
    folder: Path | None,
    as_yaml: bool,
    measured: tuple[str, ...],
    as_json: bool,
) -> int:
    """Show what is wired to what, and whether it may be plugged in.

    Ends with exit code 2 while something is wrong, or unknown and must be measured first.
    """
    if listing:
        return _list(as_json=as_json)
    harness = _measured(_known(name) if name else _own(context), measured)
    if checklist:
        return _checklist(harness, as_json=as_json)
    if as_yaml:
        from pibramble.advise.wiring.wireviz import document, to_yaml

        click.echo(to_yaml(document(harness)), nl=False)
        return Exit.OK
    if folder is not None:
        return _draw(context, harness, folder)
    return _judge(harness, only_check=only_check, as_json=as_json)


def _judge(harness: Harness, *, only_check: bool, as_json: bool) -> int:
    """Show the wires and what is wrong with them."""
    from pibramble.advise.wiring.rules import blocked, check

    faults = check(harness)
    code = Exit.WRONG if blocked(faults) else Exit.OK
    if as_json:
        print_json(_plain(harness, faults))
        return code
    if not harness.cables:
        click.echo(f"{harness.name}: nothing to wire but Ethernet cables")
        return code
    if not only_check:
        _table(harness)
        click.echo()
    _verdict(harness, faults)
    return code


def _own(context: Context) -> Harness:
    from pibramble.advise.power import Feeding
    from pibramble.advise.wiring.harness import harness_of
    from pibramble.catalog.sections import Catalogue

    cluster = context.cluster_file.cluster
    return harness_of(Feeding(cluster, Catalogue(cluster.catalog)))


def _known(name: str) -> Harness:
    from pibramble.advise.wiring.library import cables
    from pibramble.spec.findings import did_you_mean

    if name not in cables():
        cure = did_you_mean(name, cables(), "`pibramble wiring --list` lists them")
        raise UsageError(f'there is no cable "{name}"', hint=cure)
    return cables()[name]


def _measured(harness: Harness, words: Sequence[str]) -> Harness:
    """Put measured voltages into a harness. Raises UsageError."""
    from pibramble.advise.wiring import library
    from pibramble.advise.wiring.model import At

    volts: dict[At, float] = {}
    for word in words:
        place, _, value = word.partition("=")
        end, _, pin = place.rpartition(".")
        try:
            volts[At(end, pin)] = float(value)
            harness.pin(At(end, pin))
            library.level_at_rest(float(value))
        except KeyError:
            known = ", ".join(e.name for e in harness.ends)
            raise UsageError(f'there is no pin "{place}" here', hint=f"the ends are {known}") from None
        except ValueError as error:
            cure = "as gps.TX=3.3, in volts"
            said = str(error) if "level" in str(error) else f'"{word}" is no measurement'
            raise UsageError(said, hint=cure) from None
    return library.measured(harness, volts) if volts else harness


def _list(*, as_json: bool) -> int:
    from pibramble.advise.wiring.library import cables

    if as_json:
        known = [{"name": name, "title": cable.title, "source": cable.source} for name, cable in cables().items()]
        print_json(known)
        return Exit.OK
    width = max(map(len, cables()))
    for name, cable in cables().items():
        click.echo(f"{name:{width}}  {cable.title}")
    return Exit.OK


def _checklist(harness: Harness, *, as_json: bool) -> int:
    from pibramble.advise.wiring.checklist import steps

    found = steps(harness)
    if as_json:
        print_json(found)
        return Exit.OK
    part = ""
    for number, step in enumerate(found, 1):
        if step.part != part:
            part = step.part
            click.secho(f"{part}:", bold=True)
        expect = f"  -> {step.expect}" if step.expect else ""
        click.echo(f"  [ ] {number:2}. {step.what}{expect}")
    return Exit.OK


def _draw(context: Context, harness: Harness, folder: Path) -> int:
    from pibramble.advise.wiring.harness import sheets
    from pibramble.drawing import draw

    for path in draw(sheets(harness), folder, context.progress):
        click.echo(path)
    return Exit.OK


def _table(harness: Harness) -> None:
    click.secho(harness.title, bold=True)
    if harness.source:
        click.echo(f"Pinout: {harness.source}")
    rows = []
    for cable in harness.cables:
        signals = [harness.pin(wire.left).signal for wire in cable.wires]
        if {"D+", "D-"} <= set(signals):  # ready-made: nobody solders its wires
            first = cable.wires[0]
            rows.append((cable.name, first.left.end, first.right.end, cable.title))
            continue
        for number, wire in enumerate(cable.wires):
            rows.append(
                (cable.name if number == 0 else "", _pin(harness, wire.left), _pin(harness, wire.right), wire.color)
            )
    click.echo()
    show_table(("CABLE", "FROM", "TO", "WIRE"), rows)
    for note in harness.notes:
        click.echo(f"Note: {note}")


def _pin(harness: Harness, at: At) -> str:
    signal = harness.pin(at).signal
    return f"{at.end} {at.pin}" + (f" {signal}" if signal != at.pin else "")


def _verdict(harness: Harness, faults: tuple[Fault, ...]) -> None:
    from pibramble.advise.wiring.rules import RULES, blocked

    for fault in faults:
        click.secho(f"{fault.severity}: ", nl=False, fg="red" if fault.severity == "error" else "yellow")
        click.echo(f"{fault.message} [{fault.rule}]")
        click.echo(f"  {fault.cure}")
    if blocked(faults):
        click.echo(f"{harness.name}: do not plug in yet")
    elif faults:
        click.echo(
            f"{harness.name}: no errors in {len(RULES)} rules; `--checklist` says what to measure before power comes on"
        )
    else:
        click.echo(f"{harness.name}: {len(RULES)} rules kept; `--checklist` says what to measure before power comes on")


def _plain(harness: Harness, faults: tuple[Fault, ...]) -> dict[str, object]:
    wires = [
        {"cable": cable.name, "from": str(wire.left), "to": str(wire.right), "color": wire.color}
        for cable in harness.cables
        for wire in cable.wires
    ]
    return {
        "name": harness.name,
        "wires": wires,
        "faults": [
            {
                "rule": fault.rule,
                "severity": fault.severity.value,
                "message": fault.message,
                "cure": fault.cure,
                "at": [str(at) for at in fault.at],
            }
            for fault in faults
        ],
    }
