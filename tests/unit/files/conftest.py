"""The disks that the tests look into, made once."""

from __future__ import annotations

import pytest

from tests.unit.files import disks


@pytest.fixture(scope="session")
def disk(tmp_path_factory: pytest.TempPathFactory) -> disks.Disks:
    """Every node's disk, by node name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIBRAMBLE_STATE", "somewhere")  # a temporary folder may lie in a work tree
        return disks.make(tmp_path_factory.mktemp("disks"))
