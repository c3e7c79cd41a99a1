"""A harness in WireViz's own YAML. It draws connectors and cables and lists the parts; electrical data stay with us."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pibramble.advise.wiring.model import At, Cable, End, Harness

_PLAIN = re.compile(r"(?!(?:true|false|yes|no|on|off|null|y|n)$)[A-Za-z][\w.-]*", re.IGNORECASE)  # a key without quotes


def document(harness: Harness) -> dict[str, Any]:
    """Return what WireViz reads, as plain values.

    The ends of one device become one box, so that a module between two cables is seen as what it is. Graphviz stacks
    what it gets first at the bottom: everything is handed over last things first.
    """
    boxes: dict[str, list[End]] = {}
    for end in harness.ends:
        boxes.setdefault(end.device, []).append(end)
    connectors = {_box(ends): _connector(ends) for ends in reversed(boxes.values())}
    names = {end.name: _box(ends) for ends in boxes.values() for end in ends}
    alone = {end.name for ends in boxes.values() if len(ends) == 1 for end in ends}
    return {
        "metadata": {"title": harness.title, "notes": " ".join(harness.notes)},
        "options": {"fontname": "DejaVu Sans", "color_mode": "FULL"},
        "connectors": connectors,
        "cables": {cable.name: _cable(cable) for cable in harness.cables},
        "connections": [_connection(harness, cable, names, alone) for cable in reversed(harness.cables)],
    }


def to_yaml(document: Mapping[str, Any]) -> str:
    """Return the document as YAML: tables as blocks, lists on a line of their own, texts quoted as in JSON."""
    return "".join(_block(document, 0))


def _block(table: Mapping[str, Any], depth: int) -> list[str]:
    lines: list[str] = []
    indent = "  " * depth
    for key, value in table.items():
        name = key if _PLAIN.fullmatch(key) else json.dumps(key, ensure_ascii=False)
        if isinstance(value, Mapping):
            lines.append(f"{indent}{name}:\n")
            lines += _block(value, depth + 1)
        elif isinstance(value, list) and value and isinstance(value[0], list):
            lines.append(f"{indent}{name}:\n")
            for item in value:
                lines += [f"{indent}  {'- ' if at == 0 else '  '}- {_flow(part)}\n" for at, part in enumerate(item)]
        else:
            lines.append(f"{indent}{name}: {_flow(value)}\n")
    return lines


def _flow(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)  # JSON's flow style is YAML's


def _box(ends: Sequence[End]) -> str:
    return ends[0].name if len(ends) == 1 else ends[0].device


def _connector(ends: Sequence[End]) -> dict[str, Any]:
    titles = dict.fromkeys(end.connector.title for end in ends)
    said: dict[str, Any] = {"type": ", ".join(titles) if len(titles) == 1 else next(iter(titles)).split(",")[0]}
    if len(ends) == 1 and ends[0].connector.gender:
        said["subtype"] = ends[0].connector.gender
    said["pins"] = [_pin(end, pin.pin, alone=len(ends) == 1) for end in ends for pin in end.connector.pins]
    said["pinlabels"] = [pin.signal for end in ends for pin in end.connector.pins]
    notes = [f"of {ends[0].device}"] if len(ends) == 1 and ends[0].device != ends[0].name else []
    if any(pin.level == "unknown" for end in ends for pin in end.connector.pins):
        notes.append("level unknown: measure first")
    if notes:
        said["notes"] = ", ".join(notes)
    return said


def _pin(end: End, pin: str, *, alone: bool) -> int | str:
    """Return a pin's number in its box: with its end's name before it where the box holds several ends."""
    if not alone:
        return f"{end.name.removeprefix(f'{end.device}-')} {pin}"
    return int(pin) if pin.isdigit() else pin


def _cable(cable: Cable) -> dict[str, Any]:
    said: dict[str, Any] = {
        "type": cable.title,
        "wirecount": len(cable.wires),
        "colors": [wire.color or "WH" for wire in cable.wires],
    }
    if cable.length_m is None:
        said |= {"length": 1, "length_unit": "piece"}  # or the parts list counts 0 m of it
    else:
        said["length"] = cable.length_m
    if cable.baud is not None:
        said["notes"] = f"{cable.baud:,} baud" + (", RTS and CTS" if cable.flow_control else "")
    return said


def _connection(
    harness: Harness, cable: Cable, names: Mapping[str, str], alone: set[str]
) -> list[dict[str, list[Any]]]:
    def pins(ats: list[At]) -> dict[str, list[Any]]:
        [end] = {at.end for at in ats}  # a cable of ours joins two ends, no more
        return {names[end]: [_pin(harness.by_name[end], at.pin, alone=end in alone) for at in ats]}

    lefts, rights = [wire.left for wire in cable.wires], [wire.right for wire in cable.wires]
    return [pins(lefts), {cable.name: list(range(1, len(cable.wires) + 1))}, pins(rights)]
