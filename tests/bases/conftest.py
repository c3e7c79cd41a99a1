"""Who builds: whoever runs the tests, or a user who exists for them alone when that is root."""

from __future__ import annotations

import os

import pytest

from tests.bases.builder import as_stranger


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Return the words before a command that make it an ordinary user's."""
    return as_stranger(tmp_path_factory.mktemp("etc")) if os.getuid() == 0 else ()
