"""From TOML's dicts to the cluster file's types: strictly, and with all that does not fit found at once.

Strict means: "5" is no number, true is not 1, "a" is no list of texts. Done by hand and not by cattrs: every verb reads
the cluster file, and importing cattrs costs as much as starting bare Python (20 ms on a PC; on a head of 700 MHz many
times that).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

import attrs

from pibramble.catalog.model import Additions
from pibramble.spec.findings import Finding, did_you_mean, listed, nearest
from pibramble.spec.locate import Path
from pibramble.spec.model import (
    Auto,
    BridgeSection,
    CardsSection,
    Cluster,
    ClusterSection,
    ConsoleSection,
    ContainersSection,
    EmulatorSection,
    GpsSection,
    HeadSection,
    HubSection,
    LabSection,
    MpiSection,
    NodeOverride,
    PartsSection,
    SupplySection,
    WebSection,
    WorkerGroup,
)

SECTIONS: Mapping[str, type] = {
    "cluster": ClusterSection,
    "head": HeadSection,
    "workers": WorkerGroup,
    "nodes": NodeOverride,
    "cards": CardsSection,
    "mpi": MpiSection,
    "gps": GpsSection,
    "lab": LabSection,
    "emulator": EmulatorSection,
    "containers": ContainersSection,
    "hubs": HubSection,
    "supplies": SupplySection,
    "bridges": BridgeSection,
    "consoles": ConsoleSection,
    "web": WebSection,
    "parts": PartsSection,
}
LISTS = ("workers", "hubs", "supplies", "bridges", "consoles")  # written with double brackets

_EXAMPLES: Mapping[type, tuple[str, str]] = {
    IPv4Address: ("an IPv4 address", "192.168.7.2"),
    IPv4Interface: ("an IPv4 address with its prefix length", "192.168.1.10/24"),
    IPv4Network: ("an IPv4 network", "192.168.7.0/24"),
}

_KINDS: tuple[tuple[type, str], ...] = ((bool, "true or false"), (int, "a whole number"), (str, "a text"))


def _types(cls: type) -> Mapping[str, Any]:
    """Return the types of a class's fields; attrs keeps them as text, as they stand in the source."""
    attrs.resolve_types(cls)
    return {field.name: field.type for field in attrs.fields(cls)}


_TABLES: tuple[type, ...] = (Cluster, *SECTIONS.values())
_TYPES = {cls: _types(cls) for cls in _TABLES}
_NEEDED = {cls: tuple(field.name for field in attrs.fields(cls) if field.default is attrs.NOTHING) for cls in _TABLES}

# Of the keys that have no default.
_CURES: Mapping[str, str] = {
    "name": 'name = "zero1", or for several at once name = "zero[1-4]"',
    "port": 'port = "/dev/ttyAMA0", or a name from /dev/serial/by-id',
}

_FITS = ("", "")
_UNFIT = object()  # stands for a value that does not fit

_Table = TypeVar("_Table")


def structure_additions(data: Mapping[str, Any]) -> tuple[Additions, list[Finding]]:
    """Return what a file of the user's own catalogue says, and all that does not fit."""
    findings: list[Finding] = []
    fitted: Additions = _fit(data, Additions, (), findings)
    return fitted, findings


def structure(data: Mapping[str, Any]) -> tuple[Cluster, list[Finding]]:
    """Return the cluster that a file describes, and all that does not fit its types.

    What does not fit is left out of the cluster (its default stands in), so that the rest can still be judged.
    """
    findings: list[Finding] = []
    return _table(data, Cluster, (), findings), findings


def _table(value: object, cls: type[_Table], path: Path, findings: list[Finding]) -> _Table:
    """Return the table as its class; a name that is missing or unfit is made up, so that the rest can be judged."""
    types = _TYPES[cls]
    fitting: dict[str, Any] = {}
    if isinstance(value, Mapping):
        unknown = [key for key in value if key not in types]
        findings += [_unknown_key((*path, key), key, cls) for key in unknown]
        for key in filter(value.__contains__, types):
            fitted = _fit(value[key], types[key], (*path, key), findings)
            if fitted is not _UNFIT:
                fitting[key] = fitted
        meant = {nearest(key, types) for key in unknown}  # a misspelt name is not missing as well
        missing = [key for key in _NEEDED[cls] if key not in value and key not in meant]
        findings += [Finding("missing-key", path, f"the key `{key}` is missing", _CURES[key]) for key in missing]
    else:
        findings.append(_unfit(path, f"a table is expected here, not {kind_of(value)}", _table_cure(cls, value)))
    name = "-".join(["unnamed", *map(str, path[1:])])
    made_up = {key: f"/dev/{name}" if key == "port" else name for key in _NEEDED[cls]}
    return cls(**{**made_up, **fitting})


