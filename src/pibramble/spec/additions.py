"""Fits what a person adds to the catalogue to its types: `[catalog.prices.pi-zero]` and its like.

Only some keys need be said of a part that the catalogue knows; of a new one, all that have no default.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from types import NoneType
from typing import Any, cast, get_args

import attrs

from pibramble.catalog import load
from pibramble.catalog.model import Additions, Board
from pibramble.catalog.sections import FILES
from pibramble.spec.findings import Finding, did_you_mean, listed
from pibramble.spec.locate import Path

_OF_THE_NAME = "name"  # what a table's own name says already

_AT_LEAST_ONE = frozenset(
    {"ports", "outlets", "sampling", "crystal_hz", "max_baud", "baud", "channels", "fifo_bytes", "usb_buses"}
)
_MOST_OF_ANYTHING = 1_000_000_000
_MOST = {
    "ports": 127,
    "outlets": 1_000,
    "sampling": 64,
    "fractional_bits": 16,
    "volts": 25,
    "own_ma": 5_000,
    "usb_buses": 64,
}


def _least(key: str) -> int:
    return 1 if key in _AT_LEAST_ONE else 0


@attrs.frozen
class Fitter:
    """Fits tables of the catalogue, and keeps what is wrong with them."""

    fit: Callable[[Any, Any, Path, list[Finding]], Any]  # structure's: a value as a type, or `unfit` and a finding
    unfit: object
    findings: list[Finding]

    def additions(self, value: object, path: Path) -> Additions:
        """Return what fits of the sections in `value`; the rest is left out and stands among the findings."""
        if not isinstance(value, Mapping):
            self._wrong("wrong-type", path, "tables are expected here, one a part", "as [catalog.prices.pi-zero]")
            return Additions()
        said: dict[str, dict[str, dict[str, Any]]] = {}
        for section, names in value.items():
            where = (*path, section)
            if section not in FILES:
                cure = did_you_mean(section, FILES, f"there are {listed(FILES)}")
                self._wrong("unknown-key", where, f"the catalogue has no section `{section}`", cure)
            elif not isinstance(names, Mapping):
                cure = f"as [{'.'.join(map(str, where))}.NAME]"
                self._wrong("wrong-type", where, "tables are expected here, one a part", cure)
            else:
                parts = {name: self._part(section, keys, (*where, name)) for name, keys in names.items()}
                said[section] = {name: keys for name, keys in parts.items() if keys is not None}
        return Additions(said)

    def _part(self, section: str, value: object, path: Path) -> dict[str, Any] | None:
        """Return the keys that were said of one part; None where so much is wrong that there is no part."""
        if not isinstance(value, Mapping):
            cure = f"[{'.'.join(map(str, path))}] on a line of its own, then a line for each key"
            self._wrong("wrong-type", path, "a table is expected here", cure)
            return None
        before = len(self.findings)
        cls, file = FILES[section]
        said = self._keys(section, value, path)
        known = {*load.raw(file)[section].get(path[-1], {}), *value}
        if missing := [key for key in _needed(cls) if key not in known]:
            are = "is" if len(missing) == 1 else "are"
            keys = listed(f"`{key}`" for key in missing)
            message = f'"{path[-1]}" is new to the catalogue, and {keys} {are} not said'
            self._wrong("missing-key", path, message, "add what is missing, or correct the name")
        return said if len(self.findings) == before else None

    def _keys(self, section: str, value: Mapping[str, Any], path: Path) -> dict[str, Any]:
        types = keys_of_part(FILES[section][0])
        said: dict[str, Any] = {}
        for key, given in value.items():
            where = (*path, key)
            if key not in types:
                cure = did_you_mean(key, types, f"it has {listed(types)}")
                self._wrong("unknown-key", where, f"[{section}.NAME] has no key `{key}`", cure)
                continue
            fitted = self.fit(given, types[key], where, self.findings)
            if isinstance(fitted, (int, float)) and not _least(key) <= fitted <= _MOST.get(key, _MOST_OF_ANYTHING):
                cure = f"write {_least(key)} to {_MOST.get(key, _MOST_OF_ANYTHING):,}"
                self.findings.append(Finding("out-of-range", where, f"{fitted} is no value of `{key}`", cure))
            elif fitted is not self.unfit:
                said[key] = fitted
        return said

    def _wrong(self, rule: str, path: Path, message: str, cure: str) -> None:
        on_key = rule in {"unknown-key", "missing-key"}
        self.findings.append(Finding(rule, path, message, cure, on_key=on_key))


def with_known_uarts(said: Additions, others: Additions, path: Path = ()) -> tuple[Additions, list[Finding]]:
    """Return a file's additions less the boards whose UARTs neither they, the `others` nor the catalogue know.

    `path`: where the sections stand in the file. The findings say which those are.
    """
    known = {*load.raw("boards.toml")["uarts"], *others.of("uarts"), *said.of("uarts")}
    sound, findings = {}, []
    for name, keys in said.of("boards").items():
        if unknown := [uart for uart in keys.get("uarts", ()) if uart not in known]:
            where, message = (*path, "boards", name, "uarts"), f'there is no UART "{unknown[0]}"'
            findings.append(Finding("unknown-uart", where, message, did_you_mean(unknown[0], known, _those(known))))
        else:
            sound[name] = keys
    return (Additions({**said.said, "boards": sound}), findings) if findings else (said, [])


def _those(known: Collection[str]) -> str:
    return f"there are {listed(sorted(known))}; [catalog.uarts.NAME] describes another"


def keys_of_part(cls: type) -> Mapping[str, Any]:
    """Return the keys that a part's table may have, with their types."""
    attrs.resolve_types(cls)
    types = {field.name: field.type for field in attrs.fields(cast("Any", cls)) if field.name != _OF_THE_NAME}
    if cls is Board:
        types["uarts"] = tuple[str, ...]  # by their names in boards.toml
    return types


def _needed(cls: type) -> list[str]:
    """Return the keys without which there is no such part."""
    types = keys_of_part(cls)
    return [
        field.name
        for field in attrs.fields(cast("Any", cls))
        if field.name in types
        and field.default is attrs.NOTHING
        and not (cls is Board and NoneType in get_args(types[field.name]))
    ]
