"""What bases are made from, decided by the plan."""

from __future__ import annotations

import attrs
import pytest

from pibramble.cards import recipe
from pibramble.catalog.model import Architecture
from pibramble.errors import UsageError
from pibramble.plan.model import Plan
from pibramble.plan.resolve import resolve
from pibramble.spec.model import Cluster, GpsSection, HeadSection, WorkerGroup


def plan(head: str, *workers: str) -> Plan:
    groups = tuple(WorkerGroup(name=f"w{number}", board=board) for number, board in enumerate(workers))
    return resolve(Cluster(head=HeadSection(board=head), workers=groups))


def test_boards_of_one_kind_share_a_base() -> None:
    made = plan("pi-1b", "pi-zero", "pi-zero-w")
    keys = [recipe.recipe_for(made, node).key for node in made.workers]
    assert keys[0] == keys[1]
    assert keys[0].startswith("trixie-armel-worker-")


@pytest.mark.parametrize(
    ("board", "architecture"),
    [("pi-1b", "armel"), ("pi-zero-w", "armel"), ("pi-2b", "armhf"), ("pi-zero-2w", "arm64"), ("pi-5", "arm64")],
)
def test_every_board_gets_the_architecture_that_it_runs(board: str, architecture: str) -> None:
    made = plan(board)
    assert f"-{architecture}-head-" in recipe.recipe_for(made, made.head).key


def test_the_head_has_what_pibramble_needs_and_a_compiler_and_workers_have_neither() -> None:
    made = plan("pi-1b", "pi-zero")
    head, worker = (set(recipe.recipe_for(made, node).packages) for node in made.nodes)
    assert {"python3-click", "python3-attr", "python3-clustershell", "gcc", "libmpich-dev"} <= head - worker
    assert {"openssh-server", "mpich", "ppp", "nftables", "raspi-firmware", "linux-image-rpi"} <= worker


def test_a_worker_that_the_heads_programs_do_not_run_on_has_a_compiler() -> None:
    made = plan("pi-4b", "pi-zero", "pi-3b")
    zero, three = (recipe.recipe_for(made, node) for node in made.workers)
    assert zero.kind == "worker-compiler"
    assert "gcc" in zero.packages
    assert three.kind == "worker"


def test_only_boards_with_a_soft_float_system_get_the_wrapper() -> None:
    wrapped = recipe.debian(Architecture.ARMV6, "head", ["everywhere", "compiler"]).late_files
    assert [file.path for file in wrapped if "-mfloat-abi=softfp" in file.content] == [
        "/usr/local/lib/pibramble/compile-for-vfp"
    ]
    assert "/usr/local/bin/mpicc" in [file.path for file in wrapped if file.target]
    assert recipe.debian(Architecture.ARMV7, "head", ["everywhere", "compiler"]).late_files == ()


def test_whatever_goes_in_is_in_the_key() -> None:
    first = recipe.debian(Architecture.ARMV6, "worker", ["everywhere"])
    changed = [
        attrs.evolve(first, packages=(*first.packages, "vim")),
        attrs.evolve(first, release="forky"),
        attrs.evolve(first, late_files=(recipe.BaseFile("/etc/motd", "hello\n"),)),
        attrs.evolve(first, early_files=()),
    ]
    assert len({first.key, *(recipe.key for recipe in changed)}) == 1 + len(changed)
    assert recipe.debian(Architecture.ARMV6, "worker", ["everywhere"]).key == first.key


def test_a_pc_starts_from_no_card() -> None:
    made = plan("pc", "pi-zero")
    with pytest.raises(UsageError, match="does not boot from one of ours"):
        recipe.recipe_for(made, made.head)


def test_what_debian_lacks_for_a_board_is_said() -> None:
    made = plan("pi-5", "pi-zero-2w")
    assert "RP1" in recipe.remarks(made.head)[0]
    assert recipe.remarks(made.workers[0]) == ()


def test_only_a_head_with_a_receiver_has_gpsd() -> None:
    cluster = Cluster(head=HeadSection(board="pi-1b"), workers=(WorkerGroup(name="zero1"),))
    without = resolve(cluster)
    made = resolve(attrs.evolve(cluster, gps=GpsSection(port="/dev/ttyAMA0")))
    assert "gpsd" in recipe.recipe_for(made, made.head).packages
    assert recipe.recipe_for(made, made.head).key.startswith("trixie-armel-head-gps-")
    assert recipe.recipe_for(made, made.workers[0]) == recipe.recipe_for(without, without.workers[0])
    assert "gpsd" not in recipe.recipe_for(without, without.head).packages
