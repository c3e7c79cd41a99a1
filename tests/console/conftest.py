"""A serial line, a broker that serves it, and people who sit down at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.console.lines import Person, Serve, Wire


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    """A serial cable between /dev-like files `sw1` and `sw1-far`."""
    wire = Wire(tmp_path)
    yield wire
    wire.pull()


@pytest.fixture
def serve(tmp_path: Path, wire: Wire) -> Iterator[Serve]:
    """A broker that serves the cable's end."""
    serve = Serve(tmp_path, wire.device)
    yield serve
    if serve.process.poll() is None:
        serve.process.kill()
        serve.process.wait()


@pytest.fixture
def person(serve: Serve) -> Iterator[Callable[..., Person]]:
    """Let somebody run `pibramble console`."""
    people: list[Person] = []

    def sit_down(*words: str) -> Person:
        people.append(Person(serve, *(words or ("sw1",))))
        return people[-1]

    yield sit_down
    for one in people:
        one.gone()
