"""Reads the catalogue's data files into its types."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pibramble.catalog.model import Architecture, Board, Uart


@cache
def boards() -> Mapping[str, Board]:
    """Return all boards by their catalogue names, in the order of the data file."""
    with Path(__file__).with_name("boards.toml").open("rb") as stream:
        data = tomllib.load(stream)
    uarts = {key: _uart(values) for key, values in data["uarts"].items()}
    return MappingProxyType({name: _board(name, values, uarts) for name, values in data["boards"].items()})


def _uart(values: dict[str, Any]) -> Uart:
    return Uart(**{**values, "pins": tuple(values.get("pins", ()))})


def _board(name: str, values: dict[str, Any], uarts: Mapping[str, Uart]) -> Board:
    absent = {"ethernet_mbit": None, "gadget_to_head_mbit": None, "gadget_from_head_mbit": None}
    read = {"architecture": Architecture(values["architecture"]), "uarts": tuple(uarts[key] for key in values["uarts"])}
    return Board(**{**absent, **values, **read, "name": name})