def _fit(value: Any, expected: Any, path: Path, findings: list[Finding]) -> Any:  # noqa: ANN401 (TOML's types, and ours)
    """Return the value as the type that is expected, or _UNFIT and the reason among the findings."""
    if get_origin(expected) in {Union, UnionType}:  # TOML has no null: an optional key is one that may be left out
        expected = _meant(value, [part for part in get_args(expected) if part is not NoneType])
    if expected is Additions:
        from pibramble.spec.additions import Fitter  # only for a file that has some

        return Fitter(_fit, _UNFIT, findings).additions(value, path)
    if get_origin(expected) is tuple:
        return _list(value, get_args(expected)[0], path, findings)
    if get_origin(expected) is dict:
        return _named_tables(value, get_args(expected)[1], path, findings)
    if attrs.has(expected):
        return _table(value, expected, path, findings)
    kind = StrEnum if issubclass(expected, StrEnum) and expected not in _LEAVES else expected
    message, cure = _LEAVES[kind](value, expected)
    if not message:
        return value if type(value) is expected else expected(value)
    findings.append(_unfit(path, message, cure))
    return _UNFIT


def _meant(value: object, choices: Sequence[Any]) -> Any:  # noqa: ANN401 (a type of any form)
    """Return which of several types a value is to fit: a word stands for the one that has words."""
    if isinstance(value, str) and not value.strip().isdigit():  # "9600" is a number in quotes
        return next((cls for cls in choices if isinstance(cls, type) and issubclass(cls, StrEnum)), choices[0])
    return choices[0]


def _list(value: object, element: Any, path: Path, findings: list[Finding]) -> Any:  # noqa: ANN401 (of any type)
    if isinstance(value, list):
        fitted = [_fit(item, element, (*path, index), findings) for index, item in enumerate(value)]
        return tuple(fitted) if _UNFIT not in fitted else _UNFIT
    if attrs.has(element):
        message = f"a list of tables is expected here, not {kind_of(value)}"
        cure = f"with double brackets: {_title(str(path[-1]))}"
    else:
        message = f"a list is expected here, not {kind_of(value)}"
        cure = f'in brackets: ["{value}"]' if isinstance(value, str) else 'as ["...", "..."]'
    findings.append(_unfit(path, message, cure))
    return _UNFIT


def _named_tables(value: object, element: Any, path: Path, findings: list[Finding]) -> Any:  # noqa: ANN401 (likewise)
    if isinstance(value, Mapping):
        return {key: _table(item, element, (*path, key), findings) for key, item in value.items()}
    message = f"tables are expected here, not {kind_of(value)}"
    findings.append(_unfit(path, message, _table_cure(element, value)))
    return _UNFIT


def _unfit(path: Path, message: str, cure: str) -> Finding:
    return Finding("wrong-type", path, message, cure)


# --- Single values: each check returns what is wrong and what would be right, or two empty texts ---


def _plain(value: object, expected: type) -> tuple[str, str]:
    if type(value) is expected:  # by type, not by isinstance: true is an int to Python
        return _FITS
    words = next(words for plain, words in _KINDS if plain is expected)
    return f"{words} is expected here, not {kind_of(value)}", _repair(value, expected)


def _number(value: object, expected: type) -> tuple[str, str]:
    if type(value) in {int, float}:
        return _FITS
    return f"a number is expected here, not {kind_of(value)}", _repair(value, int) or f"as {expected(1.5)}"


def _repair(value: object, expected: type) -> str:
    if expected is str and not isinstance(value, (str, list, dict)):
        shown = str(value).lower() if isinstance(value, bool) else value
        return f'put it in quotes: "{shown}"'
    if expected in {int, bool} and isinstance(value, str):
        bare = value.strip().replace(",", "").replace("_", "").lower()
        if bare.isascii() and (bare.isdigit() if expected is int else bare in {"true", "false"}):
            return f"without quotes: {bare}"
        if expected is bool and bare in {"yes", "on", "no", "off"}:
            return f"write {'true' if bare in {'yes', 'on'} else 'false'}"
    if expected is int and isinstance(value, float) and value.is_integer():
        return f"write {int(value)}"
    if expected is str and isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
        return f'without brackets: "{value[0]}"'
    return {bool: "write true or false", int: "write digits, without quotes"}.get(expected, "")


