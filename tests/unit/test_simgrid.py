"""The real SMPI runs programs on our platforms: it takes them, and its times are what the wires say."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import attrs
import pytest

from pibramble import proc, simgrid
from pibramble.advise.predict.calibration import NOTHING_MEASURED
from pibramble.advise.predict.platform import Platform, platform
from pibramble.advise.predict.scaling import Simulated, judge
from pibramble.advise.predict.wires import Step, Wires, wires
from pibramble.errors import Exit, MissingError, PibrambleError, TimedOutError, UsageError
from pibramble.operate.bench import PROGRAMS, read_curve, read_speed
from pibramble.operate.programs import CompilerError
from pibramble.plan.resolve import resolve
from pibramble.simgrid import Job, Simulator
from pibramble.spec.model import Cluster, HubSection, Link, WorkerGroup
from tests.unit.advise.predict.clusters import FOUR_CORES, SERIAL, USB, boards, cluster, one_way_s, plan, shared

EXAMPLES = Path(__file__).parents[2] / "examples"
SPEEDS = dict.fromkeys(("pi-zero", "pi-1a-plus", "pi-zero-2w", "pi-1b"), 1e9)

needs_smpi = pytest.mark.skipif(
    shutil.which("smpirun") is None, reason="SimGrid is not installed: scripts/setup predict"
)

BAD = """\
#include <mpi.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    int rank, got;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (rank == 1) {
        if (strcmp(argv[1], "abort") == 0) MPI_Abort(MPI_COMM_WORLD, 3);
        if (strcmp(argv[1], "crash") == 0) *(volatile int *)0 = 1;
        if (strcmp(argv[1], "wait") == 0) MPI_Recv(&got, 1, MPI_INT, 0, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        if (strcmp(argv[1], "spin") == 0) for (volatile int i = 0;; i++) {}
    }
    MPI_Finalize();
    return strcmp(argv[1], "exit") == 0 ? 5 : 0;
}
"""


@pytest.fixture
def smpi(tmp_path: Path) -> Simulator:
    return Simulator(tmp_path)


def job(program: Path, *arguments: str, host_speed: float = 1e9, timeout_s: float = 60) -> Job:
    return Job(program, arguments, host_speed, timeout_s)


def made(modelled: Wires, ranks: int, *workers: WorkerGroup) -> Platform:
    return platform(plan(*workers), modelled, shared(cluster(*workers)), SPEEDS, ranks)


@needs_smpi
@pytest.mark.parametrize(("workers", "names"), [(USB, ("zero1", "zero2")), (SERIAL, ("ser1", "ser2"))])
def test_a_message_takes_what_the_wires_say(
    smpi: Simulator, workers: tuple[WorkerGroup, ...], names: tuple[str, str]
) -> None:
    modelled = boards(*workers)
    place = made(modelled, 2, *workers)
    program = smpi.compiled(PROGRAMS / "pingpong.c", ())
    # What this PC takes between the calls is left out: on a busy one it is more than the 2 % below.
    wires_alone = attrs.evolve(job(program, "262144", "0.000001"), counts_computing=False)
    printed = smpi.run(wires_alone, place, modelled.steps_for(place.kinds), 2).printed
    curve = read_curve(printed)
    assert [sample.size_bytes for sample in curve] == [4**power for power in range(10)]
    for sample in curve:
        assert sample.median_s == pytest.approx(one_way_s(modelled, *names, sample.size_bytes), rel=0.02), sample


@needs_smpi
def test_a_program_computes_as_it_would_and_its_time_is_stretched_to_the_board_s(smpi: Simulator) -> None:
    modelled = boards(*USB)
    program = smpi.compiled(EXAMPLES / "cpi.c", ())
    place = made(modelled, 4, *USB)
    steps = modelled.steps_for(place.kinds)
    as_here = smpi.run(job(program, "40000000"), place, steps, 4)
    assert "pi is about 3.14159265" in as_here.printed
    slower = smpi.run(job(program, "40000000", host_speed=50e9), place, steps, 4)  # a PC that is 50 times the board
    assert slower.compute_s / as_here.compute_s == pytest.approx(50, rel=0.5)  # a busy machine measures with noise
    assert slower.seconds == pytest.approx(slower.compute_s, rel=0.3)


@needs_smpi
def test_what_simgrid_needs_to_know_its_ranks_is_not_counted(smpi: Simulator) -> None:
    modelled = boards(*USB)
    place = made(modelled, 64, *USB)
    run = smpi.run(job(smpi.compiled(EXAMPLES / "cpi.c", ()), "640"), place, modelled.steps_for(place.kinds), 64)
    assert run.seconds < 64 * 0.0005  # a barrier and a sum in 6 rounds each; its own messages take a millisecond a rank


MANNERS = """\
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static void work(long steps) { for (volatile long i = 0; i < steps; i++) {} }
int main(int argc, char **argv)
{
    int rank, ranks, there = 0, bytes = 8 << 20;
    MPI_Request request;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    char *data = calloc(bytes, 1), *how = argv[1];
    double began = MPI_Wtime();
    if (strcmp(how, "pairs") == 0) {
        if (rank % 2 == 0) MPI_Send(data, bytes, MPI_CHAR, rank + 1, 0, MPI_COMM_WORLD);
        else MPI_Recv(data, bytes, MPI_CHAR, rank - 1, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        if (rank % 2 == 1) printf("%d %f\\n", rank / 2, bytes / (MPI_Wtime() - began));
    } else if (strcmp(how, "polls") == 0 && rank == 0) {
        MPI_Send(data, 1 << 20, MPI_CHAR, 1, 0, MPI_COMM_WORLD);
    } else if (strcmp(how, "polls") == 0 && rank == 1) {
        MPI_Irecv(data, 1 << 20, MPI_CHAR, 0, 0, MPI_COMM_WORLD, &request);
        while (!there) MPI_Test(&request, &there, MPI_STATUS_IGNORE);
    } else if (strcmp(how, "one") == 0 && rank == 0) {
        work(50000000);
    } else if (strcmp(how, "all") == 0) {
        work(20000000);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Finalize();
    return 0;
}
"""


def behaves(smpi: Simulator, tmp_path: Path, how: str, ranks: int, host_speed: float = 1e9) -> tuple[Simulated, Wires]:
    """Return what becomes of a program with such manners on Zeros."""
    source = tmp_path / "manners.c"
    source.write_text(MANNERS)
    modelled = boards(*USB)
    place = made(modelled, ranks, *USB)
    run = smpi.run(
        job(smpi.compiled(source, ()), how, host_speed=host_speed), place, modelled.steps_for(place.kinds), ranks
    )
    return run, modelled


@needs_smpi
@pytest.mark.parametrize("pairs", [1, 2, 4])
def test_pairs_share_the_heads_bus(smpi: Simulator, tmp_path: Path, pairs: int) -> None:
    run, modelled = behaves(smpi, tmp_path, "pairs", 2 * pairs)
    rates = [float(line.split()[1]) for line in run.printed.splitlines()]
    wire = min(modelled.models["zero1"].to_head_bytes_per_s, modelled.models["zero2"].to_worker_bytes_per_s)
    assert sum(rates) == pytest.approx(min(pairs * wire, 26_624_000), rel=0.02)
    assert max(rates) == pytest.approx(min(rates), rel=0.01)
    [point] = judge([run]).points
    assert point.wire > 0.98


def rates_of(smpi: Simulator, tmp_path: Path, of: Cluster) -> list[float]:
    """Return how fast each pair of neighbours in a cluster is, in bytes a second, when all send at once."""
    source = tmp_path / "manners.c"
    source.write_text(MANNERS)
    modelled = wires(resolve(of), NOTHING_MEASURED)
    place = platform(resolve(of), modelled, shared(of), SPEEDS, sum(w.board.cores for w in resolve(of).workers))
    steps = modelled.steps_for(place.kinds)
    printed = smpi.run(job(smpi.compiled(source, ()), "pairs"), place, steps, place.ranks).printed
    return [rate for _, rate in sorted((int(pair), float(rate)) for pair, rate in map(str.split, printed.splitlines()))]


GADGET, BUS = 90e6 / 8 * 1448 / 1514, 13 * 512 * 8000  # bytes a second
FAST, OF_FULL_SPEED = 100e6 / 8 * 1448 / 1514, 19 * 64 * 1000


@needs_smpi
def test_eight_pairs_on_a_full_speed_hub_have_half_of_its_plug(smpi: Simulator, tmp_path: Path) -> None:
    sixteen = WorkerGroup(name="zero[1-16]")
    rates = rates_of(smpi, tmp_path, cluster(sixteen, hubs=(HubSection(model="old"),)))
    assert rates == pytest.approx([OF_FULL_SPEED / 2 / 8] * 8, rel=0.02)


@needs_smpi
def test_a_plug_is_taken_once_by_a_message_that_comes_from_elsewhere(smpi: Simulator, tmp_path: Path) -> None:
    hub = HubSection(model="old", workers="zero2")
    [rate] = rates_of(smpi, tmp_path, cluster(WorkerGroup(name="zero[1-2]"), hubs=(hub,)))
    assert rate == pytest.approx(OF_FULL_SPEED, rel=0.02)


@needs_smpi
@pytest.mark.parametrize(("head", "buses"), [("pi-4b", 1), ("pi-5", 2)])
def test_two_hubs_on_two_buses_are_twice_as_fast_as_on_one(
    smpi: Simulator, tmp_path: Path, head: str, buses: int
) -> None:
    sixteen = WorkerGroup(name="zero[01-16]")
    hubs = (HubSection(model="hub-10-powered", workers="zero[01-08]"), HubSection(model="hub-10-powered"))
    rates = rates_of(smpi, tmp_path, cluster(sixteen, head=head, hubs=hubs))
    assert rates == pytest.approx([buses * BUS / 2 / 8] * 8, rel=0.02)


@needs_smpi
@pytest.mark.parametrize(("head", "takes"), [("pi-1b", 2), ("pi-4b", 1)])
def test_ethernet_behind_usb_takes_from_the_same_bus(smpi: Simulator, tmp_path: Path, head: str, takes: int) -> None:
    # Two pairs on USB take the bus twice each; the third sends from Ethernet to USB.
    wired = WorkerGroup(name="b", board="pi-1b", link=Link.ETHERNET, head_port="eth0")
    rates = rates_of(smpi, tmp_path, cluster(*USB, wired, WorkerGroup(name="more"), head=head))
    assert rates == pytest.approx([min(GADGET, BUS / (4 + takes))] * 3, rel=0.02)


@needs_smpi
def test_a_switch_passes_on_by_itself_and_two_ports_of_an_old_head_share_its_bus(
    smpi: Simulator, tmp_path: Path
) -> None:
    one = WorkerGroup(name="b[1-8]", board="pi-1b", link=Link.ETHERNET, head_port="eth0")
    assert rates_of(smpi, tmp_path, cluster(one, head="pi-1b")) == pytest.approx([FAST] * 4, rel=0.02)
    each = attrs.evolve(one, head_port="eth[0-7]")
    assert rates_of(smpi, tmp_path, cluster(each, head="pi-1b")) == pytest.approx([BUS / 2 / 4] * 4, rel=0.02)


@needs_smpi
def test_messages_within_a_board_cross_no_wire(smpi: Simulator, tmp_path: Path) -> None:
    assert min(rates_of(smpi, tmp_path, cluster(*FOUR_CORES))) > 1e9


@needs_smpi
def test_who_has_nothing_to_do_waits(smpi: Simulator, tmp_path: Path) -> None:
    run, _ = behaves(smpi, tmp_path, "one", 4, host_speed=20e9)  # some seconds, so the barrier's milliseconds are none
    [point] = judge([run]).points
    assert point.compute == pytest.approx(0.25, abs=0.02)
    assert point.waiting == pytest.approx(0.75, abs=0.02)
    assert point.wire < 0.01


@needs_smpi
def test_with_and_without_wires_one_measured_time_counts(smpi: Simulator, tmp_path: Path) -> None:
    runs = [behaves(smpi, tmp_path, "all", 4, host_speed=20e9)[0] for _ in range(3)]
    assert not any(run.timed_twice for run in runs)
    # A barrier of two rounds, whatever the noise of what was computed beside it: timed twice, it would be lost in that.
    barriers_s = [run.seconds - run.seconds_without_wires for run in runs]
    assert all(0.0005 < seconds < 0.003 for seconds in barriers_s), barriers_s


@needs_smpi
def test_a_program_that_makes_other_calls_without_wires_is_timed_anew(smpi: Simulator, tmp_path: Path) -> None:
    run, _ = behaves(smpi, tmp_path, "polls", 2)
    assert run.timed_twice
    assert run.seconds > run.seconds_without_wires + 0.05  # a megabyte at some 10 MB/s


SUMS = """\
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv)
{
    int rank, ranks, count = atoi(argv[1]), wrong = 0;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    int *in = malloc(count * sizeof *in), *out = malloc(count * sizeof *out);
    for (int i = 0; i < count; i++) in[i] = rank + i;
    double began = MPI_Wtime();
    MPI_Allreduce(in, out, count, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    double seconds = MPI_Wtime() - began;
    MPI_Allreduce(MPI_IN_PLACE, in, count, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    for (int i = 0; i < count; i++)
        wrong += out[i] != ranks * (ranks - 1) / 2 + ranks * i || in[i] != out[i];
    printf("%d wrong\\n", wrong);
    if (rank == 0) printf("seconds %f\\n", seconds);
    MPI_Finalize();
    return 0;
}
"""


@needs_smpi
@pytest.mark.parametrize("ranks", [2, 3, 7, 8])
@pytest.mark.parametrize("count", [1, 5, 8, 13, 1031])
def test_sums_are_right_whatever_their_length_and_the_number_of_ranks(
    smpi: Simulator, tmp_path: Path, ranks: int, count: int
) -> None:
    source = tmp_path / "sums.c"
    source.write_text(SUMS)
    place = made(boards(*USB), ranks, *USB)
    printed = smpi.run(job(smpi.compiled(source, ()), str(count)), place, (Step(0, 1, 1),), ranks).printed
    assert printed.count("0 wrong") == ranks, printed


def _sum_s(smpi: Simulator, place: Platform, program: Path, count: int) -> float:
    printed = smpi.run(job(program, str(count)), place, (Step(0, 1, 1),), 8).printed
    return float(printed.split("seconds")[1].split()[0])


@needs_smpi
def test_a_sum_goes_by_parts_when_every_rank_can_have_one_as_mpich_has_it(smpi: Simulator, tmp_path: Path) -> None:
    source = tmp_path / "sums.c"
    source.write_text(SUMS)
    program = smpi.compiled(source, ())
    place = made(boards(*SERIAL), 8, *SERIAL)
    vector_s = 4 * 65536 / place.places[0].wire.to_head_bytes_per_s
    # Doubling would take 3 times the vector's time.
    assert _sum_s(smpi, place, program, 65536) == pytest.approx(2 * 7 / 8 * vector_s, rel=0.05)
    # Seven elements are doubled in 3 steps; eight are halved in 3 and gathered in 3.
    assert _sum_s(smpi, place, program, 8) > 1.5 * _sum_s(smpi, place, program, 7)


COLLECTIVES = """\
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#define TIMED(name, call) do { \\
    MPI_Barrier(MPI_COMM_WORLD); \\
    double began = MPI_Wtime(), own, slowest; \\
    call; \\
    own = MPI_Wtime() - began; \\
    MPI_Reduce(&own, &slowest, 1, MPI_DOUBLE, MPI_MAX, 0, MPI_COMM_WORLD); \\
    if (rank == 0) printf("%s %.6f\\n", name, slowest); \\
} while (0)
int main(int argc, char **argv)
{
    int rank, ranks, count = 4096;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    double *in = calloc(ranks * count, sizeof *in), *out = calloc(ranks * count, sizeof *out);
    TIMED("bcast", MPI_Bcast(in, count, MPI_DOUBLE, 0, MPI_COMM_WORLD));
    TIMED("reduce", MPI_Reduce(in, out, count, MPI_DOUBLE, MPI_SUM, 0, MPI_COMM_WORLD));
    TIMED("allreduce", MPI_Allreduce(in, out, count, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD));
    TIMED("gather", MPI_Gather(in, count, MPI_DOUBLE, out, count, MPI_DOUBLE, 0, MPI_COMM_WORLD));
    TIMED("scatter", MPI_Scatter(in, count, MPI_DOUBLE, out, count, MPI_DOUBLE, 0, MPI_COMM_WORLD));
    TIMED("allgather", MPI_Allgather(in, count, MPI_DOUBLE, out, count, MPI_DOUBLE, MPI_COMM_WORLD));
    TIMED("alltoall", MPI_Alltoall(in, count, MPI_DOUBLE, out, count, MPI_DOUBLE, MPI_COMM_WORLD));
    MPI_Finalize();
    return 0;
}
"""


@needs_smpi
def test_every_version_of_simgrid_gives_collectives_the_same_times(smpi: Simulator, tmp_path: Path) -> None:
    source = tmp_path / "collectives.c"
    source.write_text(COLLECTIVES)
    place = made(boards(*SERIAL), 8, *SERIAL)
    printed = smpi.run(job(smpi.compiled(source, ())), place, (Step(0, 1, 1),), 8).printed
    times_s = {name: float(seconds) for name, seconds in map(str.split, printed.splitlines())}
    # As 3.32 has it, and 4.0 too: another choice of algorithms would be a fifth off and more.
    assert times_s == pytest.approx(
        {
            "bcast": 2.2267,
            "reduce": 0.6580,
            "allreduce": 0.6569,
            "gather": 2.5965,
            "scatter": 4.0795,
            "allgather": 2.5965,
            "alltoall": 2.6024,
        },
        rel=0.02,
    )


@needs_smpi
@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("abort", "called MPI_Abort"),
        ("crash", "segmentation fault"),
        ("wait", "waits for ever"),
        ("exit", "exit code 5"),
    ],
)
def test_a_program_that_does_not_end_well_is_told_in_words(
    smpi: Simulator, tmp_path: Path, how: str, said: str
) -> None:
    source = tmp_path / "bad.c"
    source.write_text(BAD)
    place = made(boards(*USB), 2, *USB)
    with pytest.raises(PibrambleError, match=said) as caught:
        smpi.run(job(smpi.compiled(source, ()), how), place, (Step(0, 1, 1),), 2)
    assert caught.value.message.startswith("bad on 2 simulated ranks")
    assert caught.value.exit_code == Exit.FAILED


@needs_smpi
def test_a_program_that_takes_too_long_is_ended_with_all_that_it_started(smpi: Simulator, tmp_path: Path) -> None:
    source = tmp_path / "spinning-for-ever.c"
    source.write_text(BAD)
    program = smpi.compiled(source, ())
    with pytest.raises(TimedOutError, match="longer than 1 s"):
        smpi.run(job(program, "spin", timeout_s=1), made(boards(*USB), 2, *USB), (Step(0, 1, 1),), 2)
    time.sleep(0.2)
    assert str(program) not in proc.run(["ps", "-eo", "args"]).stdout


@needs_smpi
def test_a_program_that_does_not_compile_is_answered_with_the_compiler_s_words(smpi: Simulator, tmp_path: Path) -> None:
    source = tmp_path / "wrong.c"
    source.write_text("int main(void) { return unknown; }\n")
    with pytest.raises(CompilerError, match="smpicc could not compile") as caught:
        smpi.compiled(source, ())
    assert "wrong.c:1:" in caught.value.hint


@pytest.mark.parametrize(("name", "said"), [("a.py", "no source file"), ("missing.c", "no file")])
def test_what_cannot_be_compiled_is_refused(smpi: Simulator, name: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        smpi.compiled(Path(name), ())


def test_without_simgrid_the_package_is_named(smpi: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(proc, "_SYSTEM_FOLDERS", ())
    with pytest.raises(MissingError, match="SimGrid") as caught:
        smpi.compiled(EXAMPLES / "cpi.c", ())
    assert "doctor predict" in caught.value.hint


@pytest.fixture
def other_smpirun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder / "smpirun"


def test_an_old_simgrid_is_refused(smpi: Simulator, other_smpirun: Path) -> None:
    other_smpirun.write_text("#!/bin/sh\necho 'SimGrid version 3.25'\n")
    other_smpirun.chmod(0o755)
    with pytest.raises(MissingError, match=r"3\.32 or newer"):
        _ = smpi.version


def test_the_factors_have_the_names_of_their_version() -> None:
    steps = (Step(0, 1, 0.5), Step(1448, 2.25, 1))
    assert simgrid.factors(steps, (3, 32)) == {"smpi/bw-factor": "0:0.5;1448:1", "smpi/lat-factor": "0:1;1448:2.25"}
    assert simgrid.factors(steps, (4, 0)) == {
        "network/bandwidth-factor": "0:0.5;1448:1",
        "network/latency-factor": "0:1;1448:2.25",
    }


def test_this_machine_s_speed_is_that_of_the_program_that_measures_boards(tmp_path: Path) -> None:
    program = tmp_path / "speed"
    proc.run(["gcc", "-O2", "-o", str(program), str(PROGRAMS / "speed.c")])
    assert simgrid.host_speed() == pytest.approx(read_speed(proc.run([str(program)]).stdout), rel=0.5)
