"""Our frozen types as plain JSON values, for `--json`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from enum import Enum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

import attrs


def plain(value: object) -> object:  # noqa: PLR0911 (one for each kind of value)
    """Return `value` as dicts, lists, strings and numbers; enums by value, addresses, paths and times as text.

    A field whose metadata say `"plain": False` is left out.
    """
    cls = type(value)
    if attrs.has(cls):
        fields = (field for field in attrs.fields(cls) if field.metadata.get("plain", True))
        return {field.name: plain(getattr(value, field.name)) for field in fields}
    match value:
        case Enum():
            return value.value
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
        case date():  # a moment, too
            return value.isoformat()
        case IPv4Address() | IPv4Interface() | IPv4Network() | Path():
            return str(value)
        case bytes():
            return value.decode(errors="replace")
        case _:
            return value
