"""Stack files: their names, and the line that Docker complains of."""

from __future__ import annotations

from pathlib import Path

import pytest

from pibramble.errors import UsageError
from pibramble.operate.swarm import stack

TEXT = """\
version: "3.8"
services:
  # the front
  web:
    image: web:1
    imagee: web:1
    deploy:
      replicas: three
  web2:
    image: web:2
networks:
  inner:
    driver: overlay
"""


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("yaml: line 4: did not find expected key", 4),
        ("services.web Additional property imagee is not allowed", 6),
        ("services.web.deploy.replicas must be a integer", 8),
        ("services.web2.build is not supported", 9),  # the key is not there: the service is the place
        ("networks.inner.driver must be a string", 13),
        ("services.nobody.image must be a string", 2),
        ("something else went wrong", 0),
    ],
)
def test_the_line_is_found(said: str, line: int) -> None:
    assert stack.line_of(TEXT, said) == line


def test_a_stack_is_called_as_its_file_unless_it_is_told() -> None:
    assert stack.stack_name(Path("some/my.web.yml"), None) == "my-web"
    assert stack.stack_name(Path("web.yml"), "other") == "other"


@pytest.mark.parametrize("name", ["-x", "a b", "_"])
def test_a_name_that_cannot_be_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a stack's name"):
        stack.stack_name(Path("web.yml"), name)
