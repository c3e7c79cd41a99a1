"""Reads the catalogue's data files into its types, each file when it is first asked for."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pibramble.catalog.model import NOTHING_ADDED, Additions, Architecture, Board, Uart

_ABSENT: Mapping[str, Any] = {"ethernet_mbit": None, "gadget_to_head_mbit": None, "gadget_from_head_mbit": None}


def boards(added: Additions = NOTHING_ADDED) -> Mapping[str, Board]:
    """Return all boards by their catalogue names, in the order of the data file; what is added comes last."""
    own = _boards()
    return own if not {"boards", "uarts"} & set(added.said) else _more_boards(own, added)


@cache
def _boards() -> Mapping[str, Board]:
    uarts = {key: _uart(values) for key, values in raw("boards.toml")["uarts"].items()}
    return MappingProxyType({name: _board(name, said, uarts) for name, said in raw("boards.toml")["boards"].items()})


def _more_boards(own: Mapping[str, Board], added: Additions) -> Mapping[str, Board]:
    uarts = {name: _uart(said) for name, said in merged("uarts", raw("boards.toml")["uarts"], added).items()}
    boards_said = merged("boards", raw("boards.toml")["boards"], added)
    touched = set(added.of("boards")) if "uarts" not in added.said else set(boards_said)
    return {name: _board(name, said, uarts) if name in touched else own[name] for name, said in boards_said.items()}


@cache
def raw(file: str) -> Mapping[str, Any]:
    """Return a data file as TOML has it."""
    with Path(__file__).with_name(file).open("rb") as stream:
        return tomllib.load(stream)


def merged(section: str, own: Mapping[str, Any], added: Additions) -> dict[str, dict[str, Any]]:
    """Return what is said of every part of a section: the data file's word, and over it what was added."""
    result = {name: dict(said) for name, said in own.items()}
    for name, said in added.of(section).items():
        known = result.get(name, {})
        if section == "prices" and "amount" in said:  # the date and source of another price say nothing about this one
            known = {"currency": known.get("currency", "USD")}
        result[name] = {**known, **said}
    return result


def _uart(values: Mapping[str, Any]) -> Uart:
    return Uart(**{**values, "pins": tuple(values.get("pins", ()))})


def _board(name: str, values: Mapping[str, Any], uarts: Mapping[str, Uart]) -> Board:
    read = {
        "architecture": Architecture(values["architecture"]),
        "uarts": tuple(uarts[key] for key in values.get("uarts", ())),
    }
    return Board(**{**_ABSENT, **values, **read, "name": name})
