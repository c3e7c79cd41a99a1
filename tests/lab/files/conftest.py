"""The disks of one cluster, for tests that put them to work in namespaces."""

from __future__ import annotations

import os

import pytest

from tests.unit.files import disks


@pytest.fixture(scope="session", autouse=True)
def _root() -> None:
    if os.getuid() != 0:
        pytest.skip("networkd, udev and sshd change to accounts that only root has")


@pytest.fixture(scope="session")
def disk(tmp_path_factory: pytest.TempPathFactory) -> disks.Disks:
    """Every node's disk, by node name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIBRAMBLE_STATE", "somewhere")  # a temporary folder may lie in a work tree
        return disks.make(tmp_path_factory.mktemp("disks"))
