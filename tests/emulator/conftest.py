"""One emulated cluster for all tests that leave it well."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.emulator.bench import CLUSTER, Bench


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Return a folder with a cluster file whose cards are built."""
    folder = tmp_path_factory.mktemp("emulator")
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
        bench.ok("down")
