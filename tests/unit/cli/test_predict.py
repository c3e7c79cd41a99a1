"""`pibramble predict`, as a person calls it, with the real SMPI."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import attrs
import pytest

from pibramble.advise.predict.calibration import NOTHING_MEASURED, Sample, Traffic
from pibramble.advise.predict.wires import wires
from pibramble.cli.main import run
from pibramble.cli.predict import basis
from pibramble.errors import Exit
from pibramble.forecast import Forecast
from pibramble.operate import bench_runs
from pibramble.operate.bench_runs import Benchmark, Ping
from pibramble.plan.resolve import resolve
from pibramble.spec.model import Cluster, HubSection, Link, WorkerGroup
from tests.unit.advise.predict.clusters import USB, cluster, shared

REPO = Path(__file__).parents[3]
CPI = str(REPO / "examples" / "cpi.c")
Captured = pytest.CaptureFixture[str]

pytestmark = pytest.mark.skipif(
    shutil.which("smpirun") is None, reason="SimGrid is not installed: scripts/setup predict"
)

ORIGINAL = '[cluster]\nname = "original"\n[head]\nboard = "pi-1b"\n[[workers]]\nname = "zero[1-4]"\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PIBRAMBLE_FILE", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("PIBRAMBLE_STATE", str(tmp_path / "state"))
    (tmp_path / "cluster.toml").write_text(ORIGINAL)
    return tmp_path


def keep_a_run(folder: Path, target: str) -> Benchmark:
    curve = (Sample(1, 0.002, 0.002, 9), Sample(1 << 18, 0.05, 0.05, 3), Sample(1 << 20, 0.17, 0.17, 3))
    pings = tuple(Ping((Link.USB, Link.USB), traffic, ("zero1", "zero2"), curve) for traffic in Traffic)
    kept = Benchmark("20261124-200000-0000a", "2026-11-24T20:00:00+00:00", target, {"pi-zero": 1.6e7}, pings, ())
    bench_runs.save(folder / "state" / "original" / "bench", kept)
    return kept


def test_the_answer_is_a_table_a_knee_and_what_it_rests_on(capsys: Captured) -> None:
    assert run(["-q", "predict", CPI, "20000000"]) == Exit.OK
    said = capsys.readouterr().out
    lines = said.splitlines()
    assert lines[0].split() == ["RANKS", "SECONDS", "SPEED-UP", "EFFICIENCY", "COMPUTE", "WIRE", "WAITING"]
    assert [line.split()[0] for line in lines[1:5]] == ["1", "2", "4", "8"]
    assert "Speed of pi-zero: the catalogue's Linpack figures, not measured" in said
    assert "Wires (usb): as planned, not measured." in said
    assert "USB workers share the head's bus: 26.6 MB/s" in said


@pytest.mark.parametrize(
    ("of", "said"),
    [
        (cluster(*USB, head="pi-5"), ["share the head's 2 buses, dealt out in turn: 26.6 MB/s between those of one."]),
        (
            cluster(*USB, hubs=(HubSection(model="old"),)),
            ["bus: 26.6 MB/s between them all.", "hub1 is a full-speed hub: 0.608 MB/s between those on it."],
        ),
        (
            cluster(
                WorkerGroup(name="b[1-2]", board="pi-1b", link=Link.ETHERNET, head_port="eth0"),
                WorkerGroup(name="s", link=Link.SERIAL, head_port="/dev/ttyUSB0"),
                head="pi-3b",
            ),
            ["Also on USB: the head's eth0 and /dev/ttyUSB0."],
        ),
        (cluster(WorkerGroup(name="b", board="pi-1b", link=Link.ETHERNET, head_port="eth0")), []),
    ],
)
def test_what_wires_share_is_said(of: Cluster, said: list[str]) -> None:
    plan = resolve(of)
    modelled = wires(plan, NOTHING_MEASURED)
    lines = basis(Forecast(plan, modelled, shared(of), NOTHING_MEASURED, 1e9, {}, ("pi-zero",), None), "hardware")
    about = [line for line in lines if not line.startswith(("Speed", "Wires", "  "))]
    assert len(about) == len(said)
    assert all(line.endswith(end) for line, end in zip(about, said, strict=True)), about


def test_json_holds_what_the_program_printed(capsys: Captured) -> None:
    assert run(["-q", "predict", "--json", "-n", "16,1", CPI, "20000000"]) == Exit.OK
    said = json.loads(capsys.readouterr().out)
    assert [point["ranks"] for point in said["points"]] == [1, 16]
    assert "on 16 ranks" in said["points"][1]["printed"]
    assert sum(said["points"][1][share] for share in ("compute", "wire", "waiting")) == pytest.approx(1)
    assert said["calibration"] is None
    assert said["shared"] == [{"name": "bus 1", "kind": "bus", "above": None, "bytes_per_s": 53_248_000}]


def test_what_bench_measured_is_used_and_named(folder: Path, capsys: Captured) -> None:
    kept = keep_a_run(folder, "hardware")
    assert run(["-q", "predict", "-n", "2", CPI, "1000000"]) == Exit.OK
    said = capsys.readouterr().out
    assert f"Speed: measured by bench {kept.id}: pi-zero 16 million intervals of cpi a second" in said
    assert f"Wires (usb): measured by bench {kept.id}." in said
    assert "One number of ranks says nothing about scaling" in said
    [row] = [line.split() for line in said.splitlines() if line.strip().startswith("2 ")]
    assert float(row[1]) > 1e6 / 2 / 1.6e7 * 0.8  # the boards' speed, not this PC's


def test_a_run_of_the_lab_says_nothing_about_boards(folder: Path, capsys: Captured) -> None:
    keep_a_run(folder, "lab")
    assert run(["-q", "predict", "-n", "1", CPI, "1000000"]) == Exit.OK
    assert "not measured" in capsys.readouterr().out
    assert run(["-q", "predict", "--calibration", "last", "-n", "1", CPI, "1000000"]) == Exit.WRONG
    assert "measured lab" in capsys.readouterr().err


def test_the_lab_is_predicted_with_this_pc_s_cores(folder: Path, capsys: Captured) -> None:
    kept = keep_a_run(folder, "lab")
    assert run(["-q", "-t", "lab", "predict", "-n", "2", CPI, "1000000"]) == Exit.OK
    said = capsys.readouterr().out
    assert "lab nodes on this PC, which share its" in said
    assert f"measured by bench {kept.id}" in said
    assert "bus" not in said


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_a_picture_is_drawn(folder: Path, capsys: Captured, ending: str) -> None:
    pytest.importorskip("matplotlib")
    assert run(["-q", "predict", "--plot", f"cpi.{ending}", "-n", "1,2,64", CPI, "1000000"]) == Exit.OK, capsys
    content = (folder / f"cpi.{ending}").read_bytes()
    assert content.startswith(b"\x89PNG" if ending == "png" else b"<?xml")
    assert sorted(path.name for path in folder.glob("*cpi*")) == [f"cpi.{ending}"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-n", "two", CPI], "no list of numbers"),
        (["-n", "0", CPI], "1 to 4096 ranks"),
        (["--plot", "cpi.txt", CPI], "no picture that can be drawn"),
        (["--plot", "nowhere/cpi.png", CPI], "there is no folder nowhere"),
        (["missing.c"], "there is no file missing.c"),
        (["cluster.toml"], "is no source file"),
        (["--calibration", "last", CPI], "has not been measured yet"),
    ],
)
def test_what_makes_no_sense_is_refused(capsys: Captured, words: list[str], said: str) -> None:
    assert run(["-q", "predict", *words]) == Exit.WRONG
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("name", ["missing.c", "cluster.toml"])
def test_the_program_is_looked_at_before_anything_is_measured(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    measured: list[str] = []
    monkeypatch.setattr("pibramble.simgrid.host_speed", lambda: measured.append("this PC"))
    assert run(["predict", name]) == Exit.WRONG
    said = capsys.readouterr().err
    assert (measured, "measuring" in said, name in said) == ([], False, True)


POLLS = """\
#include <mpi.h>
int main(int argc, char **argv)
{
    int rank, there = 0;
    MPI_Request request;
    static char data[1 << 20];
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (rank == 0) MPI_Send(data, sizeof data, MPI_CHAR, 1, 0, MPI_COMM_WORLD);
    if (rank == 1) MPI_Irecv(data, sizeof data, MPI_CHAR, 0, 0, MPI_COMM_WORLD, &request);
    while (rank == 1 && !there) MPI_Test(&request, &there, MPI_STATUS_IGNORE);
    MPI_Finalize();
    return 0;
}
"""


def test_shares_that_rest_on_two_timings_are_called_rough(folder: Path, capsys: Captured) -> None:
    (folder / "polls.c").write_text(POLLS)
    assert run(["-q", "predict", "-n", "2", "polls.c"]) == Exit.OK
    assert "WIRE and WAITING of 2 ranks are rough" in capsys.readouterr().out
    assert run(["-q", "predict", "-n", "2", CPI, "1000000"]) == Exit.OK
    assert "rough" not in capsys.readouterr().out


def test_a_target_that_cannot_be_predicted_is_refused(capsys: Captured) -> None:
    assert run(["-q", "-t", "emulator", "predict", CPI]) == Exit.WRONG
    assert "-t lab or -t hardware" in capsys.readouterr().err


def test_256_ranks_of_cpi_are_simulated(capsys: Captured) -> None:
    assert run(["-q", "predict", "--json", "-n", "256", CPI, "10000000"]) == Exit.OK
    [point] = json.loads(capsys.readouterr().out)["points"]
    assert "10000000 intervals on 256 ranks" in point["printed"]


def test_bench_runs_are_listed_and_compared_without_a_cluster(folder: Path, capsys: Captured) -> None:
    kept = keep_a_run(folder, "hardware")
    later = attrs.evolve(kept, id="20261125-200000-0000b", speeds={"pi-zero": 0.8e7})
    bench_runs.save(folder / "state" / "original" / "bench", later)
    assert run(["bench", "--list"]) == Exit.OK
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["RUN", kept.id, later.id]
    assert run(["bench", "--show", "last", "--against", "0000a"]) == Exit.OK
    said = capsys.readouterr().out
    [speed] = [line.split() for line in said.splitlines() if line.startswith("cpi")]
    assert (speed[-1], "20261124-200000-0000A" in said) == ("0.50", True)


def test_the_last_run_to_compare_with_is_the_one_before_the_one_shown(folder: Path, capsys: Captured) -> None:
    first = keep_a_run(folder, "hardware")
    assert run(["bench", "--show", "last", "--against", "last"]) == Exit.WRONG
    assert f"there is no run before {first.id} to compare it with" in capsys.readouterr().err
    second = attrs.evolve(first, id="20261125-200000-0000b", speeds={"pi-zero": 0.8e7})
    third = attrs.evolve(first, id="20261126-200000-0000c", speeds={"pi-zero": 0.4e7})
    for later in (second, third):
        bench_runs.save(folder / "state" / "original" / "bench", later)
    for shown, other in (("last", second), ("0000b", first)):
        assert run(["bench", "--show", shown, "--against", "last", "--json"]) == Exit.OK
        said = json.loads(capsys.readouterr().out)
        assert said["against"] == other.id
        assert {f["ratio"] for f in said["figures"] if f["what"].startswith("cpi")} == {0.5}


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_a_stored_run_is_drawn_beside_another(folder: Path, capsys: Captured, ending: str) -> None:
    pytest.importorskip("matplotlib")
    kept = keep_a_run(folder, "hardware")
    later = attrs.evolve(kept, id="20261125-200000-0000b")
    bench_runs.save(folder / "state" / "original" / "bench", later)
    words = ["bench", "--show", "last", "--against", "last", "--plot", f"bench.{ending}"]
    assert run(words) == Exit.OK, capsys.readouterr().err
    content = (folder / f"bench.{ending}").read_bytes()
    assert content.startswith(b"\x89PNG" if ending == "png" else b"<?xml")
    if ending == "svg":  # each word of a label stands before its shapes as a comment
        assert all(f"<!-- {name}, usb-usb -->".encode() in content for name in ("ping-pong", "exchange"))


def test_a_run_is_compared_with_what_would_have_been_predicted(folder: Path, capsys: Captured) -> None:
    kept = keep_a_run(folder, "hardware")
    later = attrs.evolve(kept, id="20261125-200000-0000b")
    bench_runs.save(folder / "state" / "original" / "bench", later)
    assert run(["-q", "bench", "--show", "last", "--against", "prediction", "--json"]) == Exit.OK
    ratios = {(f["what"], f["size_bytes"]): f["ratio"] for f in json.loads(capsys.readouterr().out)["figures"]}
    # Calibrated with the same figures, the simulated ping-pong must give them back.
    assert ratios["ping-pong, usb-usb", 1] == pytest.approx(1, abs=0.001)
    assert ratios["ping-pong, usb-usb", 1 << 18] == pytest.approx(1, abs=0.001)
    assert ratios["ping-pong, usb-usb", 1 << 20] == pytest.approx(1, abs=0.001)
    assert ratios["cpi, one core of a pi-zero", None] == 1
