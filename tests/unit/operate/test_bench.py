"""What `bench` measures, what its programs print, and the runs that it keeps."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from pibramble.advise.predict.calibration import NOTHING_MEASURED, Sample, Traffic
from pibramble.errors import PibrambleError, UsageError
from pibramble.operate import bench_runs
from pibramble.operate.bench import pairs_to_play, read_curve, read_speed
from pibramble.operate.bench_runs import Benchmark, Linpack, Ping, Sum, compare, figures
from pibramble.operate.record import new_id
from pibramble.plan.model import Plan
from pibramble.plan.resolve import resolve
from pibramble.spec.model import Cluster, Link, WorkerGroup

USB, SERIAL = Link.USB, Link.SERIAL


SOLVED = Linpack(0.5, 1600, 80, 1, 2, 5.5, 0.0041)


def plan(*workers: WorkerGroup) -> Plan:
    return resolve(Cluster(workers=workers))


def run(target: str = "hardware", *, speed: float = 2e7, seconds: float = 0.001) -> Benchmark:
    curve = (Sample(1, seconds, seconds / 2, 10), Sample(4096, 10 * seconds, 9 * seconds, 3))
    return Benchmark(
        id=new_id(),
        began="2026-11-24T20:00:00+00:00",
        target=target,
        speeds={"pi-zero": speed},
        pings=(Ping((SERIAL, USB), Traffic.ONE_WAY, ("zero1", "ser1"), curve),),
        sums=(Sum(USB, ("zero1", "zero2"), curve),),
    )


def test_one_pair_is_played_for_each_pair_of_wires() -> None:
    cluster = plan(
        WorkerGroup(name="zero[1-3]"),
        WorkerGroup(name="ser[1-2]", board="pi-1a-plus", link=SERIAL, head_port="/dev/ttyUSB[0-1]"),
        WorkerGroup(name="old", board="pi-1b", link=Link.ETHERNET),
    )
    assert [(one.name, other.name) for one, other in pairs_to_play(cluster.workers)] == [
        ("zero1", "zero2"),
        ("zero1", "ser1"),
        ("zero1", "old"),
        ("ser1", "ser2"),
        ("ser1", "old"),
    ]


def test_a_lone_worker_has_nobody_to_play_with() -> None:
    assert list(pairs_to_play(plan(WorkerGroup(name="zero1")).workers)) == []


def test_what_the_programs_print_is_read_in_seconds() -> None:
    headings = "     bytes   times      median_us    shortest_us   (2 ranks)\n"
    assert read_curve(f"{headings} 1 200 12.500 10.000\n1048576 1 94000.000 93000.000\n") == (
        Sample(1, 12.5e-6, 10e-6, 200),
        Sample(1 << 20, 0.094, 0.093, 1),
    )
    assert read_speed("intervals_per_s 17300000\n") == 1.73e7


@pytest.mark.parametrize("said", ["", "nonsense\n", "1 200 12.5\n", "intervals_per_s\n"])
def test_what_cannot_be_understood_is_said(said: str) -> None:
    with pytest.raises(PibrambleError, match="cannot be understood"):
        read_curve(said)
    with pytest.raises(PibrambleError, match="cannot be understood"):
        read_speed(said)


def test_a_run_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    kept = attrs.evolve(run(), linpack=SOLVED)
    file = bench_runs.save(tmp_path / "bench", kept)
    assert file.stat().st_mode & 0o777 == 0o600
    assert bench_runs.find(tmp_path / "bench", "last") == kept


def test_a_run_is_found_by_a_part_of_its_id_and_a_part_that_several_have_is_not_enough(tmp_path: Path) -> None:
    first, second = (attrs.evolve(run(), id=f"20261124-20000{n}-0000{n}") for n in (1, 2))
    bench_runs.save(tmp_path, first)
    bench_runs.save(tmp_path, second)
    assert bench_runs.find(tmp_path, "00001") == first
    with pytest.raises(UsageError, match="2 of the runs") as caught:
        bench_runs.find(tmp_path, "20261124")
    assert caught.value.hint == f"{first.id}\n{second.id}"
    with pytest.raises(UsageError, match="none of the runs"):
        bench_runs.find(tmp_path, "2025")


def test_without_runs_the_verb_that_makes_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not been measured"):
        bench_runs.find(tmp_path, "last")


def test_files_of_another_version_and_half_written_ones_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "20261124-200000-00000.json").write_text('{"id": ')
    (tmp_path / "20261124-200001-00001.json").write_text('{"id": "x", "pings": [{}]}')
    assert bench_runs.load_all(tmp_path) == []


def test_a_prediction_uses_the_last_run_on_its_own_target(tmp_path: Path) -> None:
    bench_runs.save(tmp_path, attrs.evolve(run("hardware", speed=1e7), id="20261124-200001-00001"))
    bench_runs.save(tmp_path, attrs.evolve(run("hardware", speed=2e7), id="20261124-200002-00002"))
    bench_runs.save(tmp_path, attrs.evolve(run("lab", speed=1e9), id="20261124-200003-00003"))
    calibration = bench_runs.calibration(tmp_path, "hardware")
    assert (calibration.run, calibration.speeds) == ("20261124-200002-00002", {"pi-zero": 2e7})
    assert list(calibration.ping_pong) == [(SERIAL, USB)]
    assert bench_runs.calibration(tmp_path, "emulator") == NOTHING_MEASURED


def test_runs_are_compared_figure_by_figure() -> None:
    before, after = run(speed=2e7, seconds=0.002), run(speed=3e7, seconds=0.001)
    ratios = {(line.figure.what, line.figure.size_bytes): line.ratio for line in compare(after, before)}
    assert ratios == pytest.approx(
        {
            ("cpi, one core of a pi-zero", None): 1.5,
            ("ping-pong, serial-usb", 1): 0.5,
            ("ping-pong, serial-usb", 4096): 0.5,
            ("allreduce, 2 usb", 1): 0.5,
            ("allreduce, 2 usb", 4096): 0.5,
        }
    )


def test_what_the_other_run_lacks_has_no_ratio() -> None:
    with_linpack = attrs.evolve(run(), linpack=SOLVED)
    assert [figure.unit for figure in figures(with_linpack)][-1] == "GFLOPS"
    assert compare(with_linpack, run())[-1].ratio is None
    assert {line.ratio for line in compare(run(), None)} == {None}
