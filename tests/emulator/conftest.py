"""One emulated cluster for all tests that leave it well."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulator.bench import CLUSTER, Bench


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Return a folder with a cluster file whose cards are built.

    For work on the tests PIBRAMBLE_TEST_BENCH names a folder that stays, with a cluster that goes on running.
    """
    kept = os.environ.get("PIBRAMBLE_TEST_BENCH")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("emulator")
    (folder / "cluster.toml").write_text(CLUSTER)
    made = Bench(folder)
    made.ok("card", "build", timeout_s=3000)
    return made


@pytest.fixture(scope="session")
def cluster(bench: Bench, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Return the cluster, booted from its cards; what its boot said is printed when a test fails."""
    done = bench.run("up", "--target", "emulator", timeout_s=1500)
    try:
        assert done.returncode == 0, done.stderr
        print(done.stderr)
        yield bench
    finally:
        if request.session.testsfailed:
            for log in sorted((bench.state / "emulator").glob("*/console.log")):
                print(f"== {log}\n{log.read_text(errors='replace')[-3000:]}")
        if not os.environ.get("PIBRAMBLE_TEST_BENCH"):
            bench.ok("down")
