"""MPICH from its source, really cross-compiled and put into a base: as an ordinary user, run by the emulator.

The tarball is the one that Debian's source package has; a card has Debian's own MPICH beside it nowhere.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pibramble.cards import mirror
from tests.bases.builder import Builder, build, make_builder, on_root, partitions

pytestmark = [pytest.mark.mpich, pytest.mark.timeout(3600)]

CLUSTER = """\
[cluster]
name = "own-mpich"

[head]
board = "{board}"

[mpi]
source = "{tarball}"

[[workers]]
name = "zero1"
link = "usb"
"""
HEADS = {"armel": "pi-1b", "armhf": "pi-2b", "arm64": "pi-4b"}  # by Debian's architecture


@pytest.fixture(scope="session")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a release of MPICH: the user's own, or the one that the mirror has among Debian's sources."""
    if given := os.environ.get("PIBRAMBLE_TEST_MPICH"):
        return Path(given)
    folder = tmp_path_factory.mktemp("source")
    for suite in ("trixie", "bookworm"):
        if found := _from_mirror(folder / suite, suite):
            return found
    pytest.skip("the mirror has no sources of MPICH; PIBRAMBLE_TEST_MPICH=mpich-4.2.3.tar.gz names a tarball")


def _from_mirror(folder: Path, suite: str) -> Path | None:
    """Let apt fetch it, with sources in a folder of its own: this machine's stay as they are."""
    (folder / "lists/partial").mkdir(parents=True)
    [source, *_] = mirror.sources(suite, ["main"])
    (folder / "source.sources").write_text(source.deb822().replace("Types: deb", "Types: deb-src"))
    settings = {
        "Dir::Etc::sourcelist": folder / "source.sources",
        "Dir::Etc::sourceparts": "/nonexistent",
        "Dir::State::lists": folder / "lists",
        "APT::Sandbox::User": "",
    }
    apt = ["apt-get", "--quiet", *(f"--option={name}={value}" for name, value in settings.items())]
    for words in (["update"], ["--download-only", "source", "mpich"]):
        if subprocess.run([*apt, *words], cwd=folder, capture_output=True, check=False).returncode != 0:
            return None
    return next(folder.glob("mpich_*.orig.tar.*z"), None)


@pytest.fixture(scope="session", params=HEADS)
def architecture(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def built(stranger: tuple[str, ...], tarball: Path, architecture: str) -> Builder:
    """The head's card, over a base with MPICH of that tarball."""
    cluster = CLUSTER.format(board=HEADS[architecture], tarball=tarball.name)
    builder = make_builder(f"mpich-{architecture}", cluster, stranger)
    shutil.copyfile(tarball, builder.folder / tarball.name)
    build(builder, "head")
    return builder


@pytest.fixture(scope="session")
def root(built: Builder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the head's root; programs of the board run in it by the emulator."""
    image, tree = built.card("head"), tmp_path_factory.mktemp("root") / "tree"
    tree.mkdir()
    where = f"{image}?offset={partitions(image)[1]}"
    subprocess.run(["debugfs", "-R", f"rdump / {tree}", where], capture_output=True, check=True)
    return tree


_ENTER = """
hostname localhost; ip link set lo up
mount -t proc proc "$1/proc"; mount -t tmpfs none "$1/dev"; mkdir "$1/dev/shm"
touch "$1/dev/null"; mount --bind /dev/null "$1/dev/null"
exec chroot "$1" /bin/sh -euc "$2"
"""


def in_root(root: Path, script: str) -> str:
    """Run a shell script of the board's own, without a network, as root of its namespaces alone."""
    namespaces = ["unshare", "--mount", "--pid", "--net", "--uts", "--fork"]
    if os.getuid() != 0:
        namespaces += ["--user", "--map-root-user"]
    argv = [*namespaces, "sh", "-euc", _ENTER, "sh", str(root), script]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_base_says_which_mpich_it_has(built: Builder, tarball: Path, root: Path) -> None:
    done = built.pibramble("card", "build", "head")
    version = re.search(r"_?([0-9.]+[0-9])\.", tarball.name)
    assert version is not None
    assert version[1] in done.stdout
    assert f"MPICH Version:    \t{version[1]}" in in_root(root, "mpichversion")
    assert in_root(root, "command -v mpiexec").strip() == "/usr/local/bin/mpiexec"


def test_debians_own_is_not_there(built: Builder) -> None:
    status = on_root(built.card("head"), "cat /var/lib/dpkg/status")
    assert "Package: openssh-server\n" in status
    assert not re.search(r"^Package: (?:lib)?mpich", status, re.MULTILINE)


def test_two_ranks_compute_pi(root: Path) -> None:
    example = (Path(__file__).parents[2] / "examples" / "cpi.c").read_text()
    (root / "tmp" / "cpi.c").write_text(example)
    in_root(root, "cd /tmp && mpicc -O2 -o cpi cpi.c -lm")
    said = in_root(root, "mpiexec -launcher fork -hosts localhost -n 2 /tmp/cpi 1000000")
    assert "1000000 intervals on 2 ranks" in said
    assert "3.14159" in said


def test_the_boards_float_unit_is_used(root: Path, architecture: str) -> None:
    if architecture != "armel":
        pytest.skip("only armel's compiler knows no float unit")
    (root / "tmp" / "half.c").write_text("double half(double x) { return x / 2; }\n")
    said = in_root(root, "mpicc -O2 -S -o - /tmp/half.c")
    assert re.search(r"v(?:mul|div)\.f64", said), said
    assert "__aeabi_ddiv" not in said
