"""MPICH from a tarball: a toy one here, compiled by this machine's own compiler; `make test-mpich` takes a real one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pibramble.cards import mpich, recipe
from pibramble.cards.mpich import MpichError, Source
from pibramble.catalog.model import Architecture
from pibramble.errors import Location, MissingError
from pibramble.progress import SilentProgress

ARMEL = Architecture.ARMV6
WHERE = Location("cluster.toml", 7, 10)

CONFIGURE = """\
#!/bin/sh
PACKAGE_TARNAME='mpich'
PACKAGE_VERSION='9.9.1'
for word; do
    case $word in
        --host=*) host=${word#*=} ;;
        --prefix=*) prefix=${word#*=} ;;
    esac
done
source=$(cd ${0%/*} && pwd)
echo "checking for $host-gcc... $host-gcc"
[ -z "$CC$CFLAGS" ] || exit 77
flags=
for word; do case $word in MPICH_MPICC_CFLAGS=*) flags=${word#*=} ;; esac; done
cat >Makefile <<END
at = \\$(DESTDIR)$prefix
all:
	@echo '  CC       mpi.lo'; $host-gcc -shared -o libmpi.so.12 $source/mpi.c
install-strip:
	mkdir -p \\$(at)/bin \\$(at)/lib/pkgconfig \\$(at)/include \\$(at)/share/man
	cp libmpi.so.12 \\$(at)/lib; ln -s libmpi.so.12 \\$(at)/lib/libmpi.so
	touch \\$(at)/lib/libmpi.la \\$(at)/share/man/x
	touch \\$(at)/lib/pkgconfig/mpich.pc; cp $source/mpi.h \\$(at)/include
	printf '#!/bin/sh\\\\nCC="$host-gcc"\\\\nflags="$flags"\\\\n' >\\$(at)/bin/mpicc; chmod 700 \\$(at)/bin/mpicc
END
"""
FILES = {
    "configure": CONFIGURE,
    "mpi.c": "#include <stdio.h>\nint MPI_Init(void) { return puts(__FILE__); }\n",
    "mpi.h": "\n",
}


def pack(path: Path, files: dict[str, str]) -> Path:
    """Make a tarball as projects publish it: one folder with everything in it."""
    tree = path.parent / f"{path.name}.tree" / "mpich-9.9.1"
    tree.mkdir(parents=True)
    for name, content in files.items():
        (tree / name).write_text(content)
        (tree / name).chmod(0o755)
        os.utime(tree / name, (1_700_000_000, 1_700_000_000))
    with tarfile.open(path, "w:gz") as tar:
        tar.add(tree, tree.name)
    return path


@pytest.fixture
def toy(tmp_path: Path) -> Source:
    return mpich.read(pack(tmp_path / "mpich-9.9.1.tar.gz", FILES), WHERE)


@pytest.fixture(autouse=True)
def tools(private_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Cross compilers for a board that is like this machine: its own, under a longer name."""
    private_cache.mkdir()
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in ("gcc", "readelf"):
        (folder / f"arm-linux-gnueabi-{name}").symlink_to(shutil.which(name) or name)
    (folder / "arm-linux-gnueabi-g++").symlink_to("arm-linux-gnueabi-gcc")  # looked for, and not used by the toy
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def ensure(source: Source) -> mpich.Mpich:
    return mpich.ensure(source, ARMEL, SilentProgress())


def leftovers() -> list[str]:
    return [path.name for path in mpich.folder().glob(".making-*")]


def test_what_belongs_on_a_card_is_packed_and_is_roots(toy: Source) -> None:
    made = ensure(toy)
    assert made.version == "9.9.1"
    assert (2, 0) < made.glibc < (9, 0)
    with tarfile.open(made.archive) as tar:
        entries = {entry.name: entry for entry in tar}
        mpicc = tar.extractfile("./usr/local/bin/mpicc")
        assert mpicc is not None
        # The compiler has the board's name for it, and is told of the float unit.
        assert mpicc.read() == b'#!/bin/sh\nCC="gcc"\nflags="-march=armv6 -mfpu=vfp -mfloat-abi=softfp"\n'
    assert set(entries) == {
        "./usr/local/bin/mpicc",
        "./usr/local/include/mpi.h",
        "./usr/local/lib/libmpi.so",
        "./usr/local/lib/libmpi.so.12",
        "./usr/local/lib/pkgconfig",
        "./usr/local/lib/pkgconfig/mpich.pc",
    }
    assert {(entry.uid, entry.gid, entry.mtime) for entry in entries.values()} == {(0, 0, 1_700_000_000)}
    assert {entry.mode for entry in entries.values() if entry.isfile()} == {0o755, 0o644}
    assert entries["./usr/local/lib/libmpi.so"].linkname == "libmpi.so.12"


def test_it_is_compiled_once(toy: Source) -> None:
    first = ensure(toy)
    toy.path.unlink()
    assert ensure(toy) == first
    assert leftovers() == []


def test_the_same_tarball_gives_the_same_bytes_in_any_folder(
    toy: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of what knows where it was made, as MPICH's programs do."""
    first = ensure(toy).archive.read_bytes()
    assert b"/mnt/source/mpi.c" in first
    monkeypatch.setenv("PIBRAMBLE_CACHE", str(tmp_path / "another, with a longer name"))
    assert ensure(toy).archive.read_bytes() == first


def test_what_was_damaged_since_is_compiled_again(toy: Source) -> None:
    archive = ensure(toy).archive
    whole = archive.read_bytes()
    archive.write_bytes(whole[:-1] + b"x")
    assert ensure(toy).archive.read_bytes() == whole


def test_flags_of_the_person_who_builds_do_not_get_in(toy: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CFLAGS", "-march=native")
    monkeypatch.setenv("CC", "clang")
    assert ensure(toy).version == "9.9.1"


def test_another_tarball_or_board_is_another_mpich(toy: Source) -> None:
    other = Source(toy.path, "0" * 64)
    keys = {mpich.key(toy, kind) for kind in (ARMEL, Architecture.ARMV7, Architecture.ARM64)}
    assert len(keys | {mpich.key(other, ARMEL)}) == 4


def test_a_base_with_it_is_another_base_without_debians(toy: Source) -> None:
    lists = ["everywhere", "compiler"]
    plain = recipe.debian(ARMEL, "head", lists)
    own = recipe.debian(ARMEL, "head", lists, mpich.key(toy, ARMEL))
    assert own.key != plain.key
    assert set(plain.packages) - set(own.packages) == {"mpich", "libmpich-dev"}
    assert not own.late_files  # its own mpicc knows of the float unit; a wrapper would hide it


@pytest.mark.parametrize(
    ("name", "said"),
    [("no-archive", "is no tar archive"), ("cut", "is no tar archive, or not all of one"), ("empty", "no tar archive")],
)
def test_what_is_no_whole_archive_is_refused(toy: Source, tmp_path: Path, name: str, said: str) -> None:
    whole = toy.path.read_bytes()
    content = {"no-archive": b"<html>404</html>\n" * 90, "cut": whole[: len(whole) // 2], "empty": b""}[name]
    path = tmp_path / f"{name}.tar.gz"
    path.write_bytes(content)
    with pytest.raises(MpichError, match=said):
        ensure(mpich.read(path, WHERE))
    assert leftovers() == []


def test_another_projects_tarball_is_refused_by_what_it_holds(tmp_path: Path) -> None:
    files = {"configure": "PACKAGE_TARNAME='openmpi'\n", "VERSION": "5\n"}
    with pytest.raises(MpichError, match="is not MPICH: it holds VERSION, configure"):
        ensure(mpich.read(pack(tmp_path / "x.tar.gz", files), WHERE))


def test_a_snapshot_of_the_repository_is_no_release(tmp_path: Path) -> None:
    with pytest.raises(MpichError, match="has no `configure`: it is no release"):
        ensure(mpich.read(pack(tmp_path / "x.tar.gz", {"configure.ac": "AC_INIT\n"}), WHERE))


def test_a_tarball_that_is_not_there_is_told_with_the_line_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(MpichError, match="No such file") as caught:
        mpich.read(tmp_path / "mpich-9.9.1.tar.gz", WHERE)
    assert str(caught.value).startswith("cluster.toml:7:10: ")


def test_a_try_that_failed_is_told_from_configures_own_log(tmp_path: Path) -> None:
    failing = (
        CONFIGURE
        + "echo 'conftest.c:3: fatal error: no such header' >>config.log; echo 'configure: error: no C'; exit 1\n"
    )
    with pytest.raises(MpichError, match=r"MPICH 9\.9\.1 could not be compiled for armel") as caught:
        ensure(mpich.read(pack(tmp_path / "x.tar.gz", {**FILES, "configure": failing}), WHERE))
    assert "configure: error: no C" in caught.value.hint
    assert "fatal error: no such header" in caught.value.hint
    [kept] = mpich.folder().glob(".failed-*.log")
    assert f"Everything that was said: {kept}" in caught.value.hint
    assert "checking for arm-linux-gnueabi-gcc" in kept.read_text()
    assert leftovers() == []


def test_a_missing_cross_compiler_is_told_before_anything_is_unpacked(toy: Source, tools: Path) -> None:
    (tools / "arm-linux-gnueabi-g++").unlink()
    (tools / "arm-linux-gnueabi-gcc").unlink()
    if shutil.which("arm-linux-gnueabi-gcc"):
        os.environ["PATH"] = str(tools)  # monkeypatch puts it back
    with pytest.raises(MissingError, match="has no arm-linux-gnueabi-gcc, arm-linux-gnueabi-g") as caught:
        ensure(toy)
    assert "sudo apt-get install g++-arm-linux-gnueabi gcc-arm-linux-gnueabi" in caught.value.hint
    assert leftovers() == []


def test_a_library_for_a_newer_system_than_the_base_is_refused(toy: Source) -> None:
    made = ensure(toy)
    mpich.check_fits(made, "2.41-12+deb13u1")
    with pytest.raises(MpichError, match=r"the base has 2\.1-3"):
        mpich.check_fits(made, "2.1-3")


SLEEPING = CONFIGURE.replace("@echo '  CC       mpi.lo';", "@sleep 1234 & echo \\$\\$! >$(PIDS)/make; wait;")
SCRIPT = """
import sys
from pathlib import Path
from pibramble.cards import mpich
from pibramble.catalog.model import Architecture
from pibramble.errors import Location
from pibramble.progress import SilentProgress
mpich.ensure(mpich.read(Path(sys.argv[1]), Location("")), Architecture.ARMV6, SilentProgress())
"""


@contextmanager
def at_work(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A build whose `make` never ends, and the process that its compiler would be."""
    sign = tmp_path / "make"
    sign.unlink(missing_ok=True)
    source = tmp_path / "mpich.tar.gz"
    if not source.exists():
        pack(source, {**FILES, "configure": SLEEPING.replace("$(PIDS)", str(tmp_path))})
    child = subprocess.Popen([sys.executable, "-c", SCRIPT, str(source)], stderr=subprocess.DEVNULL)
    try:
        yield child, int(wait_for(lambda: sign.exists() and sign.read_text()))
    finally:
        child.send_signal(signal.SIGINT)
        child.wait(30)


def test_ctrl_c_leaves_no_process_and_no_half(tmp_path: Path) -> None:
    with at_work(tmp_path) as (child, pid):
        child.send_signal(signal.SIGINT)
        child.wait(30)
        wait_for(lambda: has_ended(pid))
        assert leftovers() == []


def test_make_does_not_outlive_a_build_that_is_killed_and_the_next_one_sweeps(tmp_path: Path) -> None:
    with at_work(tmp_path) as (child, pid):
        child.kill()
        child.wait(30)
        wait_for(lambda: has_ended(pid))
        assert leftovers() != []
    with at_work(tmp_path) as (child, _):
        assert [name.rpartition("-")[2] for name in leftovers()] == [str(child.pid)]


def has_ended(pid: int) -> bool:
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()  # nobody may be there to ask how it ended
    except FileNotFoundError:
        return True


def wait_for(condition: Callable[[], object], timeout_s: float = 30) -> str:
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return str(found)
