"""One emulated cluster for all tests that leave it well, and others for those that need another."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.bases.conftest import stranger
from tests.emulator.bench import ARM64, ARMHF, CLUSTER, OTHER, SERVICES, Bench, booted, made

__all__ = ["stranger"]  # who makes the images that cards are made from


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Return a folder with a cluster file whose cards are built."""
    return made(tmp_path_factory, "armel", CLUSTER)


@pytest.fixture(scope="session")
def cluster(bench: Bench, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Return the cluster, booted from its cards."""
    with booted(bench, request.session):
        yield bench


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Return a second cluster, booted: a small one, whose serial line is as slow as its baud rate."""
    bench = made(tmp_path_factory, "other", OTHER)
    with booted(bench, request.session):
        yield bench


@pytest.fixture(scope="session")
def bench64(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Return a cluster of 64-bit boards whose cards are built."""
    return made(tmp_path_factory, "arm64", ARM64)


@pytest.fixture(scope="session")
def cluster64(bench64: Bench, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Return it booted."""
    with booted(bench64, request.session):
        yield bench64


@pytest.fixture(scope="session")
def cluster32(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Return a cluster with a Pi 2, booted."""
    bench = made(tmp_path_factory, "armhf", ARMHF)
    with booted(bench, request.session):
        yield bench


@pytest.fixture(scope="session")
def equipped(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Return a cluster whose head has a receiver, a switch and an engine, booted."""
    bench = made(tmp_path_factory, "services", SERVICES)
    with booted(bench, request.session):
        yield bench
