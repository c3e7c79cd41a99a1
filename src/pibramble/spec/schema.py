"""The cluster file's JSON Schema (draft 2020-12), for editors: generated from the types that read the file."""

from __future__ import annotations

import types
from collections.abc import Mapping
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any, Union, get_args, get_origin

import attrs

from pibramble.catalog.load import boards
from pibramble.catalog.model import Additions
from pibramble.catalog.sections import FILES
from pibramble.serialise import plain
from pibramble.spec.additions import keys_of_part
from pibramble.spec.judge import LEAST_DISK_MB
from pibramble.spec.model import Cluster, Kind
from pibramble.spec.rules.consoles import HIGHEST_TCP_PORT, LOWEST_TCP_PORT
from pibramble.spec.rules.gps import RECEIVER_RATES
from pibramble.spec.rules.links import NAMED_RATES, SLOWEST_BAUD

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_LABEL = "[a-z0-9]([a-z0-9-]*[a-z0-9])?"
_BYTE = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_ADDRESS = rf"({_BYTE}\.){{3}}{_BYTE}"
_PREFIX = "/(3[0-2]|[12]?[0-9])"

# What a text of each kind looks like. Wider than the judge: an editor is not to complain of what `check` accepts.
_KINDS: Mapping[Kind, Mapping[str, Any]] = {
    Kind.LABEL: {"pattern": f"^({_LABEL})?$", "maxLength": 63},
    Kind.IDENTITY: {"pattern": "^[A-Za-z0-9-]*$", "maxLength": 63},
    Kind.NAMES: {"pattern": r"^[a-z0-9\[\],/-]+$", "minLength": 1},
    Kind.USER: {"pattern": "^[a-z_][a-z0-9_-]*$", "maxLength": 32, "not": {"const": "root"}},
    Kind.INTERFACE: {"pattern": r"^[^\s/:%]+$", "maxLength": 15},
    Kind.DEVICE: {"pattern": "^/dev/"},
    Kind.MAC: {"pattern": "^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$"},
    Kind.BAUD: {"minimum": SLOWEST_BAUD, "maximum": NAMED_RATES[-1]},
    Kind.RECEIVER_BAUD: {"enum": ["auto", *RECEIVER_RATES]},
    Kind.MILLISECONDS: {"minimum": 0},
    Kind.METRES: {"exclusiveMinimum": 0},
    Kind.SETTINGS: {"pattern": r"^(\d{2,8}([ ,/][5-8][NEO][12])?([ ,](none|rtscts|xonxoff))?)?$"},
    Kind.TCP_PORT: {"minimum": LOWEST_TCP_PORT, "maximum": HIGHEST_TCP_PORT},
    Kind.MEGABYTES: {"minimum": LEAST_DISK_MB},
    Kind.IMAGE: {"pattern": r".\.img(\.(xz|gz|zst))?$"},
}

_ADDRESSES: Mapping[type, str] = {
    IPv4Address: f"^{_ADDRESS}$",
    IPv4Interface: f"^{_ADDRESS}{_PREFIX}$",
    IPv4Network: f"^{_ADDRESS}{_PREFIX}$",
}

_PLAIN: Mapping[type, str] = {str: "string", int: "integer", bool: "boolean", float: "number"}


def schema() -> dict[str, Any]:
    """Return the whole schema."""
    root = _table(Cluster)
    root["properties"]["workers"]["minItems"] = 1
    root["required"] = ["workers"]
    return {"$schema": DIALECT, "title": "pibramble's cluster file", **root}


def _table(cls: type) -> dict[str, Any]:
    attrs.resolve_types(cls)
    fields = attrs.fields(cls)
    required = [field.name for field in fields if field.default is attrs.NOTHING]
    return {
        "type": "object",
        "properties": {field.name: _property(field) for field in fields},
        "additionalProperties": False,
        **({"required": required} if required else {}),
    }


def _property(field: attrs.Attribute[Any]) -> dict[str, Any]:
    kind = field.metadata["kind"]
    found = {"description": field.metadata["help"], **_type(field.type), **_KINDS.get(kind, {})}
    if kind is Kind.BOARD:  # a board of one's own is as good as the catalogue's: only completion knows these
        found["examples"] = list(boards())
    if isinstance(field.default, (str, int, bool, tuple, IPv4Network)):
        found["default"] = plain(field.default)
    return found


def _type(cls: Any) -> dict[str, Any]:  # noqa: ANN401, PLR0911 (a type annotation of any form, one answer for each)
    if get_origin(cls) in {Union, types.UnionType}:  # TOML has no null: an optional key is one that may be left out
        choices = [part for part in get_args(cls) if part is not type(None)]
        return _type(choices[0]) if len(choices) == 1 else {}  # the kind says more than the types do
    if get_origin(cls) is tuple:
        return {"type": "array", "items": _type(get_args(cls)[0])}
    if get_origin(cls) is dict:
        return {"type": "object", "additionalProperties": _type(get_args(cls)[1])}
    if isinstance(cls, type) and issubclass(cls, StrEnum):
        return {"enum": [member.value for member in cls]}
    if cls is Additions:
        return _additions()
    if cls in _ADDRESSES:
        return {"type": "string", "pattern": _ADDRESSES[cls]}
    return _table(cls) if attrs.has(cls) else {"type": _PLAIN[cls]}


def _additions() -> dict[str, Any]:
    """Return the schema of `[catalog]`: a section of parts each, of which some keys may be said."""
    sections = {
        name: {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "properties": {key: _type(kind) for key, kind in keys_of_part(cls).items()},
                "additionalProperties": False,
            },
        }
        for name, (cls, _) in FILES.items()
    }
    return {"type": "object", "properties": sections, "additionalProperties": False}
