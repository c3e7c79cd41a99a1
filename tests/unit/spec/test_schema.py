"""The JSON Schema for editors says the same as the types that read the file."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import jsonschema  # type: ignore[import-untyped, unused-ignore]  # its stubs are a package of their own
import pytest

from pibramble.catalog.load import boards
from pibramble.spec import new
from pibramble.spec.findings import ClusterFileError, Severity
from pibramble.spec.load import parse
from pibramble.spec.model import Cluster
from pibramble.spec.schema import schema
from pibramble.spec.structure import SECTIONS

GOLDEN = sorted((Path(__file__).parents[2] / "golden" / "spec").glob("*.toml"))

# What a schema can see without knowing the cluster.
VISIBLE = {"unknown-key", "missing-key", "wrong-type", "no-workers", "lab-disk"}


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    jsonschema.Draft202012Validator.check_schema(schema())
    return jsonschema.Draft202012Validator(schema())


@pytest.mark.parametrize("name", new.templates())
def test_templates_fit_the_schema(validator: jsonschema.Draft202012Validator, name: str) -> None:
    validator.validate(tomllib.loads(new.render(name)))


def readable() -> Iterator[Any]:
    for file in GOLDEN:
        text = file.read_text(encoding="utf-8")
        try:
            yield pytest.param(text, tomllib.loads(text), id=file.stem)
        except tomllib.TOMLDecodeError:
            continue


@pytest.mark.parametrize(("text", "data"), [*readable()])
def test_the_schema_rejects_what_it_can_see_and_nothing_that_check_accepts(
    validator: jsonschema.Draft202012Validator, text: str, data: dict[str, Any]
) -> None:
    errors: set[str] = set()
    try:
        parse(text, Path("c.toml"))
    except ClusterFileError as error:
        errors = {finding.rule for finding in error.findings if finding.severity is Severity.ERROR}
    if errors & VISIBLE:
        # A network with host bits set looks like any other to a pattern, and 512.0 is an integer to JSON Schema.
        assert not validator.is_valid(data) or "192.168.7.1/24" in text or "512.0" in text
    if validator.is_valid(data) is False:
        assert errors


def test_every_key_is_there_with_its_help() -> None:
    found = schema()
    sections = found["properties"]
    assert set(sections) == {field.name for field in attrs.fields(Cluster)}
    tables = {
        "cluster": sections["cluster"],
        "head": sections["head"],
        "cards": sections["cards"],
        "mpi": sections["mpi"],
        "gps": sections["gps"],
        "lab": sections["lab"],
        "emulator": sections["emulator"],
        "workers": sections["workers"]["items"],
        "nodes": sections["nodes"]["additionalProperties"],
        "hubs": sections["hubs"]["items"],
        "supplies": sections["supplies"]["items"],
        "bridges": sections["bridges"]["items"],
        "consoles": sections["consoles"]["items"],
        "web": sections["web"],
        "parts": sections["parts"],
        "containers": sections["containers"],
    }
    for name, cls in SECTIONS.items():
        assert tables[name]["additionalProperties"] is False
        assert set(tables[name]["properties"]) == {field.name for field in attrs.fields(cls)}
        assert all(entry["description"] for entry in tables[name]["properties"].values())
    assert tables["head"]["properties"]["board"]["examples"] == list(boards())
    assert tables["workers"]["required"] == ["name"]
    assert tables["cluster"]["properties"]["subnet"]["default"] == "192.168.7.0/24"
