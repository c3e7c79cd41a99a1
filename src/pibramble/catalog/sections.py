"""The catalogue's sections: which type and which data file each has, and how one is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar, cast, get_args, get_origin

import attrs

from pibramble.catalog import load
from pibramble.catalog.model import NOTHING_ADDED, Additions, Board, Uart
from pibramble.catalog.parts import (
    Bridge,
    Cord,
    EthernetAdapter,
    Hub,
    Level,
    MemoryCard,
    Power,
    Price,
    Receiver,
    SerialAdapter,
    Shifter,
    Speed,
    Supply,
    Switch,
)

FILES: Mapping[str, tuple[type, str]] = {
    "boards": (Board, "boards.toml"),
    "uarts": (Uart, "boards.toml"),
    "power": (Power, "power.toml"),
    "speeds": (Speed, "speeds.toml"),
    "prices": (Price, "prices.toml"),
    "hubs": (Hub, "parts.toml"),
    "supplies": (Supply, "parts.toml"),
    "cords": (Cord, "parts.toml"),
    "ethernet_adapters": (EthernetAdapter, "parts.toml"),
    "switches": (Switch, "parts.toml"),
    "bridges": (Bridge, "parts.toml"),
    "shifters": (Shifter, "parts.toml"),
    "cards": (MemoryCard, "parts.toml"),
    "serial_adapters": (SerialAdapter, "parts.toml"),
    "receivers": (Receiver, "parts.toml"),
}

_Part = TypeVar("_Part")


class _Section(Generic[_Part]):
    """A section of the catalogue as an attribute of it, read when it is first asked for."""

    def __init__(self, cls: type[_Part]) -> None:
        self._cls = cls

    def __set_name__(self, _owner: type, name: str) -> None:
        self._name = name

    def __get__(self, catalogue: Catalogue, _owner: type) -> Mapping[str, _Part]:
        said = load.merged(self._name, load.raw(FILES[self._name][1])[self._name], catalogue.added)
        parts = {part: make(self._cls, values) for part, values in said.items()}
        vars(catalogue)[self._name] = parts  # from now on the instance's own attribute stands before this one
        return parts


@attrs.frozen(slots=False)  # what was read is kept in its __dict__
class Catalogue:
    """All that is known, with what a person added: each section's parts by name, in the order of the data file."""

    added: Additions = NOTHING_ADDED

    power = _Section(Power)
    speeds = _Section(Speed)
    prices = _Section(Price)
    hubs = _Section(Hub)
    supplies = _Section(Supply)
    cords = _Section(Cord)
    ethernet_adapters = _Section(EthernetAdapter)
    switches = _Section(Switch)
    bridges = _Section(Bridge)
    shifters = _Section(Shifter)
    cards = _Section(MemoryCard)
    serial_adapters = _Section(SerialAdapter)
    receivers = _Section(Receiver)

    @property
    def boards(self) -> Mapping[str, Board]:
        """Return the boards."""
        return load.boards(self.added)

    def section(self, name: str) -> Mapping[str, Any]:
        """Return a section by its name."""
        return cast("Mapping[str, Any]", getattr(self, name))

    def title(self, part: str) -> str:
        """Return what people call a board or part."""
        if part in self.boards:
            return self.boards[part].title
        titled = (
            self.section(name)
            for name, (cls, file) in FILES.items()
            if file != "boards.toml" and "title" in attrs.fields_dict(cls)
        )
        return next((str(parts[part].title) for parts in titled if part in parts), part)


def make(cls: type[_Part], said: Mapping[str, Any]) -> _Part:
    """Return a part from what is said of it; the data must have been fitted to the type."""
    kinds = _conversions(cls)
    return cls(**{key: kinds[key](value) if key in kinds else value for key, value in said.items()})


def _conversions(cls: type) -> dict[str, Any]:
    attrs.resolve_types(cls)
    found: dict[str, Any] = {}
    for field in attrs.fields(cast("Any", cls)):
        if field.type is Level:
            found[field.name] = Level
        elif get_origin(field.type) is tuple and get_args(field.type):
            found[field.name] = tuple
        elif field.type is float:
            found[field.name] = float
    return found
