"""The catalogue's sections: which type and which data file each has, and how one is read."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, TypeVar, cast, get_args, get_origin

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


@attrs.frozen(slots=False)  # cached_property needs a __dict__
class Catalogue:
    """Everything that is known, with what a person added; each section is read when it is first asked for."""

    added: Additions = NOTHING_ADDED

    def section(self, name: str) -> Mapping[str, Any]:
        """Return a section's parts by name, in the order of the data file."""
        cls, file = FILES[name]
        said = load.merged(name, load.raw(file)[name], self.added)
        return {part: make(cls, values) for part, values in said.items()}

    @cached_property
    def boards(self) -> Mapping[str, Board]:
        """Return the boards."""
        return load.boards(self.added)

    @cached_property
    def power(self) -> Mapping[str, Power]:
        """Return what each board draws and gives."""
        return self.section("power")

    @cached_property
    def speeds(self) -> Mapping[str, Speed]:
        """Return how fast each board computes."""
        return self.section("speeds")

    @cached_property
    def prices(self) -> Mapping[str, Price]:
        """Return what each board and part costs."""
        return self.section("prices")

    @cached_property
    def hubs(self) -> Mapping[str, Hub]:
        """Return the USB hubs."""
        return self.section("hubs")

    @cached_property
    def supplies(self) -> Mapping[str, Supply]:
        """Return the supplies."""
        return self.section("supplies")

    @cached_property
    def switches(self) -> Mapping[str, Switch]:
        """Return the Ethernet switches."""
        return self.section("switches")

    @cached_property
    def bridges(self) -> Mapping[str, Bridge]:
        """Return the chips that make UARTs."""
        return self.section("bridges")

    @cached_property
    def shifters(self) -> Mapping[str, Shifter]:
        """Return the level shifters."""
        return self.section("shifters")

    @cached_property
    def cards(self) -> Mapping[str, MemoryCard]:
        """Return the memory cards."""
        return self.section("cards")

    @cached_property
    def serial_adapters(self) -> Mapping[str, SerialAdapter]:
        """Return the UARTs on USB plugs."""
        return self.section("serial_adapters")

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