def _address(value: object, cls: type) -> tuple[str, str]:
    words, example = _EXAMPLES[cls]
    if not isinstance(value, str):
        return f"{words} is expected here, in quotes, not {kind_of(value)}", f'for example "{example}"'
    try:
        cls(value)
    except ValueError:
        return f'"{value}" is not {words}', _address_cure(value, cls, example)
    if cls is not IPv4Address and "/" not in value:
        return f'"{value}" has no prefix length', f'for example "{value}/24"'
    return _FITS


def _address_cure(value: str, cls: type, example: str) -> str:
    if cls is IPv4Network:
        try:
            return f'the network of that address is "{IPv4Network(value.strip(), strict=False)}"'
        except ValueError:
            pass
    if value.strip() != value:
        return "take the spaces out"
    if ":" in value:
        return "only IPv4 is understood"
    if cls is IPv4Address and "/" in value:
        return f'without a prefix length: "{value.partition("/")[0]}"'
    return f'for example "{example}"'


def _choice(value: object, cls: type) -> tuple[str, str]:
    choices = [member.value for member in cls] if issubclass(cls, StrEnum) else []
    known = listed((f'"{choice}"' for choice in choices), "or")
    if not isinstance(value, str):
        return f"{known} is expected here, not {kind_of(value)}", f'as "{choices[0]}"'
    if value not in choices:
        return f'"{value}" is none of {known}', did_you_mean(value, choices, f"write {known}")
    return _FITS


def _number_or_auto(value: object, _cls: type) -> tuple[str, str]:
    if value == Auto.AUTO:
        return _FITS
    return f'a whole number or "auto" is expected here, not {kind_of(value)}', "write digits, without quotes"


_LEAVES: Mapping[type, Callable[[object, type], tuple[str, str]]] = {
    **dict.fromkeys((str, int, bool), _plain),
    **dict.fromkeys(_EXAMPLES, _address),
    float: _number,
    StrEnum: _choice,
    Auto: _number_or_auto,
}


def _table_cure(cls: type, value: object) -> str:
    section = next((name for name, known in SECTIONS.items() if known is cls), "")
    if section in LISTS:
        what = "group of workers" if section == "workers" else "one"
        return f"each {what} is a table of its own: [[{section}]]"
    if section == "nodes":
        return '[nodes.NAME] on a line of its own, then what is different: mac = "..."'
    if isinstance(value, list):
        return f"with single brackets: [{section}]"
    return f"[{section}] on a line of its own, then a line for each key"


def _unknown_key(path: Path, key: str, cls: type) -> Finding:
    known = keys_of(cls)
    if cls is Cluster:
        sections = [f"[[{name}]]" if name in LISTS else f"[{name}]" for name in known]
        return Finding(
            "unknown-key", path, f"there is no section `{key}`", _section_cure(key, known, sections), on_key=True
        )
    home = next((name for name, section in SECTIONS.items() if section is cls), "")
    return Finding("unknown-key", path, f"{_title(home)} has no key `{key}`", _key_cure(key, known, home), on_key=True)


def _section_cure(key: str, known: Sequence[str], sections: Sequence[str]) -> str:
    near = nearest(key, known)
    if near:
        return f"did you mean {sections[known.index(near)]}?"
    owner = _owner(key)
    return f"`{key}` belongs under {_title(owner)}" if owner else f"there are {listed(sections)}"


def _key_cure(key: str, known: Sequence[str], home: str) -> str:
    owner = _owner(key, besides=home)
    if owner and key not in known:
        return f"`{key}` belongs under {_title(owner)}"
    return did_you_mean(key, known, f"it has {listed(known)}")


def _owner(key: str, besides: str = "") -> str | None:
    return next((name for name, section in SECTIONS.items() if name != besides and key in keys_of(section)), None)


def _title(section: str) -> str:
    return f"[[{section}]]" if section in LISTS else {"nodes": "[nodes.NAME]"}.get(section, f"[{section}]")


def keys_of(cls: type) -> tuple[str, ...]:
    """Return the keys that a table of the cluster file may have."""
    return tuple(field.name for field in attrs.fields(cls))


def kind_of(value: object) -> str:
    """Return what a TOML value is, in words."""
    for plain, words in (*_KINDS, (float, "a number with a point"), (list, "a list"), (dict, "a table")):
        if isinstance(value, plain):
            return f"the text {quoted(value)}" if isinstance(value, str) else words
    return "a date or time"


def quoted(text: str) -> str:
    """Return a text in quotes, cut when it is long."""
    longest = 40
    return f'"{text}"' if len(text) <= longest else f'"{text[: longest - 3]}..."'
