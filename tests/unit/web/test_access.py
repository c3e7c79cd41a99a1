"""Who may read and write which port."""

from __future__ import annotations

import pytest

from pibramble.web.access import Person


@pytest.mark.parametrize(
    ("read", "write", "port", "may_read", "may_write"),
    [
        (("*",), ("*",), "sw1", True, True),
        (("*",), (), "sw1", True, False),
        ((), ("router-*",), "router-2", True, True),
        ((), ("router-*",), "sw1", False, False),
        (("sw1",), (), "sw10", False, False),
        ((), (), "sw1", False, False),
    ],
)
def test_a_person_reads_and_writes_what_the_lists_say(
    read: tuple[str, ...], write: tuple[str, ...], port: str, *, may_read: bool, may_write: bool
) -> None:
    person = Person("ada", read, write)
    assert (person.may_read(port), person.may_write(port)) == (may_read, may_write)
