"""The state as a screen in the shell."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pibramble.gps import words
from pibramble.gps.model import Chrony, GpsState, Mode, Satellite

_FULL_DBHZ = 50.0  # what a good antenna hears of a satellite overhead
_BAR = 20  # characters
_NAMES = 10  # columns of a fact's name and what is between it and the fact
_SATELLITES = 3 + 34 + _BAR  # columns of the satellites and what is before them
_FEWEST = 4
_COLOURS = {Mode.THREE_D: "green", Mode.TWO_D: "yellow", Mode.NO_FIX: "red", Mode.UNKNOWN: "red"}


def screen(state: GpsState, width: int = 80, height: int = 24) -> RenderableType:
    """Return what is shown in so many columns and lines; as many satellites as fit.

    They stand beside the facts, or where that is too wide between them and what chrony says.
    """
    facts = words.facts(state)
    clocks = len(state.chrony.sources) + 1 if state.chrony and state.chrony.sources else 0
    wide = max(len(text) for _, text in facts) + _NAMES
    if width >= wide + _SATELLITES:
        both = Table.grid(padding=(0, 3))
        both.add_row(_facts(facts, state), _satellites(state, max(_FEWEST, height - clocks - 2)))
        parts: list[RenderableType] = [both]
    else:
        lines = sum(-(-(len(text) + _NAMES) // width) for _, text in facts)
        parts = [_facts(facts, state), _satellites(state, max(_FEWEST, height - lines - clocks - 2))]
    if state.chrony and clocks:
        parts.append(_sources(state.chrony))
    return Group(*parts)


def _facts(facts: Sequence[tuple[str, str]], state: GpsState) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, text in facts:
        style = {"fix": _COLOURS[state.fix.mode], "problem": "red"}.get(name, "")
        table.add_row(Text(name, style="dim"), Text(text, style=style))
    return table


def _satellites(state: GpsState, rows: int) -> Table:
    """Return the satellites, the loudest first: used ones green, those that are not heard left out."""
    table = Table(box=None, padding=(0, 1), show_edge=False, header_style="dim")
    for heading, side in (
        ("SAT", "left"),
        ("SIGNAL", "left"),
        ("EL", "right"),
        ("AZ", "right"),
        ("dB-Hz", "right"),
        ("", "left"),
    ):
        table.add_column(heading, justify=side)  # type: ignore[arg-type]
    heard = sorted((s for s in state.sky.satellites if s.signal_dbhz), key=lambda s: -(s.signal_dbhz or 0))
    for satellite in heard[:rows]:
        table.add_row(*_row(satellite))
    left = len(state.sky.satellites) - min(len(heard), rows)
    if left > 0:
        table.add_row(Text(f"+{left}", style="dim"))
    return table


def _row(satellite: Satellite) -> tuple[Text, ...]:
    style = "green" if satellite.used else "dim"
    signal = satellite.signal_dbhz or 0.0
    bar = "█" * max(1, min(_BAR, round(signal / _FULL_DBHZ * _BAR)))
    angles = (_degrees(satellite.elevation_deg), _degrees(satellite.azimuth_deg))
    cells = (satellite.name, satellite.signal, *angles, f"{signal:.0f}", bar)
    return tuple(Text(cell, style=style) for cell in cells)


def _degrees(angle: float | None) -> str:
    return words.UNKNOWN if angle is None else f"{angle:.0f}"


def _sources(chrony: Chrony) -> Table:
    table = Table(box=None, padding=(0, 1), show_edge=False, header_style="dim")
    for heading in words.TIME_SOURCE:
        table.add_column(heading.upper())
    for one in chrony.sources:
        table.add_row(*words.time_source(one))
    return table
